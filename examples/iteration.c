/* SPDX-License-Identifier: MIT */
/*
 * Iteration: a producer sends several words, with a pause after each, and main receives them in a
 * loop that waits for the next and ends when the sender is gone.
 *
 *      for received in rx {
 *          println!("Got: {received}");
 *      }
 */
#include "example.h"

#include <time.h>

struct word {
    char text[16];
};

static void producer(mpsc_sender *tx)
{
    static const struct word words[] = {{"hi"}, {"from"}, {"the"}, {"producer"}};
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = 200 * 1000 * 1000};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        check(mpsc_send(tx, &words[i], sizeof words[i]), "send");
        nanosleep(&pause, NULL);
    }
    mpsc_sender_close(tx); /* the last sender: the loop in main ends */
}

int main(int argc, char **argv)
{
    bool processes = example_in_processes(argc, argv, "Receives several messages in a loop.");

    mpsc_sender *tx;
    mpsc_receiver *rx;
    check(mpsc_channel(sizeof(struct word), &tx, &rx), "make a channel");
    struct example_peer *peer = example_spawn(processes, producer, tx, rx);

    MPSC_FOR_EACH (struct word, received, rx)
        printf("Got: %s\n", received.text);

    /* The loop also ends at an error; that all senders are gone is the good end. */
    struct word none;
    mpsc_status end = mpsc_try_recv(rx, &none, sizeof none, NULL);
    check(end == MPSC_DISCONNECTED ? MPSC_OK : end, "receive");

    mpsc_receiver_close(rx);
    example_join(peer);
    return EXIT_SUCCESS;
}
