/* SPDX-License-Identifier: MIT */
/* Sends and receives so many messages of 8 bytes in turn, so that nobody ever waits: what
 * check-instructions.sh counts the instructions of. */
#include <mpsc.h>
#include <stdio.h>
#include <stdlib.h>

static void check(mpsc_status status, const char *doing)
{
    if (status == MPSC_OK)
        return;
    fprintf(stderr, "instructions: cannot %s: %s\n", doing, mpsc_strstatus(status));
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    uint64_t number;
    if (argc != 2) {
        fputs("Usage: instructions MESSAGES\n", stderr);
        return 2;
    }
    const uint64_t count = strtoull(argv[1], NULL, 10);
    check(mpsc_sync_channel(sizeof number, 1024, &tx, &rx), "open a channel");
    for (uint64_t i = 0; i < count; i++) {
        check(mpsc_send(tx, &i, sizeof i), "send");
        check(mpsc_recv(rx, &number, sizeof number, NULL), "receive");
    }
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
    return EXIT_SUCCESS;
}
