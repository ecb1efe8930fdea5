/* SPDX-License-Identifier: MIT */
/* Level 7. Statistics by name. */
#include "handle.h"
#include "view.h"

#include <mpsc.h>

mpsc_status mpsc_stat(const char *name, mpsc_stats *stats)
{
    struct view view;
    name = handle_name(name);
    if (!name || !stats)
        return MPSC_INVALID;
    mpsc_status status = view_open(name, &view);
    if (status)
        return status;
    view_stats(&view, stats);
    view_close(&view);
    return MPSC_OK;
}
