/* SPDX-License-Identifier: MIT */
/* Level 7. Opening channels: arguments and options. */
#include "handle.h"

#include <mpsc.h>
#include <stdlib.h>
#include <string.h>

static bool is_switch(int value)
{
    return value == 0 || value == 1;
}

static bool options_are_valid(const mpsc_options *options)
{
    if (options->size != sizeof *options || options->reserved != 0)
        return false;
    if (!is_switch(options->create) || !is_switch(options->exclusive) ||
        !is_switch(options->durable) || !is_switch(options->any_owner))
        return false;
    if (options->exclusive && !options->create)
        return false;
    if (options->durable && (options->bound == 0 || options->destroy))
        return false;
    if (options->permissions & ~0777u)
        return false;
    /* Whoever opens it must be able to read and write, its creator first of all. */
    if (options->permissions && (options->permissions & 0600) != 0600)
        return false;
    return !options->type_name ||
           (options->type_name[0] != '\0' && strlen(options->type_name) <= MPSC_MAX_TYPE_NAME);
}

static mpsc_status open_handle(const char *name, const mpsc_options *options, struct handle *handle)
{
    if (!handle)
        return MPSC_NO_MEMORY;
    mpsc_status status = attachment_open(name, options, handle);
    if (status)
        free(handle);
    return status;
}

static mpsc_status open_options(const char **name, const mpsc_options *given, mpsc_options *options)
{
    *name = handle_name(*name);
    *options = (mpsc_options)MPSC_OPTIONS_INIT;
    if (given)
        *options = *given;
    if (!*name || !options_are_valid(options))
        return MPSC_INVALID;
    return fork_seen() ? MPSC_OK : MPSC_DENIED;
}

mpsc_status mpsc_open_sender(const char *name, const mpsc_options *options, mpsc_sender **tx)
{
    mpsc_options complete;
    mpsc_status status = tx ? open_options(&name, options, &complete) : MPSC_INVALID;
    if (status)
        return status;
    struct handle *handle = sender_new();
    status = open_handle(name, &complete, handle);
    if (status)
        return status;
    *tx = (mpsc_sender *)handle;
    return MPSC_OK;
}

mpsc_status mpsc_open_receiver(const char *name, const mpsc_options *options, mpsc_receiver **rx)
{
    mpsc_options complete;
    mpsc_status status = rx ? open_options(&name, options, &complete) : MPSC_INVALID;
    if (status)
        return status;
    struct handle *handle = receiver_new();
    status = open_handle(name, &complete, handle);
    if (status)
        return status;
    *rx = (mpsc_receiver *)handle;
    return MPSC_OK;
}

static mpsc_status create_private(const mpsc_options *options, mpsc_sender **tx, mpsc_receiver **rx)
{
    if (!tx || !rx)
        return MPSC_INVALID;
    if (!fork_seen())
        return MPSC_DENIED;
    struct handle *sender = sender_new(), *receiver = receiver_new();
    mpsc_status status = MPSC_NO_MEMORY;
    if (sender && receiver)
        status = attachment_create(options, sender, receiver);
    if (status) {
        free(sender);
        free(receiver);
        return status;
    }
    *tx = (mpsc_sender *)sender;
    *rx = (mpsc_receiver *)receiver;
    return MPSC_OK;
}

static mpsc_status create_simple(size_t message_size, size_t bound, mpsc_sender **tx,
                                 mpsc_receiver **rx)
{
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.message_size = message_size;
    options.bound = bound;
    return message_size ? create_private(&options, tx, rx) : MPSC_INVALID;
}

mpsc_status mpsc_channel(size_t message_size, mpsc_sender **tx, mpsc_receiver **rx)
{
    return create_simple(message_size, MPSC_UNBOUNDED, tx, rx);
}

mpsc_status mpsc_sync_channel(size_t message_size, size_t bound, mpsc_sender **tx,
                              mpsc_receiver **rx)
{
    /* The two values that mean something else are past any limit anyway. */
    if (bound >= MPSC_ANY)
        return message_size && tx && rx ? MPSC_LIMIT : MPSC_INVALID;
    return create_simple(message_size, bound, tx, rx);
}

/* Nobody can open it, so it has no name to find, no owner to refuse and no life after its handles. */
mpsc_status mpsc_channel_with(const mpsc_options *options, mpsc_sender **tx, mpsc_receiver **rx)
{
    if (!options || !options_are_valid(options) || !options->create || options->exclusive ||
        options->durable || options->any_owner)
        return MPSC_INVALID;
    return create_private(options, tx, rx);
}

mpsc_status mpsc_unlink(const char *name)
{
    name = handle_name(name);
    if (!name)
        return MPSC_INVALID;
    return fork_seen() ? attachment_unlink(name) : MPSC_DENIED;
}
