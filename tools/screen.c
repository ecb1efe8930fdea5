/* SPDX-License-Identifier: MIT */
#include "screen.h"

#ifdef HAVE_NCURSES

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOP = 2 }; /* lines that stay */

static SCREEN *screen;

bool screen_open(void)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return false;
    screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return false;
    cbreak();
    noecho();
    keypad(stdscr, true);
    curs_set(0);
    if (text_has_colours(stdout) && start_color() != ERR && use_default_colors() != ERR) {
        init_pair(GOOD, COLOR_GREEN, -1);
        init_pair(DOUBTFUL, COLOR_YELLOW, -1);
        init_pair(BAD, COLOR_RED, -1);
    }
    return true;
}

void screen_close(void)
{
    endwin();
    delscreen(screen);
    screen = NULL;
}

static attr_t attributes(size_t line, const enum colour *colours, size_t count)
{
    if (line == 1)
        return A_REVERSE;
    if (line < TOP || line - TOP >= count || colours[line - TOP] == PLAIN)
        return A_NORMAL;
    attr_t weight = colours[line - TOP] == BAD ? A_BOLD : A_NORMAL;
    return weight | (has_colors() ? (attr_t)COLOR_PAIR(colours[line - TOP]) : 0);
}

void screen_draw(const char *text, const enum colour *colours, size_t count, size_t first)
{
    size_t line = 0;
    int row = 0;
    erase();
    for (const char *end; *text && row < LINES; text = end, line++) {
        size_t length = strcspn(text, "\n");
        end = text + length + (text[length] == '\n');
        if (line >= TOP && line < TOP + first)
            continue;
        attrset((int)attributes(line, colours, count));
        mvaddnstr(row, 0, text, (int)length);
        /* It may have gone on in the next lines: it is to be cut at the right, not wrapped. */
        if (++row < LINES) {
            move(row, 0);
            attrset(A_NORMAL);
            clrtobot();
        }
    }
    refresh();
}

int screen_key(uint64_t nanoseconds)
{
    timeout((int)(nanoseconds / 1000000u));
    int key = getch();
    switch (key) {
    case ERR:
        return SCREEN_NO_KEY;
    case KEY_UP:
        return SCREEN_UP;
    case KEY_DOWN:
        return SCREEN_DOWN;
    case KEY_RESIZE:
        return SCREEN_RESIZED;
    default:
        return key < 256 ? key : SCREEN_NO_KEY;
    }
}

#endif
