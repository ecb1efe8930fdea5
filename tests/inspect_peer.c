/* SPDX-License-Identifier: MIT */
/*
 * A process for mpsc-inspect to look at: it has both ends of a channel, and does what it is told by lines
 * on its standard input. After each it says "done", or what went wrong.
 *
 *      inspect_peer NAME BOUND [durable|vast]  NAME "-": a private channel; BOUND -1: none; vast: of the
 *                                              largest max_bytes there is
 *
 *      send TEXT       a message, without its newline; waits for room
 *      number N        the four bytes of a number
 *      many N          "message 1" and so on
 *      loan            claims room for a message, and does not send it
 *      receive         one message, which is printed
 *      take N          so many
 *      closefrom       closes all descriptors but the first three, the library's too
 *      hold PATH       the lock of who is about to remove that name, and does not remove it
 *      fork            a child that inherits both ends and does nothing, as long as this process lives
 */
#include "layout.h"

#include <fcntl.h>
#include <mpsc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 32, PATIENCE = 300 };

static mpsc_sender *tx;
static mpsc_receiver *rx;

static mpsc_status open_channel(const char *name, size_t bound, const char *kind)
{
    mpsc_options options = MPSC_OPTIONS_INIT;
    if (strcmp(name, "-") == 0)
        return mpsc_sync_channel(SIZE, bound, &tx, &rx);
    options.message_size = SIZE;
    options.bound = bound;
    options.durable = strcmp(kind, "durable") == 0;
    options.max_bytes = strcmp(kind, "vast") == 0 ? UINT64_MAX : 0;
    mpsc_status status = mpsc_open_sender(name, &options, &tx);
    return status ? status : mpsc_open_receiver(name, NULL, &rx);
}

static mpsc_status send_many(int count)
{
    mpsc_status status = MPSC_OK;
    for (int i = 1; i <= count && !status; i++) {
        char text[SIZE];
        int length = snprintf(text, sizeof text, "message %d", i);
        status = mpsc_send(tx, text, (size_t)length);
    }
    return status;
}

static mpsc_status loan(void)
{
    mpsc_status status;
    (void)!mpsc_loan(tx, SIZE, &status);
    return status;
}

static mpsc_status receive(int count)
{
    mpsc_status status = MPSC_OK;
    char text[1024];
    size_t length = 0;
    while (count-- > 0 && !status)
        status = mpsc_recv(rx, text, sizeof text, &length);
    if (!status)
        printf("%.*s\n", (int)length, text);
    return status;
}

/* The child ends when nobody can write into its pipe any more. */
static mpsc_status have_a_child(void)
{
    int ends[2];
    char byte;
    if (pipe(ends) != 0)
        return MPSC_OS;
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        _exit((int)read(ends[0], &byte, 1));
    }
    close(ends[0]);
    return child < 0 ? MPSC_OS : MPSC_OK;
}

static mpsc_status hold(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_start = LOCK_UNLINK, .l_len = 1};
    int fd = open(path, O_RDWR | O_CLOEXEC);
    return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? MPSC_OK : MPSC_OS;
}

static mpsc_status obey(const char *word, const char *rest)
{
    if (strcmp(word, "send") == 0)
        return mpsc_send(tx, rest, strlen(rest));
    if (strcmp(word, "number") == 0)
        return mpsc_send(tx, &(int){atoi(rest)}, sizeof(int));
    if (strcmp(word, "many") == 0)
        return send_many(atoi(rest));
    if (strcmp(word, "loan") == 0)
        return loan();
    if (strcmp(word, "receive") == 0)
        return receive(1);
    if (strcmp(word, "take") == 0)
        return receive(atoi(rest));
    if (strcmp(word, "closefrom") == 0) {
        closefrom(STDERR_FILENO + 1);
        return MPSC_OK;
    }
    if (strcmp(word, "hold") == 0)
        return hold(rest);
    if (strcmp(word, "fork") == 0)
        return have_a_child();
    return MPSC_INVALID;
}

int main(int argc, char **argv)
{
    char line[1024];
    if (argc < 3)
        return 2;
    alarm(PATIENCE); /* whatever becomes of who gives the orders */
    mpsc_status status = open_channel(argv[1], (size_t)atol(argv[2]), argc > 3 ? argv[3] : "");
    for (;;) {
        puts(status ? mpsc_strstatus(status) : "done");
        if (fflush(stdout) != 0 || !fgets(line, sizeof line, stdin))
            break;
        line[strcspn(line, "\n")] = '\0';
        char *rest = line + strcspn(line, " ");
        if (*rest)
            *rest++ = '\0';
        status = obey(line, rest);
    }
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    return 0;
}
