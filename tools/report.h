/* SPDX-License-Identifier: MIT */
/*
 * JSON, written by jansson. The names of the fields are told in mpsc-inspect(1), and stay. What is not
 * known or does not apply is null.
 *
 * All of these print, and return false if that failed, or if there is no jansson in this build.
 */
#ifndef MPSC_INSPECT_REPORT_H
#define MPSC_INSPECT_REPORT_H

#include "census.h"
#include "findings.h"

#ifdef HAVE_JANSSON

bool report_census(const struct census *census);
bool report_names(const struct census *census);
/* With its endpoints. */
bool report_channel(struct channel *channel);
/* A line of its own, so that a reader need not wait for the end. */
bool report_message(uint64_t length, bool taken, const unsigned char *bytes, size_t size);
bool report_findings(const struct finding *findings, size_t count);

#else

static inline bool report_is_missing(void)
{
    complain("this mpsc-inspect was built without JSON; install jansson (Debian: libjansson-dev), "
             "and configure and build again");
    return false;
}
#define report_census(census) ((void)(census), report_is_missing())
#define report_names(census) ((void)(census), report_is_missing())
#define report_channel(channel) ((void)(channel), report_is_missing())
#define report_message(length, taken, bytes, size)                                                 \
    ((void)(length), (void)(taken), (void)(bytes), (void)(size), report_is_missing())
#define report_findings(findings, count) ((void)(findings), (void)(count), report_is_missing())

#endif
#endif
