/* SPDX-License-Identifier: MIT */
#include "cat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_SIZE = 65536, PREFIX = 4 };

/* ---- cutting */

/* `bytes` of the message, and so many more around it, are used up. */
static void cut(struct input *input, size_t before, size_t bytes, size_t behind,
                const char **message, size_t *length)
{
    *message = input->data + input->start + before;
    *length = bytes;
    input->start += before + bytes + behind;
    input->seen = input->start;
}

static bool cut_delimited(struct input *input, const char **message, size_t *length)
{
    if (input->seen == input->end)
        return false;
    const char *from = input->data + input->seen;
    const char *found =
        memchr(from, input->format == LINES ? '\n' : '\0', input->end - input->seen);
    if (!found) {
        input->seen = input->end;
        return false;
    }
    cut(input, 0, (size_t)(found - (input->data + input->start)), 1, message, length);
    return true;
}

static bool cut_counted(struct input *input, const char **message, size_t *length)
{
    size_t there = input->end - input->start;
    if (there < PREFIX)
        return false;
    const unsigned char *prefix = (const unsigned char *)input->data + input->start;
    size_t bytes = (size_t)prefix[0] << 24 | (size_t)prefix[1] << 16 | (size_t)prefix[2] << 8 |
                   (size_t)prefix[3];
    if (there - PREFIX < bytes)
        return false;
    cut(input, PREFIX, bytes, 0, message, length);
    return true;
}

/* What is left at the end: a last line that lacks its newline. */
static enum input_result cut_rest(struct input *input, const char **message, size_t *length)
{
    size_t there = input->end - input->start;
    if (there == 0)
        return INPUT_END;
    if (input->format == LENGTHS) {
        complain("the input ends within a message, of which there are %zu bytes: it was not sent",
                 there > PREFIX ? there - PREFIX : 0);
        return INPUT_FAILED;
    }
    cut(input, 0, there, 0, message, length);
    return INPUT_MESSAGE;
}

/* ---- reading */

static bool make_room(struct input *input)
{
    if (input->start > 0) {
        memmove(input->data, input->data + input->start, input->end - input->start);
        input->end -= input->start;
        input->seen -= input->start;
        input->start = 0;
    }
    if (input->end < input->size)
        return true;
    size_t size = input->size ? 2 * input->size : FIRST_SIZE;
    char *data = realloc(input->data, size);
    if (!data) {
        complain("no memory for a message of more than %zu bytes", input->size);
        return false;
    }
    input->data = data;
    input->size = size;
    return true;
}

static enum input_result fill(struct input *input)
{
    if (!make_room(input))
        return INPUT_FAILED;
    ssize_t got = read(input->fd, input->data + input->end, input->size - input->end);
    if (got < 0) {
        if (errno == EINTR)
            return INPUT_INTERRUPTED;
        complain("cannot read the input: %s", strerror(errno));
        return INPUT_FAILED;
    }
    input->end += (size_t)got;
    input->ended = got == 0;
    return INPUT_MESSAGE;
}

enum input_result input_next(struct input *input, const char **message, size_t *length)
{
    bool (*cut_one)(struct input *, const char **, size_t *) =
        input->format == LENGTHS ? cut_counted : cut_delimited;
    while (!cut_one(input, message, length)) {
        if (input->ended)
            return cut_rest(input, message, length);
        enum input_result result = fill(input);
        if (result != INPUT_MESSAGE)
            return result;
    }
    return INPUT_MESSAGE;
}

void input_free(struct input *input)
{
    free(input->data);
    input->data = NULL;
}
