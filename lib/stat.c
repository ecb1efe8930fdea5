/* SPDX-License-Identifier: MIT */
/* Level 7. Statistics by name. */
#include "handle.h"
#include "view.h"

#include <mpsc.h>
#include <pthread.h>

static mpsc_status look(const char *name, mpsc_stats *stats)
{
    struct view view;
    mpsc_status status = view_open(name, &view);
    if (status)
        return status;
    view_stats(&view, stats);
    view_close(&view);
    return MPSC_OK;
}

mpsc_status mpsc_stat(const char *name, mpsc_stats *stats)
{
    name = handle_name(name);
    if (!name || !stats)
        return MPSC_INVALID;
    /* A thread that is cancelled in there would leave the file open. */
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    mpsc_status status = look(name, stats);
    pthread_setcancelstate(cancel, &cancel);
    return status;
}
