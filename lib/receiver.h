/* SPDX-License-Identifier: MIT */
/* Level 7. What mpsc_select needs of a receiver, whose handle is its first member. */
#ifndef MPSC_RECEIVER_H
#define MPSC_RECEIVER_H

#include "handle.h"

/* What a receive would say now. MPSC_EMPTY: it would wait. */
mpsc_status receiver_look(mpsc_receiver *rx);

#endif
