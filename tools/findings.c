/* SPDX-License-Identifier: MIT */
#include "findings.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>

struct findings findings_begin(size_t most)
{
    return (struct findings){.all = text_room(most, sizeof(struct finding))};
}

void findings_add(struct findings *findings, struct finding finding)
{
    findings->all[findings->count++] = finding;
}

/* The name and the reason may be anybody's. */
static void print_clean(const char *text)
{
    char *copy;
    if (asprintf(&copy, "%s", text) < 0)
        no_memory();
    text_clean(copy);
    fputs(copy, stdout);
    free(copy);
}

static void print_line(const struct finding *finding, enum colour colour)
{
    print_clean(finding->name);
    printf(": %s%s%s", colour_begin(colour), finding->result, colour_end(colour));
    if (finding->why) {
        fputs(": ", stdout);
        print_clean(finding->why);
    }
    putchar('\n');
}

bool findings_print(const struct findings *findings, bool json)
{
    if (json)
        return report_findings(findings->all, findings->count);
    bool coloured = text_has_colours(stdout);
    for (size_t i = 0; i < findings->count; i++)
        print_line(&findings->all[i], coloured ? findings->all[i].colour : PLAIN);
    return true;
}

void findings_free(struct findings *findings)
{
    free(findings->all);
}
