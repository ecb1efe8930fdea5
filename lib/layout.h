/* SPDX-License-Identifier: MIT */
/*
 * What lies in a segment. All of it is fixed-width, offsets are asserted, no pointer is stored (but
 * what libpthread keeps in its own objects, with --with-sync=pthread).
 *
 *      0            struct header      identity, control mutex, presence, seat, condition variables
 *      PROCESSES    struct process     one for each process that is attached; sparse
 *      ENDPOINTS    struct endpoint    one for each handle; sparse
 *      BELL         nothing, ever: taking memory from here is what rings the bell, see os/bell.c
 *      NEWS         a page for each process that is attached, at whose end a word tells of its
 *                   death; sparse
 *      ring_offset  stamps             one 64-bit word for each cell    (pages)
 *                   cells              the payloads                     (pages; mapped twice, in a row)
 *                   ...                of an unbounded channel, for each size of ring; sparse
 *
 * Only the pages of the tables that are below process_high and endpoint_high have memory, the pages of
 * the news of processes that are or were attached, and the rings that are in use; nothing may touch
 * the others. The locks of bytes lie far behind the end of the file.
 *
 * Where messages are of LAYOUT_SMALL bytes or less, a stamp has room for one in front of it, so that
 * both are on one line; the cells are for longer messages only.
 */
#ifndef MPSC_LAYOUT_H
#define MPSC_LAYOUT_H

#include <mpsc.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#ifdef MPSC_SYNC_PTHREAD
#include <pthread.h>
#endif

#define LAYOUT_MAGIC UINT64_C(0x6e68636373706d1a) /* bytes 0x1a "mpscchn" */
#define LAYOUT_VERSION 3u

/* Word size and whose locks: processes that disagree cannot share a segment. */
#define LAYOUT_ABI ((uint32_t)(sizeof(void *) << 16 | LAYOUT_SYNC << 8 | sizeof(struct condvar)))

/* Sizes of rings, each twice the one before. */
#define RINGS_MOST 31
#define RING_CLOSED (UINT64_C(1) << 63)

/* Bytes of a message that may lie in front of its stamp. */
#define LAYOUT_SMALL 8

/* Neighbouring lines are fetched in pairs by many processors. */
#define LAYOUT_LINE 128

/* Who is to be told of what a condition variable stands for. */
#define CONDVAR_ASLEEP 1u /* somebody sleeps, or did when it was last looked at */
#define CONDVAR_ARMED 2u  /* somebody listens for the bell */
#define CONDVAR_ARMING 4u /* from this bit on, a number that moves each time that it is armed */

#ifdef MPSC_SYNC_PTHREAD
#define LAYOUT_SYNC 2u
struct control {
    pthread_mutex_t mutex; /* robust, process-shared */
};
struct condvar {
    atomic_uint waiting;
    atomic_uint sequence;
    atomic_uint heavy;
    pthread_mutex_t mutex; /* robust, process-shared */
    pthread_cond_t moved;
};
#else
#define LAYOUT_SYNC 1u
struct control {
    atomic_uint owner; /* 0: free; see control_futex.c */
};
struct condvar {
    atomic_uint waiting;  /* who is to be told, CONDVAR_ASLEEP and so on */
    atomic_uint sequence; /* moves with each wake-up; the futex */
    atomic_uint heavy;    /* 1: membarrier is not to be had, see condvar.h */
};
#endif

/* What a channel is; written before anybody else can see it, never changed, never read again after
 * it was copied and checked. */
struct identity {
    uint64_t magic;
    uint32_t version;
    uint32_t abi;
    uint64_t message_size;
    uint64_t bound; /* messages; 0: rendezvous; UINT64_MAX: unbounded */
    uint64_t max_bytes;
    uint64_t created; /* seconds since 1970 */
    uint32_t page_size;
    uint32_t creator; /* its pid, as it saw itself */
    uint32_t durable;
    uint32_t local; /* 1: its messages mean something in its creator's process only */
    char name[MPSC_MAX_NAME + 1]; /* empty: private */
    char type_name[MPSC_MAX_TYPE_NAME + 1];
    uint64_t checksum; /* of all before it */
};

/* The state of the whole. It only grows, but for `left`. */
enum segment_state { SEGMENT_OPEN = 0, SEGMENT_CLOSED = 1 };

/* Which sides were there and have left, bits of header.left and header.seen. */
enum side { SIDE_SENDER = 1, SIDE_RECEIVER = 2 };

/* Who claims how: the state of a ring's bias, in its lowest bits. */
enum bias_state {
    BIAS_NONE = 0,    /* all by a CAS on the tail */
    BIAS_GIVEN = 1,   /* one sender by a store, the others not before they have revoked that */
    BIAS_REVOKED = 2, /* that one's last store may be under way */
};
#define BIAS_STATE UINT64_C(3)

