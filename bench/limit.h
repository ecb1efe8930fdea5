/* SPDX-License-Identifier: MIT */
/*
 * What no message can be faster than: in the form of a transport, but for one number at a time. The
 * next may be sent when the one before is known to have come.
 */
#ifndef LIMIT_H
#define LIMIT_H

#include "transport.h"

extern const struct transport limit_line;  /* a cache line, and a receiver that spins */
extern const struct transport limit_futex; /* a futex, and a receiver that sleeps */

#endif
