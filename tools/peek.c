/* SPDX-License-Identifier: MIT */
/* mpsc-inspect peek NAME: what is queued. It stays queued. */
#include "channel.h"
#include "report.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Between two looks for more to come. */
#define PAUSE UINT64_C(10000000)
enum { PAUSES = 50 }; /* until it is asked whether the channel has ended */

struct peek {
    const struct arguments *arguments;
    const struct view *view;
    struct view_walk walk;
    unsigned char *buffer;
    uint64_t shown, unsent, lost;
    bool ended, damaged; /* since one began to follow */
};

/* ---- one message */

static void print_hex_line(const unsigned char *bytes, size_t size, size_t at)
{
    enum { WIDTH = 16 };
    printf("%08zx ", at);
    for (size_t i = 0; i < WIDTH; i++) {
        const char *gap = i == WIDTH / 2 ? " " : "";
        if (i < size)
            printf("%s %02x", gap, (unsigned)bytes[i]);
        else
            printf("%s   ", gap);
    }
    fputs("  |", stdout);
    for (size_t i = 0; i < WIDTH && i < size; i++)
        putchar(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.');
    puts("|");
}

static void print_hex(const unsigned char *bytes, size_t size, uint64_t length)
{
    printf("%" PRIu64 " byte%s:\n", length, length == 1 ? "" : "s");
    for (size_t at = 0; at < size; at += 16)
        print_hex_line(bytes + at, size - at < 16 ? size - at : 16, at);
    if (size < length)
        printf("... and %" PRIu64 " more; --bytes shows more of each\n", length - size);
}

/* Is it the beginning of a UTF-8 character, of one byte at least, that was cut? */
static bool is_cut_character(const unsigned char *bytes, size_t size)
{
    size_t whole = *bytes < 0xc2   ? 0
                   : *bytes < 0xe0 ? 2
                   : *bytes < 0xf0 ? 3
                   : *bytes < 0xf5 ? 4
                                   : 0;
    for (size_t i = 1; i < size; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return false;
    return size < whole;
}

/* Bytes of the text that it is, or begins with; false: it is none. */
static bool is_text(const unsigned char *bytes, size_t size, bool cut, size_t *valid)
{
    size_t count = 1;
    for (*valid = 0; *valid < size && count > 0; *valid += count) {
        unsigned char byte = bytes[*valid];
        if (byte < 0x20 ? byte != '\t' : byte == 0x7f)
            return false;
        count = text_utf8((const char *)bytes + *valid, size - *valid);
    }
    return *valid == size || (cut && is_cut_character(bytes + *valid, size - *valid));
}

/* text_clean, which knows of no tab. */
static void clean_line(char *text)
{
    for (char *tab; (tab = strchr(text, '\t')); text = tab + 1) {
        *tab = '\0';
        text_clean(text);
        *tab = '\t';
    }
    text_clean(text);
}

/* Text is shown as such, but for what a terminal might obey. One newline at its end, or one NUL, is taken
 * for a part of how it was sent. */
static bool print_text(unsigned char *bytes, size_t size, uint64_t length)
{
    size_t valid;
    if (size == length && size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == '\0'))
        length = --size;
    if (!is_text(bytes, size, size < length, &valid))
        return false;
    char *text = text_as_utf8(bytes, valid);
    clean_line(text);
    fputs(text, stdout);
    if (valid < length)
        printf("... and %" PRIu64 " more byte%s", length - valid, length - valid == 1 ? "" : "s");
    putchar('\n');
    free(text);
    return true;
}

static bool show(struct peek *peek, const struct view_message *message)
{
    const struct arguments *arguments = peek->arguments;
    size_t size =
        message->length < arguments->bytes ? (size_t)message->length : (size_t)arguments->bytes;
    if (arguments->json)
        return report_message(message->length, message->taken, peek->buffer, size);
    if (arguments->hex || !print_text(peek->buffer, size, message->length))
        print_hex(peek->buffer, size, message->length);
    return !arguments->follow || fflush(stdout) == 0;
}

/* ---- all of them */

static mpsc_status look_again(const struct view *view, mpsc_stats *stats)
{
    struct view again;
    int fd = fcntl(view->segment.fd, F_DUPFD_CLOEXEC, 0);
    mpsc_status status = fd < 0 ? MPSC_LIMIT : view_adopt(fd, &again, NULL);
    if (status)
        return status;
    view_stats(&again, stats);
    view_close(&again);
    return MPSC_OK;
}

/* Has it no process any more, and will have none? Or is it a channel no more? */
static bool has_ended(struct peek *peek)
{
    mpsc_stats stats;
    mpsc_status status = look_again(peek->view, &stats);
    peek->damaged = status == MPSC_CORRUPT || status == MPSC_MISMATCH;
    return peek->damaged || (!status && stats.processes == 0 && !stats.durable);
}

/* Waits for what may come. False: nothing will. What came before the end is still to be seen. */
static bool wait_for_more(struct peek *peek, unsigned *pauses)
{
    if (!peek->arguments->follow || peek->ended)
        return false;
    channel_pause(PAUSE);
    if (++*pauses % PAUSES == 0)
        peek->ended = has_ended(peek);
    return !peek->damaged;
}

static bool is_done(const struct peek *peek)
{
    return peek->shown >= peek->arguments->count ||
           (!peek->arguments->follow && peek->walk.position >= peek->walk.end);
}

static int damaged(const char *what)
{
    complain("%s; mpsc-inspect check tells more", what);
    return NOT_SOUND;
}

static int end(const struct peek *peek)
{
    return peek->damaged ? damaged("the channel is damaged") : FINE;
}

static int peek_all(struct peek *peek)
{
    unsigned pauses = 0;
    while (!is_done(peek)) {
        struct view_message message;
        switch (view_walk_next(peek->view, &peek->walk, peek->buffer,
                               (size_t)peek->arguments->bytes, &message)) {
        case VIEW_MESSAGE:
            peek->shown++;
            if (!show(peek, &message))
                return TROUBLE;
            break;
        case VIEW_LOST:
            peek->lost++;
            break;
        case VIEW_UNSENT:
            if (peek->arguments->follow && !wait_for_more(peek, &pauses))
                return end(peek);
            if (!peek->arguments->follow) {
                peek->walk.position++;
                peek->unsent++;
            }
            break;
        case VIEW_END:
            if (!wait_for_more(peek, &pauses))
                return end(peek);
            break;
        default:
            return damaged("what is queued is damaged here");
        }
    }
    return FINE;
}

/* What is to be known of what was printed goes to stderr: stdout is the messages. */
static void print_notes(const struct peek *peek)
{
    if (peek->unsent > 0)
        complain("passed %" PRIu64 " cell%s claimed and not sent: a sender is at it, or has died",
                 peek->unsent, peek->unsent == 1 ? "" : "s");
    if (peek->lost > 0)
        complain("some messages were received, and their room used again, before they could be "
                 "shown");
}

int peek_command(const struct arguments *arguments)
{
    struct place place;
    struct channel channel;
    struct view view;
    if (!channel_place(arguments->operands[0], &place))
        return place_name(arguments->operands[0]) ? NOT_SOUND : TROUBLE;
    if (!channel_view(&place, &channel, &view))
        return channel_refuse(&channel);
    struct peek peek = {
        .arguments = arguments,
        .view = &view,
        .buffer = text_room((size_t)arguments->bytes, 1),
    };
    view_walk_begin(&view, &peek.walk);
    int result = peek_all(&peek);
    print_notes(&peek);
    free(peek.buffer);
    view_close(&view);
    channel_free(&channel);
    return result;
}
