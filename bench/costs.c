/* SPDX-License-Identifier: MIT */
/* What a channel costs beside the time of a message. */
#include "costs.h"
#include "figures.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "Measures what libmpsc costs beside the time of a message: system calls, processor time of "
    "who\n"
    "is blocked, opening and closing, forking, senders that are attached and silent, memory.\n";

/* To add a transport of which it is asked too: a line here. All of them sleep when they wait. */
const struct transport *const costs_transports[] = {
    &transport_mpsc,  &transport_pipe, &transport_mq, &transport_seqpacket, &transport_robust,
#ifdef HAVE_BOOST
    &transport_boost,
#endif
};
const size_t costs_transports_count = sizeof costs_transports / sizeof *costs_transports;

int main(int argc, char **argv)
{
    struct settings settings = program_settings(argc, argv, help);
    costs_memory();
    costs_syscalls(settings.quick);
    for (size_t round = 0; round < settings.rounds; round++) {
        program_progress("round", round + 1, settings.rounds);
        costs_calls(settings.quick);
        costs_crowd(settings.quick);
    }
    costs_idle(settings.quick);
    program_progress_end();
    figures_print();
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
