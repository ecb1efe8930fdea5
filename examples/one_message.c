/* SPDX-License-Identifier: MIT */
/*
 * One message: a producer sends a number, and main receives it.
 *
 *      let (tx, rx) = mpsc::channel();
 *      thread::spawn(move || { tx.send(42).unwrap(); });
 *      println!("Got: {}", rx.recv().unwrap());
 */
#include "example.h"

static void producer(mpsc_sender *tx)
{
    int number = 42;
    check(mpsc_send(tx, &number, sizeof number), "send");
    mpsc_sender_close(tx);
}

int main(int argc, char **argv)
{
    bool processes = example_in_processes(argc, argv, "Sends one message and receives it.");

    mpsc_sender *tx;
    mpsc_receiver *rx;
    check(mpsc_channel(sizeof(int), &tx, &rx), "make a channel");

    /* The sender moves away; main keeps the receiver. */
    struct example_peer *peer = example_spawn(processes, producer, tx, rx);

    int number;
    check(mpsc_recv(rx, &number, sizeof number, NULL), "receive");
    printf("Got: %d\n", number);

    mpsc_receiver_close(rx);
    example_join(peer);
    return EXIT_SUCCESS;
}
