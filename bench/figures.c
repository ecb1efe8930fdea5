/* SPDX-License-Identifier: MIT */
#include "figures.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FIGURES = 1000 };

struct figure {
    char *table, *row, *column, *unit;
    size_t count;
    double values[MOST_ROUNDS];
};

static struct figure *figures[MOST_FIGURES];
static size_t figures_count;

static char *copy(const char *text)
{
    char *copied = strdup(text);
    if (!copied)
        fail("keep a figure", "no memory");
    return copied;
}

static struct figure *find(const char *table, const char *row, const char *column)
{
    for (size_t i = 0; i < figures_count; i++) {
        struct figure *figure = figures[i];
        if (!strcmp(figure->table, table) && !strcmp(figure->row, row) &&
            !strcmp(figure->column, column))
            return figure;
    }
    return NULL;
}

static struct figure *append(const char *table, const char *row, const char *column,
                             const char *unit)
{
    struct figure *figure = calloc(1, sizeof *figure);
    if (!figure || figures_count == MOST_FIGURES)
        fail("keep a figure", figure ? "there are too many" : "no memory");
    figure->table = copy(table);
    figure->row = copy(row);
    figure->column = copy(column);
    figure->unit = copy(unit);
    figures[figures_count++] = figure;
    return figure;
}

void figures_add(const char *table, const char *row, const char *column, const char *unit,
                 double value)
{
    struct figure *figure = find(table, row, column);
    if (!figure)
        figure = append(table, row, column, unit);
    if (figure->count == MOST_ROUNDS)
        fail("keep a figure", "it was measured more than once in a round");
    figure->values[figure->count++] = value;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

void figures_sort(double *values, size_t count)
{
    qsort(values, count, sizeof *values, ascending);
}

double figures_quantile(const double *sorted, size_t count, double share)
{
    return sorted[(size_t)((double)(count - 1) * share + 0.5)];
}

void figures_print(void)
{
    for (size_t i = 0; i < figures_count; i++) {
        struct figure *figure = figures[i];
        figures_sort(figure->values, figure->count);
        printf("%s\t%s\t%s\t%s\t%.6g\t%.6g\t%.6g\n", figure->table, figure->row, figure->column,
               figure->unit, figures_quantile(figure->values, figure->count, 0.5),
               figure->values[0], figure->values[figure->count - 1]);
    }
}
