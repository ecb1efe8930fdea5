/* SPDX-License-Identifier: MIT */
/* What a command did with each of some channels, or found: told when all are known. */
#ifndef MPSC_INSPECT_FINDINGS_H
#define MPSC_INSPECT_FINDINGS_H

#include "text.h"

struct finding {
    const char *name;
    const char *result; /* "sound", "removed", ... */
    const char *why;    /* NULL: nothing to add */
    enum colour colour; /* of the result */
};

struct findings {
    struct finding *all;
    size_t count;
};

/* Room for so many; findings_free gives it back. */
struct findings findings_begin(size_t most);
void findings_add(struct findings *findings, struct finding finding);
/* A line for each, or JSON. False, and told: it could not be printed. */
bool findings_print(const struct findings *findings, bool json);
void findings_free(struct findings *findings);

#endif
