/* SPDX-License-Identifier: MIT */
/* mpsc-inspect list: a line for each channel. */
#include "census.h"
#include "report.h"
#include "rows.h"

static void print(const struct census *census)
{
    struct table table = rows_table();
    for (size_t i = 0; i < census->count; i++)
        rows_add(&table, &census->channels[i]);
    if (census->count > 0)
        table_print(&table, stdout);
    else
        complain("there is no channel");
    table_free(&table);
}

static void print_names(struct census *census)
{
    for (size_t i = 0; i < census->count; i++) {
        text_clean(census->channels[i].name);
        puts(census->channels[i].name);
    }
}

int list_command(const struct arguments *arguments)
{
    struct census census;
    if (!census_watch(arguments->names ? 0 : arguments->interval, &census))
        return TROUBLE;
    bool printed = true;
    if (arguments->json)
        printed = arguments->names ? report_names(&census) : report_census(&census);
    else if (arguments->names)
        print_names(&census);
    else
        print(&census);
    int result = census.trouble || !printed ? TROUBLE : FINE;
    census_caveats(&census);
    census_free(&census);
    return result;
}
