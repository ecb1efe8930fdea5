/* SPDX-License-Identifier: MIT */
/* All channels at one moment, and what moved between two. */
#ifndef MPSC_INSPECT_CENSUS_H
#define MPSC_INSPECT_CENSUS_H

#include "channel.h"

struct census {
    struct channel *channels; /* no files that are none, or may not be read */
    size_t count;
    size_t denied;   /* files with a name that may not be read: channels may be among them */
    unsigned hidden; /* processes that may not be looked into */
    bool incomplete; /* not all that processes have mapped was seen */
    bool trouble;    /* it was complained of */
};

/* False: there is no looking, and it was complained of. What could not be looked at `before` is not
 * complained of again. */
bool census_take(const struct census *before, struct census *census);
/* Of those named, whatever they are; of all, where none is named. False: as above. */
bool census_of(char **names, struct census *census);
/* Compares with the one before, which ends, and reaches verdicts. */
void census_compare(struct census *before, struct census *after);
/* Two of them, so long apart; 0: one. */
bool census_watch(uint64_t nanoseconds, struct census *census);
void census_free(struct census *census);

/* What of the machine it does not hold, on stderr: of what has a name, and of all. */
void census_caveat_of_names(const struct census *census);
void census_caveats(const struct census *census);

#endif
