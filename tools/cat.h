/* SPDX-License-Identifier: MIT */
/*
 * mpsc-cat: from standard input into a channel, or from a channel to standard output. It uses the
 * public library alone.
 *
 *      cat.c            the two directions, and what the exit status is
 *      cat_settings.c   the command line
 *      cat_send.c       from the input into the channel, and the wait until all was taken
 *      cat_receive.c    from the channel to the output
 *      cat_input.c      bytes into messages
 *      cat_output.c     messages into bytes
 *      cat_channel.c    what a status of the library means to whoever typed the command
 *      cat_signals.c    signals that end it, and the clock's tick
 *      cat_progress.c   how much has gone through
 */
#ifndef MPSC_CAT_H
#define MPSC_CAT_H

#include <mpsc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses; past SIGNALLED the signal's number is added. */
enum { FINE = 0, FAILED = 1, MISUSED = 2, TIMED_OUT = 3, SIGNALLED = 128 };

#if defined __GNUC__
__attribute__((format(printf, 1, 2)))
#endif
void complain(const char *format, ...);

/* ------------------------------------------------------------------ cat_settings.c */

/* How a message's end is told in the stream of bytes. */
enum format { LINES, NULS, LENGTHS };

struct settings {
    bool send; /* or receive */
    bool verbose;
    bool buffered;
    enum format format;
    const char *name;
    mpsc_options options;
    uint64_t timeout; /* nanoseconds; MPSC_FOREVER: none */
    uint64_t linger;  /* nanoseconds */
    uint64_t count;   /* messages to receive at most */
};

struct settings settings_parse(int argc, char **argv);

/* What a message is called: "line" or "message", or more of them. */
const char *settings_noun(const struct settings *settings, uint64_t count);

/* ------------------------------------------------------------------ the two directions */

int send_input(const struct settings *settings);
int receive_output(const struct settings *settings);

/* ------------------------------------------------------------------ cat_signals.c */

/* From now on SIGINT, SIGTERM and SIGHUP end what blocks, and so does a tick in each second if asked
 * for. */
void signals_catch(bool ticks);

/* The signal that was to end us; 0: none. */
int signals_caught(void);

/* Whether there was a tick since the last call. */
bool signals_ticked(void);

/* ------------------------------------------------------------------ cat_progress.c */

struct progress {
    const struct settings *settings;
    uint64_t started;
    uint64_t messages;
    uint64_t bytes;
};

void progress_start(struct progress *progress, const struct settings *settings);
void progress_add(struct progress *progress, size_t length);
/* Says how far it is, if a second has passed and somebody wants to know. */
void progress_tell(const struct progress *progress);
void progress_finish(const struct progress *progress);

/* Nanoseconds of the monotonic clock, and when a time-out that begins now is over. */
uint64_t clock_now(void);
uint64_t clock_deadline(uint64_t timeout);

/* What is left until the deadline, but a second at most: so long a signal may go unseen that comes
 * right before a call, or to a library that signals do not interrupt. Whether to call again then. */
uint64_t clock_slice(uint64_t deadline);
bool clock_goes_on(mpsc_status status, uint64_t deadline);

/* ------------------------------------------------------------------ cat_input.c */

struct input {
    int fd;
    enum format format;
    char *data;
    size_t size;
    size_t start; /* of what is not cut into messages yet */
    size_t seen;  /* no delimiter before this */
    size_t end;
    bool ended;
};

enum input_result { INPUT_MESSAGE, INPUT_END, INPUT_INTERRUPTED, INPUT_FAILED };

/* The message is the input's, until the next call. A failure has been told. */
enum input_result input_next(struct input *input, const char **message, size_t *length);
void input_free(struct input *input);

/* ------------------------------------------------------------------ cat_output.c */

enum { OUTPUT_SIZE = 65536 };

struct output {
    int fd;
    enum format format;
    bool buffered;
    size_t used;
    uint64_t held; /* messages that lie in the buffer */
    char data[OUTPUT_SIZE];
};

/* False, with errno (EINTR: a signal is to end us; EFBIG: its length has no room in 4 bytes): it was not
 * written, or a part of it only. */
bool output_message(struct output *output, const char *message, size_t length);
bool output_flush(struct output *output);

/* ------------------------------------------------------------------ cat_channel.c */

/* Say why it could not be opened, or used any more; both give the exit status. */
int channel_not_opened(const struct settings *settings, mpsc_status status);
int channel_failed(const struct settings *settings, mpsc_status status);

#endif
