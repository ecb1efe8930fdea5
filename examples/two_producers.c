/* SPDX-License-Identifier: MIT */
/*
 * Two producers: the sender is cloned, and each producer owns one of the two. Their words arrive
 * mixed, but the words of one producer in its order.
 *
 *      let tx1 = tx.clone();
 *      thread::spawn(move || { ... tx1.send(val).unwrap(); ... });
 *      thread::spawn(move || { ... tx.send(val).unwrap(); ... });
 */
#include "example.h"

#include <time.h>

enum { WORDS = 4 };

struct word {
    char text[16];
};

static void send_all(mpsc_sender *tx, const struct word words[WORDS])
{
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = 200 * 1000 * 1000};

    for (int i = 0; i < WORDS; i++) {
        check(mpsc_send(tx, &words[i], sizeof words[i]), "send");
        nanosleep(&pause, NULL);
    }
    mpsc_sender_close(tx);
}

static void first_producer(mpsc_sender *tx)
{
    static const struct word words[WORDS] = {{"hi"}, {"from"}, {"the"}, {"producer"}};
    send_all(tx, words);
}

static void second_producer(mpsc_sender *tx)
{
    static const struct word words[WORDS] = {{"more"}, {"messages"}, {"for"}, {"you"}};
    send_all(tx, words);
}

int main(int argc, char **argv)
{
    bool processes = example_in_processes(argc, argv, "Receives from two producers.");

    mpsc_sender *tx, *tx1;
    mpsc_receiver *rx;
    check(mpsc_channel(sizeof(struct word), &tx, &rx), "make a channel");
    check(mpsc_sender_clone(tx, &tx1), "clone the sender");

    /* Both senders move away. (The first child inherits tx as well, for as long as it lives; a
     * child with a longer life would close it.) */
    struct example_peer *first = example_spawn(processes, first_producer, tx1, rx);
    struct example_peer *second = example_spawn(processes, second_producer, tx, rx);

    MPSC_FOR_EACH (struct word, received, rx)
        printf("Got: %s\n", received.text);

    /* The loop also ends at an error; that all senders are gone is the good end. */
    struct word none;
    mpsc_status end = mpsc_try_recv(rx, &none, sizeof none, NULL);
    check(end == MPSC_DISCONNECTED ? MPSC_OK : end, "receive");

    mpsc_receiver_close(rx);
    example_join(first);
    example_join(second);
    return EXIT_SUCCESS;
}
