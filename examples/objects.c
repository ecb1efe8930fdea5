/* SPDX-License-Identifier: MIT */
/*
 * Objects between threads: the message is a pointer, and ownership moves with it. The producer fills
 * notes and gives them away; main reads some and leaves, and what is in the channel still is destroyed.
 */
#include "example.h"

enum { NOTES = 8, READ = 3 };

struct note {
    int number;
    char text[];
};

static struct note *note_new(int number, const char *text)
{
    struct note *note = malloc(sizeof *note + strlen(text) + 1);
    check(note ? MPSC_OK : MPSC_NO_MEMORY, "make a note");
    note->number = number;
    strcpy(note->text, text);
    return note;
}

/* Of a note that nobody will receive. */
static void drop(void *message, size_t length, void *context)
{
    struct note *note = *(struct note **)message;
    (void)length, (void)context;
    printf("Destroyed: %d\n", note->number);
    free(note);
}

static void writes_notes(mpsc_sender *tx)
{
    for (int i = 1; i <= NOTES; i++) {
        struct note *note = note_new(i, i % 2 ? "odd" : "even");
        check(mpsc_send(tx, &note, sizeof note), "send");
        /* From here on it is the channel's. Had the send failed, it would be ours still. */
    }
    mpsc_sender_close(tx);
}

int main(void)
{
    mpsc_sender *tx;
    mpsc_receiver *rx;
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.message_size = sizeof(struct note *);
    options.destroy = drop;
    check(mpsc_channel_with(&options, &tx, &rx), "make a channel");
    struct example_peer *writer = example_spawn(false, writes_notes, tx, rx);

    for (int i = 0; i < READ; i++) {
        struct note *note;
        check(mpsc_recv(rx, &note, sizeof note, NULL), "receive");
        printf("Got: %d, %s\n", note->number, note->text);
        free(note); /* it is ours now */
    }
    example_join(writer);
    mpsc_receiver_close(rx); /* destroys the rest */
    return EXIT_SUCCESS;
}
