/* SPDX-License-Identifier: MIT */
#include "cat.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

void complain(const char *format, ...)
{
    va_list arguments;
    fputs("mpsc-cat: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    const struct settings settings = settings_parse(argc, argv);
    signal(SIGPIPE, SIG_IGN); /* a write says it */
    signals_catch(settings.verbose);
    return settings.send ? send_input(&settings) : receive_output(&settings);
}
