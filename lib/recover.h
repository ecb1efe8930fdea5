/* SPDX-License-Identifier: MIT */
/* Level 4. A hole at the head: claimed, not committed. Does its claimant live? */
#ifndef MPSC_RECOVER_H
#define MPSC_RECOVER_H

#include "registry.h"
#include "ring.h"

enum recover_result {
    RECOVER_WAIT,    /* a living sender has claimed it */
    RECOVER_PASSED,  /* a dead one had: the head is past it */
    RECOVER_STAMPED, /* it is no hole any more */
};

/* For the seat's holder. The tail must have been seen past `*head` before the call. */
enum recover_result recover_hole(const struct registry *registry, const struct ring *ring,
                                 uint64_t *head);

#endif
