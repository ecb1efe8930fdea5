/* SPDX-License-Identifier: MIT */
/*
 * Ownership: who sends a value has it no longer, and the compiler says so.
 *
 *      let val = String::from("hi");
 *      tx.send(val).unwrap();          // val is moved away
 *
 * In C the value is a loan, room in the channel itself. Nothing is copied: the producer fills it in
 * place, sends it, and must not touch it again. The receiver peeks at it where it lies, releases
 * it, and must not touch it again either. GCC 12 and later warns, under plain -Wall, of code that
 * breaks these rules; ownership_wrong.c does.
 */
#include "example.h"

enum { ROOM = 64 };

static void producer(mpsc_sender *tx)
{
    mpsc_status status;
    char *val = mpsc_loan(tx, ROOM, &status);
    check(status, "borrow room in the channel");

    /* Written straight into the channel. The length sent may be less than was borrowed. */
    size_t length = (size_t)snprintf(val, ROOM, "hi from process %ld", (long)getpid()) + 1;
    check(mpsc_send_loan(tx, val, length), "send");
    /* From here on val is the receiver's. */

    mpsc_sender_close(tx);
}

int main(int argc, char **argv)
{
    bool processes = example_in_processes(argc, argv, "Sends a message without copying it.");

    mpsc_sender *tx;
    mpsc_receiver *rx;
    check(mpsc_channel(ROOM, &tx, &rx), "make a channel");
    struct example_peer *peer = example_spawn(processes, producer, tx, rx);

    mpsc_status status;
    const char *received = mpsc_peek(rx, NULL, &status);
    check(status, "receive");
    printf("Got: %s\n", received);
    check(mpsc_release(rx, received), "release the message");
    /* From here on its room is the senders' again. */

    mpsc_receiver_close(rx);
    example_join(peer);
    return EXIT_SUCCESS;
}
