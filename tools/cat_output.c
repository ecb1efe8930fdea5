/* SPDX-License-Identifier: MIT */
#include "cat.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

/* Moves the parts past what was written; false when nothing is left. */
static bool advance(struct iovec **parts, int *count, size_t written)
{
    while (*count > 0 && written >= (*parts)->iov_len) {
        written -= (*parts)->iov_len;
        ++*parts;
        --*count;
    }
    if (*count == 0)
        return false;
    (*parts)->iov_base = (char *)(*parts)->iov_base + written;
    (*parts)->iov_len -= written;
    return true;
}

static bool write_all(int fd, struct iovec *parts, int count)
{
    while (advance(&parts, &count, 0)) {
        ssize_t written = writev(fd, parts, count);
        if (written >= 0) {
            advance(&parts, &count, (size_t)written);
        } else if (errno != EINTR || signals_caught()) {
            return false;
        }
    }
    return true;
}

bool output_flush(struct output *output)
{
    struct iovec all = {output->data, output->used};
    if (!write_all(output->fd, &all, 1))
        return false;
    output->used = 0;
    output->held = 0;
    return true;
}

enum { PARTS = 3 };

static void keep(struct output *output, const struct iovec *parts)
{
    for (int i = 0; i < PARTS; i++) {
        if (parts[i].iov_len > 0)
            memcpy(output->data + output->used, parts[i].iov_base, parts[i].iov_len);
        output->used += parts[i].iov_len;
    }
    output->held++;
}

bool output_message(struct output *output, const char *message, size_t length)
{
    unsigned char prefix[4] = {(unsigned char)(length >> 24), (unsigned char)(length >> 16),
                               (unsigned char)(length >> 8), (unsigned char)length};
    char delimiter = output->format == LINES ? '\n' : '\0';
    bool counted = output->format == LENGTHS;
    struct iovec parts[PARTS] = {{prefix, counted ? sizeof prefix : 0},
                                 {(char *)(uintptr_t)message, length},
                                 {&delimiter, counted ? 0 : 1}};
    if (counted && length > UINT32_MAX) {
        if (output_flush(output))
            errno = EFBIG;
        return false;
    }
    size_t size = length + sizeof prefix;
    if (output->buffered && size <= OUTPUT_SIZE) {
        if (size > OUTPUT_SIZE - output->used && !output_flush(output))
            return false;
        keep(output, parts);
        return true;
    }
    return output_flush(output) && write_all(output->fd, parts, PARTS);
}
