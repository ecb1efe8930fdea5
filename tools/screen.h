/* SPDX-License-Identifier: MIT */
/* A terminal that is drawn anew, by ncurses. */
#ifndef MPSC_INSPECT_SCREEN_H
#define MPSC_INSPECT_SCREEN_H

#include "text.h"

enum screen_key { SCREEN_NO_KEY = -1, SCREEN_UP = 256, SCREEN_DOWN, SCREEN_RESIZED };

#ifdef HAVE_NCURSES

/* False: there is no terminal. */
bool screen_open(void);
void screen_close(void);
/* Draws `text`: its first two lines stay at the top, and of the others those from `first` on follow;
 * `colours` are theirs, as many as there are. */
void screen_draw(const char *text, const enum colour *colours, size_t count, size_t first);
/* The key that is pressed in so many nanoseconds: a character, or one of the above. */
int screen_key(uint64_t nanoseconds);

#else

static inline bool screen_open(void)
{
    return false;
}
static inline void screen_close(void)
{
}
static inline void screen_draw(const char *text, const enum colour *colours, size_t count,
                               size_t first)
{
    (void)text, (void)colours, (void)count, (void)first;
}
static inline int screen_key(uint64_t nanoseconds)
{
    (void)nanoseconds;
    return SCREEN_NO_KEY;
}

#endif
#endif