/* One ring. Positions count the cells of the channel, so where this ring ends the next one begins. */
struct ring_words {
    alignas(64) _Atomic uint64_t tail; /* next position to claim, RING_CLOSED */
    _Atomic uint64_t bias;             /* which sender claims by a store; see bias.c */
    _Atomic uint64_t base;             /* position that it begins with */
    atomic_uint next;                  /* ring + 1; 0: none */
};

struct header {
    struct identity identity;

    /* The control mutex, and what is changed under it alone. */
    alignas(LAYOUT_LINE) struct control control;
    alignas(LAYOUT_LINE) atomic_uint state; /* enum segment_state */
    atomic_uint process_high;               /* entries of the tables that have memory */
    atomic_uint endpoint_high;
    atomic_uint senders; /* endpoints of each kind: a count of the table, made anew by repair */
    atomic_uint receivers;
    atomic_uint seen;       /* sides that ever came */
    atomic_uint generation; /* of the process that came last; changed by anyone, atomically */
    _Atomic uint64_t repairs;
    _Atomic uint64_t takeovers; /* changed by whoever takes the seat */
    _Atomic uint64_t holes;     /* changed by the seat's holder */
    atomic_uint newest;         /* ring, or the one before it; see chain.c */
    atomic_uint arrivals[2];    /* senders and receivers that ever came */

    /* Read by every send and every receive, seldom written. */
    alignas(LAYOUT_LINE) atomic_uint left; /* sides that are told of as disconnected */

    alignas(LAYOUT_LINE) _Atomic uint64_t seat;  /* of the receiver; see seat.c */
    _Atomic uint64_t offer;                      /* of a rendezvous; see offer.c */
    alignas(LAYOUT_LINE) struct condvar arrived; /* the receiver waits here */
    alignas(LAYOUT_LINE) struct condvar room;    /* senders wait here, for the head to move */

    /* Changed by the seat's holder. */
    alignas(LAYOUT_LINE) _Atomic uint64_t head; /* next position to take; the acknowledgement */
    _Atomic uint64_t received;                  /* messages taken, ever */
    atomic_uint oldest;                         /* ring: where the head is */

    alignas(LAYOUT_LINE) struct ring_words rings[RINGS_MOST]; /* by size; see chain.c */
};

/* An attached process. `life` commits the entry: 0 is free, else its generation. */
struct process {
    _Atomic uint64_t life;
    atomic_uint pid;        /* as it sees itself */
    atomic_uint exits;      /* 1: it is in exit(), with handles open */
    _Atomic uint64_t since; /* monotonic nanoseconds */
    uint64_t unused[13];
};

/* What a sender is about to claim, or has claimed and not committed. */
struct intent {
    _Atomic uint64_t position;
    _Atomic uint64_t cells;
};

/* A handle. `owner` commits the entry: 0 is free, else see owner_word(). One line each: only its owner
 * writes it while it lives. */
struct endpoint {
    alignas(64) _Atomic uint64_t owner;
    struct intent intent;
    _Atomic uint64_t messages;      /* moved through this handle, ever */
    _Atomic uint64_t blocked_since; /* monotonic nanoseconds; 0: it is not asleep */
    uint64_t reserved[3];
};

enum {
    PROCESS_SLOTS = 1024,
    ENDPOINT_SLOTS = 11264,
    /* Each process may have inherited the receiver. */
    ENDPOINTS_MOST = MPSC_MAX_SENDERS + MPSC_MAX_PROCESSES,
};

#define LAYOUT_PROCESSES UINT64_C(65536)
#define LAYOUT_ENDPOINTS (LAYOUT_PROCESSES + PROCESS_SLOTS * sizeof(struct process))
#define LAYOUT_BELL (LAYOUT_ENDPOINTS + ENDPOINT_SLOTS * sizeof(struct endpoint))
#define LAYOUT_NEWS (LAYOUT_BELL + 65536)

/* Bytes that are locked: slot i's process lives while byte LOCK_PROCESS + i is held. */
#define LOCK_PROCESS (UINT64_C(1) << 62)
/* Held by whoever removes the name of this inode. */
#define LOCK_UNLINK (LOCK_PROCESS - 1)

_Static_assert(sizeof(struct identity) == 392, "identity");
_Static_assert(sizeof(struct header) <= 4096, "the header is one page");
_Static_assert(sizeof(struct process) == 128, "process");
_Static_assert(sizeof(struct endpoint) == 64, "endpoint");
_Static_assert(sizeof(struct ring_words) == 64, "ring words");
_Static_assert(LAYOUT_BELL % 65536 == 0, "bell and news begin at a page, whatever its size");
_Static_assert(PROCESS_SLOTS >= MPSC_MAX_PROCESSES, "processes");
_Static_assert(ENDPOINT_SLOTS >= ENDPOINTS_MOST, "endpoints");

#endif
