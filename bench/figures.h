/* SPDX-License-Identifier: MIT */
/* What was measured, each figure once in a round, and how it is printed. */
#ifndef FIGURES_H
#define FIGURES_H

#include <stddef.h>

/* One more value of the figure that has this place in the tables. The texts are copied. */
void figures_add(const char *table, const char *row, const char *column, const char *unit,
                 double value);

/* A line for each, in the order in which they came first: table, row, column, unit, and the median,
 * the least and the greatest value. */
void figures_print(void);

/* Sorts them. */
void figures_sort(double *values, size_t count);
/* The value below which that share of the sorted ones lies. */
double figures_quantile(const double *sorted, size_t count, double share);

#endif
