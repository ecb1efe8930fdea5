/* SPDX-License-Identifier: MIT */
/* Rust's std::sync::mpsc and crossbeam-channel, between threads: see peers.rs. */
#include "transport.h"

/* As in peers.rs. */
enum kind { SYNC_CHANNEL, CHANNEL, CROSSBEAM_BOUNDED, CROSSBEAM_UNBOUNDED };

struct lane *rust_open(uint32_t kind, size_t size, uint32_t producers);
void rust_send(struct lane *lane, uint32_t producer, uint64_t first, uint64_t count);
uint64_t rust_receive(struct lane *lane, uint64_t count);
void rust_close(struct lane *lane);

static void only_receive(struct lane *lane)
{
    (void)lane;
}

static void only_send(struct lane *lane, unsigned producer)
{
    (void)lane;
    (void)producer;
}

#define TRANSPORT(id, words, kind)                                                                 \
    static struct lane *open_##id(size_t size, unsigned producers)                                 \
    {                                                                                              \
        return rust_open(kind, size, producers);                                                   \
    }                                                                                              \
    const struct transport transport_##id = {                                                      \
        .name = words,                                                                             \
        .open = open_##id,                                                                         \
        .only_receive = only_receive,                                                              \
        .only_send = only_send,                                                                    \
        .close = rust_close,                                                                       \
        .send = rust_send,                                                                         \
        .receive = rust_receive,                                                                   \
    }

TRANSPORT(rust_sync, "Rust sync_channel", SYNC_CHANNEL);
TRANSPORT(rust_channel, "Rust channel", CHANNEL);
#ifdef HAVE_CROSSBEAM
TRANSPORT(crossbeam_bounded, "crossbeam bounded", CROSSBEAM_BOUNDED);
TRANSPORT(crossbeam_unbounded, "crossbeam unbounded", CROSSBEAM_UNBOUNDED);
#endif
