/* SPDX-License-Identifier: MIT */
/*
 * libmpsc: multi-producer, single-consumer channels between threads and processes.
 *
 * A channel is one queue with any number of senders and one receiver at a time: Rust's
 * std::sync::mpsc, living in a POSIX shared-memory segment, so that the same calls serve threads,
 * forked children and unrelated processes. There is no daemon. Messages are bytes; they arrive
 * whole, once, and in the order in which they were sent. When the last sender is gone the receiver
 * is told, when the receiver is gone the senders are.
 *
 *      mpsc_sender *tx;
 *      mpsc_receiver *rx;
 *      mpsc_status status = mpsc_channel(sizeof(int), &tx, &rx);
 *      if (status == MPSC_OK)
 *          status = mpsc_send(tx, &(int){42}, sizeof(int));
 *      if (status == MPSC_OK)
 *          status = mpsc_recv(rx, &number, sizeof number, NULL);
 *
 * Caveats, each with its remedy:
 *
 *  - One handle, one thread at a time. Clone a sender for another thread (mpsc_sender_clone);
 *    a handle may move from thread to thread.
 *  - After fork, parent and child both hold every end, as with a pipe. Close in each what it does
 *    not use, or nobody hears of a disconnect.
 *  - A child of fork has its parent's handles; a program started by exec or posix_spawn has none.
 *    It opens the channel by name.
 *  - A child whose handles fork could not provide for has them all the same, and their calls say
 *    why not: MPSC_LIMIT, MPSC_NO_SPACE, MPSC_NO_MEMORY or MPSC_DENIED.
 *  - A child made by clone called directly holds nothing, nor do its own children: their calls are
 *    MPSC_DENIED. One made by vfork has its parent's memory until it execs, and must call nothing, as
 *    POSIX has it.
 *  - A scoped channel (the default) ends with its last handle, and what is still queued ends with
 *    it. A sender that may be the last waits with mpsc_flush first, or the channel is durable.
 *  - After setuid or chroot its name may stay, which this process may then not remove, or not find.
 *  - A process that dumps core lives until the dump is written. One that locks its memory (mlockall) gives
 *    memory to all of a segment that it maps: 5 MiB for each, and what the channel has ever grown to.
 *  - A loan that is not sent, and a peeked message that is not released, hold up all that is
 *    behind them. Keep them short.
 *  - INTERRUPTED is a status of every blocking call: a signal handler ran, nothing was done. Call
 *    again, or heed the signal. A handler that runs right before a call, or in its first
 *    microseconds, does not interrupt it, and a call looks up every 100 ms, at which one may be missed, as
 *    between the parts of a batch and the two waits of a rendezvous: who must not miss any gives the call a
 *    time-out.
 *  - A signal handler may use the try calls, and what ends their loans and peeks, on a handle that nothing
 *    else uses, and no other call. They may say MPSC_FULL though there is room where it interrupted the only
 *    other sender in the midst of a claim; or, of an unbounded channel that must grow, a call that opens,
 *    clones or closes a handle of it, or fork. MPSC_EMPTY likewise: what comes next is sent once it goes on.
 *  - A signal handler must not fork where it interrupted its own thread in a call that opens, clones, closes
 *    or unlinks, or in fork: it would wait for ever for what that holds.
 *  - A child that a signal handler or a `destroy` forked must not return from it into a call: what that has
 *    claimed, or is about to take, is its parent's. It ends by _exit, or execs.
 *  - Never leave a call by longjmp or asynchronous cancellation: what it had claimed or locked stays so
 *    until this process ends. No call is a cancellation point; one that is blocked goes on, so whoever
 *    cancels such a thread ends its wait as well: by a signal, a message, or a time-out given before.
 *  - What a thread had on loan, or peeked at, is its handle's: it stays when the thread ends, for another
 *    thread to end or to close. Close in a cleanup handler.
 *  - closefrom() and close loops take the library's descriptors away. Channels that are open go
 *    on, but a forked child gets none of them (MPSC_DENIED), and this process cannot tell any more
 *    whether a peer has ended, unless that closed its handles. Close descriptors before you open
 *    channels.
 *  - Whoever may write a segment can damage it. The library answers damage with MPSC_CORRUPT, but
 *    a segment that is truncated while it is mapped raises SIGBUS. Give nobody write permission
 *    whom you do not trust with the channel.
 *  - Linking needs -lmpsc; `pkg-config --cflags --libs mpsc` says what else.
 *
 * Conventions. Every call that can fail returns an mpsc_status, or stores one. Out-parameters are
 * untouched on failure, but for `length` under MPSC_TOO_BIG. Lengths and sizes are in bytes, times
 * in nanoseconds of the monotonic clock; MPSC_FOREVER never times out, and no time-out comes early.
 * A NULL handle, name or out-parameter is MPSC_INVALID unless its call allows it. In a forked child each
 * call may also say why that has no part in the channel: see above. Where several
 * statuses are true, DISCONNECTED goes before FULL and EMPTY, but never before a queued message.
 */
#ifndef MPSC_H
#define MPSC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The compiler warns of what such a call says and nobody looks at. */
#if defined __GNUC__ || defined __clang__
#define MPSC_MUST_USE __attribute__((warn_unused_result))
#else
#define MPSC_MUST_USE
#endif

/* GCC can be told which call ends the life of a pointer. From 12 on it then reports, under plain
 * -Wall, a loan that is touched after it was sent and a message that is touched after its release
 * (through the wrappers of MPSC_DEFINE_CHANNEL when it optimises). -fanalyzer also finds a loan that is
 * forgotten; it takes a second peek, and a close with a loan out, for such. */
#if defined __GNUC__ && !defined __clang__ && __GNUC__ >= 11
#define MPSC_ENDED_BY(call) __attribute__((malloc(call, 2)))
#else
#define MPSC_ENDED_BY(call)
#endif

/* What a call says. The values are part of the ABI; new ones may be added. */
typedef int32_t mpsc_status;
enum {
    MPSC_OK = 0,
    MPSC_EMPTY = 1,        /* no message waits (try calls), or none any more (mpsc_release) */
    MPSC_FULL = 2,         /* no room, or nobody waits at a rendezvous (try calls) */
    MPSC_TIMEOUT = 3,      /* the time is over; nothing was sent or taken */
    MPSC_DISCONNECTED = 4, /* the other side has left: closed, exited or killed */
    MPSC_INTERRUPTED = 5,  /* a signal handler ran; nothing was sent or taken */
    MPSC_TOO_BIG = 6,      /* the message for the channel, or the buffer for the message */
    MPSC_BUSY = 7,         /* another receiver holds the seat */
    MPSC_NOT_FOUND = 8,    /* no channel of that name, and none was to be created */
    MPSC_EXISTS = 9,       /* a channel of that name, and it was to be new */
    MPSC_MISMATCH = 10,    /* the channel differs from the options, its format from ours, or the
                              message from the size that was asked for */
    MPSC_CORRUPT = 11,     /* not a channel, or a damaged one */
    MPSC_DENIED = 12,      /* not permitted, or this process has no part in the channel */
    MPSC_NO_SPACE = 13,    /* /dev/shm is full, or an unbounded channel at its limit */
    MPSC_NO_MEMORY = 14,   /* this process has no memory or address space left */
    MPSC_LIMIT = 15,       /* too many processes, senders or descriptors, or too large a channel */
    MPSC_INVALID = 16,     /* an argument is wrong, or the handle is not in a state for this */
    MPSC_OS = 17           /* the system refused; errno says why */
};

/* A few words for a status, never NULL; a constant string. */
const char *mpsc_strstatus(mpsc_status status);

/* The library's version, "major.minor.patch"; a constant string. */
const char *mpsc_version(void);

/* A handle to send by. Who opened or cloned it closes it. */
typedef struct mpsc_sender mpsc_sender;
/* A handle to receive by. */
typedef struct mpsc_receiver mpsc_receiver;

#define MPSC_FOREVER UINT64_MAX /* a time-out: never */
#define MPSC_UNBOUNDED SIZE_MAX /* a bound: none */
#define MPSC_ANY (SIZE_MAX - 1) /* a bound: as the channel is; MPSC_UNBOUNDED when created */

/* Limits of one channel. */
#define MPSC_MAX_SENDERS 10000  /* clones and inherited ones are some, too */
#define MPSC_MAX_PROCESSES 1000 /* that have it open at a time */
#define MPSC_MAX_TYPE_NAME 63   /* bytes of a type name */
#define MPSC_MAX_NAME 255       /* bytes of a channel's name, without its optional leading slash */

/*
 * Options of a named channel. Begin with MPSC_OPTIONS_INIT and change fields:
 *
 *      mpsc_options options = MPSC_OPTIONS_INIT;
 *      options.message_size = sizeof(struct job);
 *      options.bound = 1000;
 *
 * When the channel exists already, each field that was set must agree with it (MPSC_MISMATCH).
 */
typedef struct mpsc_options {
    size_t size;           /* of this structure; set by MPSC_OPTIONS_INIT, so that it can grow */
    size_t message_size;   /* bytes of an ordinary message; 0: as it is, 64 when created */
    size_t bound;          /* messages; 0: rendezvous; MPSC_ANY: as it is, MPSC_UNBOUNDED when
                              created; MPSC_UNBOUNDED */
    uint64_t max_bytes;    /* of payload that an unbounded channel may hold; 0: no limit of ours */
    int create;            /* 1: create the channel if it is not there (the default) */
    int exclusive;         /* 1: it must not be there (needs create) */
    int durable;           /* 1: outlives its processes, until mpsc_unlink */
    unsigned permissions;  /* as for chmod, whatever the umask, 0600 at least; 0: as it is, 0600
                              when created */
    int any_owner;         /* 1: accept a segment that belongs to neither this user nor root */
    int reserved;          /* 0 */
    const char *type_name; /* what a message is, 1 to MPSC_MAX_TYPE_NAME bytes; NULL: unsaid */
    /* A channel of this process alone, whose messages may hold pointers: see mpsc_channel_with. */
    void (*destroy)(void *message, size_t length, void *context); /* NULL: it is none */
    void *context;                                                /* handed to it */
} mpsc_options;

/* clang-format off */
/* All as it is, or the defaults. */
#define MPSC_OPTIONS_INIT { sizeof(mpsc_options), 0, MPSC_ANY, 0, 1, 0, 0, 0, 0, 0, NULL, NULL, NULL }
/* clang-format on */

/* ------------------------------------------------------------------ opening and closing */

/*
 * An unbounded channel, private to this program and its forked children; Rust's channel().
 * `message_size` is the size of an ordinary message; longer ones may be sent too.
 *
 * It starts with a page, grows as messages queue up, and gives the memory back as they are taken. It
 * ends at a full /dev/shm (or at `max_bytes`, where options say one): sends past that are
 * MPSC_NO_SPACE, what is queued stays good, and sends work again when there is room. A message has at
 * most 4 GiB - 1 bytes. Sending never waits for the receiver. Where the channel must grow, it waits for
 * whoever is just then opening, cloning, closing, forking, or making it grow. But for the try calls, a sender
 * that is far ahead of the receiver yields its processor now and then (sched_yield; under a real-time policy
 * to its equals).
 *
 * INVALID: a zero size. NO_SPACE: /dev/shm is full. LIMIT: no descriptor left, or too large, perhaps
 * for this process' limit on the size of files only. DENIED:
 * no permission for /dev/shm, or /proc is not mounted. NO_MEMORY. OS: there is no /dev/shm, say.
 */
MPSC_MUST_USE mpsc_status mpsc_channel(size_t message_size, mpsc_sender **tx, mpsc_receiver **rx);

/*
 * A bounded channel, private to this program and its forked children; Rust's sync_channel(bound).
 * With nobody receiving, exactly `bound` messages of `message_size` or less are accepted. A `bound`
 * of 0 is a rendezvous: a send returns when the receiver has taken the message.
 * Statuses as mpsc_channel.
 */
MPSC_MUST_USE mpsc_status mpsc_sync_channel(size_t message_size, size_t bound, mpsc_sender **tx,
                                            mpsc_receiver **rx);

/*
 * The same with options: a private channel with a `max_bytes` or a `type_name`, say, and the way to send
 * heap objects between the threads of one process. The message is then the pointer, ownership moves with
 * it, and `destroy` says what becomes of messages that nobody will receive:
 *
 *      static void drop(void *message, size_t length, void *context)
 *      {
 *              free(*(struct job **)message);
 *      }
 *
 *      options.message_size = sizeof(struct job *);
 *      options.destroy = drop;
 *
 * It is called for each message that is still queued when the receiver is closed, by that call; and for
 * those that are behind a loan which is out, or that senders put in at that very moment, when the last handle is
 * closed. It may use other channels, not this one, and runs with cancellation disabled; a child that it forks
 * must not return from it. A send that failed leaves the object with the caller; after one that succeeded
 * it is the channel's, then the receiver's. Handles that are open when the process exits leave all to
 * the system.
 *
 * A channel with `destroy` is this process' own. One by name is opened again by this process only, with
 * the same `destroy` and `context` or none (MPSC_MISMATCH); others are MPSC_DENIED. A forked child has no
 * part in it (MPSC_DENIED), and destroys nothing. It cannot be durable.
 *
 * INVALID: NULL for the options, a value as for mpsc_open_sender, or what a private channel is not: durable,
 * exclusive, any_owner, create 0. A message size of 0 is the default. Others as mpsc_channel.
 */
MPSC_MUST_USE mpsc_status mpsc_channel_with(const mpsc_options *options, mpsc_sender **tx,
                                            mpsc_receiver **rx);

/*
 * Attaches to the named channel, or creates it; `options` NULL means the defaults. The name is one
 * of shm_open: at most MPSC_MAX_NAME bytes, no slash but an optional leading one. The other side
 * need not be there yet: a side that has not come is waited for, one that has left is
 * MPSC_DISCONNECTED.
 *
 * A receiver takes the channel's seat. Only one may hold it, so a second is MPSC_BUSY until the
 * first is closed or its process has ended; a new one then goes on where that one stopped.
 *
 * INVALID: the name, or an option's value, such as permissions by which the owner cannot read and write
 * (0400), or an empty type name. NOT_FOUND (create 0), EXISTS (exclusive 1). MISMATCH: it
 * differs from the options, its format from this library's, or its name from the one it was made under (a
 * copy). CORRUPT: not a channel, or damaged. DENIED: no permission, the segment is another user's
 * (any_owner), or /proc is not mounted. BUSY: the seat is taken. NO_SPACE, NO_MEMORY, LIMIT, OS.
 */
MPSC_MUST_USE mpsc_status mpsc_open_sender(const char *name, const mpsc_options *options,
                                           mpsc_sender **tx);
MPSC_MUST_USE mpsc_status mpsc_open_receiver(const char *name, const mpsc_options *options,
                                             mpsc_receiver **rx);

/*
 * Removes the name, as shm_unlink does: those attached go on, the next open makes a new channel. A
 * durable channel that has no name any more, by this call or another way, is like a scoped one: it
 * ends with its last handle, and a side that leaves is a disconnect. Removes a name whatever is
 * behind it, a damaged segment too.
 *
 * INVALID: the name. NOT_FOUND. DENIED. CORRUPT: the name is that of a directory. LIMIT: no descriptor
 * left. OS.
 */
MPSC_MUST_USE mpsc_status mpsc_unlink(const char *name);

/*
 * One more sender of the same channel, for another thread or another place.
 * LIMIT: too many senders. NO_SPACE, NO_MEMORY. DENIED: the table of senders must grow, and the
 * library's descriptor was closed.
 */
MPSC_MUST_USE mpsc_status mpsc_sender_clone(const mpsc_sender *tx, mpsc_sender **clone);

/* Drop the handle; NULL is allowed. A loan that is out is cancelled, a message that is peeked at
 * stays queued. The pointer is dead afterwards. */
void mpsc_sender_close(mpsc_sender *tx);
void mpsc_receiver_close(mpsc_receiver *rx);

/* ------------------------------------------------------------------ sending */

/*
 * Copies a message into the channel: it waits for room (mpsc_send), or does not (mpsc_try_send:
 * MPSC_FULL), or waits at most so many nanoseconds (mpsc_send_timeout: MPSC_TIMEOUT). In a
 * rendezvous channel it waits until the receiver has taken the message; mpsc_try_send succeeds only
 * while a receiver waits. `message` may be NULL when `length` is 0.
 *
 * A message longer than the channel's message size counts as so many messages as it needs.
 *
 * DISCONNECTED: no receiver is left; the message is still the caller's. TOO_BIG: it could never fit.
 * NO_SPACE: an unbounded channel is at its limit. INTERRUPTED. INVALID: this handle has a loan out.
 * DENIED: this process has no part in the channel. LIMIT: its parent found no room for it. CORRUPT:
 * the segment was damaged. Of an unbounded channel that must grow also NO_MEMORY: it would go past this
 * process' limit on address space; LIMIT: past that on the size of files; and DENIED: the library's
 * descriptor was closed.
 * mpsc_try_send says MPSC_FULL of an unbounded channel that must grow while somebody else changes who is in it,
 * or makes room, for more than 10 milliseconds, since it was stopped, say.
 */
MPSC_MUST_USE mpsc_status mpsc_send(mpsc_sender *tx, const void *message, size_t length);
MPSC_MUST_USE mpsc_status mpsc_try_send(mpsc_sender *tx, const void *message, size_t length);
MPSC_MUST_USE mpsc_status mpsc_send_timeout(mpsc_sender *tx, const void *message, size_t length,
                                            uint64_t nanoseconds);

/*
 * Copies several messages into the channel, in this order, with one claim for as many as there is room
 * for; more go in parts, with other senders' messages in between. Waits for room for all of them
 * (mpsc_send_batch), or sends those that there is room for now (mpsc_try_send_batch), or waits at most
 * so many nanoseconds in all (mpsc_send_batch_timeout). In a rendezvous channel each is handed over as by
 * mpsc_send.
 *
 * MPSC_OK: `*sent` messages were sent, from the first on. Fewer than `count` means that something came in
 * between; sending the rest says what. Other statuses: none was sent. Those are of the first message, and
 * as for mpsc_send. Killed in the middle of it, a process has sent some, from the first on.
 */
MPSC_MUST_USE mpsc_status mpsc_send_batch(mpsc_sender *tx, const struct iovec *messages,
                                          size_t count, size_t *sent);
MPSC_MUST_USE mpsc_status mpsc_try_send_batch(mpsc_sender *tx, const struct iovec *messages,
                                              size_t count, size_t *sent);
MPSC_MUST_USE mpsc_status mpsc_send_batch_timeout(mpsc_sender *tx, const struct iovec *messages,
                                                  size_t count, size_t *sent, uint64_t nanoseconds);

/*
 * Waits until all that this handle sent has been taken by the receiver: for a last word before exit.
 * DISCONNECTED: no receiver is left to take it. TIMEOUT, INTERRUPTED, DENIED, LIMIT.
 */
MPSC_MUST_USE mpsc_status mpsc_flush(mpsc_sender *tx, uint64_t nanoseconds);

/*
 * Moves a loan into the channel: what was written there is now a message of `length` bytes, at most
 * as many as the loan has. The loan is moved away, whatever is returned; do not touch it again. In
 * a rendezvous channel it waits until the receiver has taken it.
 *
 * INVALID: not this handle's loan (then nothing happens), or a longer `length` (then the loan is
 * cancelled). INTERRUPTED: rendezvous only, nothing was sent. DISCONNECTED.
 */
MPSC_MUST_USE mpsc_status mpsc_send_loan(mpsc_sender *tx, void *loan, size_t length);

/* Cancels a loan: nothing is sent. INVALID: it is not this handle's. */
MPSC_MUST_USE mpsc_status mpsc_cancel_loan(mpsc_sender *tx, void *loan);

/*
 * Claims room for a message of up to `length` bytes and lends it, to be filled in place; aligned as
 * malloc(length) would align it. Waits for room like mpsc_send, mpsc_try_send, mpsc_send_timeout.
 * One loan at a time for a handle; the message has its place in the queue from now on, so the
 * receiver waits for it. Ended by mpsc_send_loan, mpsc_cancel_loan or mpsc_sender_close.
 *
 * NULL on failure; the status, as for mpsc_send, goes into `*status` either way, if that is not
 * NULL.
 */
MPSC_ENDED_BY(mpsc_send_loan)
MPSC_ENDED_BY(mpsc_cancel_loan)
MPSC_MUST_USE void *mpsc_loan(mpsc_sender *tx, size_t length, mpsc_status *status);
MPSC_ENDED_BY(mpsc_send_loan)
MPSC_ENDED_BY(mpsc_cancel_loan)
MPSC_MUST_USE void *mpsc_try_loan(mpsc_sender *tx, size_t length, mpsc_status *status);
MPSC_ENDED_BY(mpsc_send_loan)
MPSC_ENDED_BY(mpsc_cancel_loan)
MPSC_MUST_USE void *mpsc_loan_timeout(mpsc_sender *tx, size_t length, uint64_t nanoseconds,
                                      mpsc_status *status);

/* ------------------------------------------------------------------ receiving */

/*
 * Takes the next message into `buffer`, of `size` bytes, and stores its length unless `length` is
 * NULL: waits for one (mpsc_recv), or does not (mpsc_try_recv: MPSC_EMPTY), or waits at most so many
 * nanoseconds (mpsc_recv_timeout: MPSC_TIMEOUT).
 *
 * DISCONNECTED: the queue is empty and no sender is left. TOO_BIG: the buffer is too small; the
 * message stays queued and `*length` says its size. INTERRUPTED. BUSY: another process receives.
 * INVALID: a peeked message is not released yet. DENIED, LIMIT, CORRUPT as for mpsc_send. Of an
 * unbounded channel that has grown also NO_MEMORY: past this process' limit on address space; and DENIED: the
 * library's descriptor was closed; what is queued stays.
 */
MPSC_MUST_USE mpsc_status mpsc_recv(mpsc_receiver *rx, void *buffer, size_t size, size_t *length);
MPSC_MUST_USE mpsc_status mpsc_try_recv(mpsc_receiver *rx, void *buffer, size_t size,
                                        size_t *length);
MPSC_MUST_USE mpsc_status mpsc_recv_timeout(mpsc_receiver *rx, void *buffer, size_t size,
                                            size_t *length, uint64_t nanoseconds);

/*
 * Takes the next message if it is one of exactly `size` bytes. Another is MPSC_MISMATCH, and stays
 * queued. Waits at most so many nanoseconds; with 0 it does not, and says MPSC_EMPTY.
 * Statuses as mpsc_recv, but for TOO_BIG.
 */
MPSC_MUST_USE mpsc_status mpsc_recv_exact(mpsc_receiver *rx, void *buffer, size_t size,
                                          uint64_t nanoseconds);

/*
 * Takes several messages, each into a buffer of its own, whose `iov_len` becomes the message's length: as
 * many as stand in a row and fit, at least one (none if `count` is 0). There may be more than were taken
 * though there were buffers: until MPSC_EMPTY, ask again. Waits for the first like mpsc_recv,
 * mpsc_try_recv, mpsc_recv_timeout, and never for more.
 *
 * MPSC_OK: `*received` messages were taken. TOO_BIG: the first buffer is too small; the message stays
 * queued, and the buffer's `iov_len` says its size. Others as for mpsc_recv. All are acknowledged at once:
 * killed in the middle of it, the process leaves them queued, and they are delivered again.
 *
 * Set each `iov_len` to its buffer's size anew before every call: after MPSC_OK it is a message's length, and
 * after MPSC_TOO_BIG more than the first buffer has.
 */
MPSC_MUST_USE mpsc_status mpsc_recv_batch(mpsc_receiver *rx, struct iovec *buffers, size_t count,
                                          size_t *received);
MPSC_MUST_USE mpsc_status mpsc_try_recv_batch(mpsc_receiver *rx, struct iovec *buffers,
                                              size_t count, size_t *received);
MPSC_MUST_USE mpsc_status mpsc_recv_batch_timeout(mpsc_receiver *rx, struct iovec *buffers,
                                                  size_t count, size_t *received,
                                                  uint64_t nanoseconds);

/*
 * Takes the peeked message off the queue; do not touch it again. Killed before this, the process
 * leaves the message queued, and it is delivered again.
 * INVALID: it is not the message that this handle peeked at. EMPTY: a rendezvous' sender, whose time
 * was over or who was interrupted, has taken it back meanwhile: count it as not received. In a forked
 * child also why it has no part in the channel.
 */
MPSC_MUST_USE mpsc_status mpsc_release(mpsc_receiver *rx, const void *message);

/*
 * The next message in place, aligned as malloc would align it: waits like mpsc_recv, mpsc_try_recv,
 * mpsc_recv_timeout. A second peek gives the same message. Valid until mpsc_release.
 * NULL on failure; the status, as for mpsc_recv, goes into `*status` either way, if not NULL; so
 * does the length into `*length`.
 */
MPSC_ENDED_BY(mpsc_release)
MPSC_MUST_USE const void *mpsc_peek(mpsc_receiver *rx, size_t *length, mpsc_status *status);
MPSC_ENDED_BY(mpsc_release)
MPSC_MUST_USE const void *mpsc_try_peek(mpsc_receiver *rx, size_t *length, mpsc_status *status);
MPSC_ENDED_BY(mpsc_release)
MPSC_MUST_USE const void *mpsc_peek_timeout(mpsc_receiver *rx, size_t *length, uint64_t nanoseconds,
                                            mpsc_status *status);

/*
 * The next message in place, if it is one of exactly `size` bytes. Another is NULL, MPSC_MISMATCH, and
 * stays queued. Waits as mpsc_recv_exact.
 */
MPSC_ENDED_BY(mpsc_release)
MPSC_MUST_USE const void *mpsc_peek_exact(mpsc_receiver *rx, size_t size, uint64_t nanoseconds,
                                          mpsc_status *status);

/* ------------------------------------------------------------------ several at once */

/*
 * Waits until one of `count` receivers need not wait: `*ready` is its index, and a try call on it says what
 * there is, a message, the disconnect, or an error. Of several that are ready it is the one that was
 * not named for longest, so that a busy one hides no other. With a time of 0 it does not wait.
 *
 * Each receiver takes its seat, as by the first receive. A rendezvous is ready when a sender waits; its
 * mpsc_try_send does not take this for waiting, and a message that its sender took back in between is
 * MPSC_EMPTY after all.
 *
 * TIMEOUT, INTERRUPTED. INVALID: no receiver, or a NULL among them. When it must sleep: LIMIT, DENIED,
 * NO_MEMORY, OS as for mpsc_receiver_fd. To sleep takes three descriptors, which the library keeps for the
 * next time until the process has no channel any more.
 */
MPSC_MUST_USE mpsc_status mpsc_select(mpsc_receiver *const *receivers, size_t count,
                                      uint64_t nanoseconds, size_t *ready);

/* ------------------------------------------------------------------ event loops */

/*
 * A descriptor for poll, epoll and the loops built on them: readable while a message or the disconnect
 * waits. Poll it for reading, and when it is readable receive with the try calls until one says
 * MPSC_EMPTY; from then on it is not readable until something comes. So it serves a level-triggered loop
 * that takes one message each time, and an edge-triggered one that drains.
 *
 * It may be readable with nothing there: now and then within some seconds after a process or a handle has come
 * or gone, when the channel has grown or shrunk, and when a message was taken by a blocking call or another
 * sender's descriptor was woken. The receive then says MPSC_EMPTY. Senders make one system call for it when
 * they find that the receiver was at MPSC_EMPTY, and none otherwise.
 *
 * The descriptor is the handle's: do not read or close it, and take it out of the loop before the handle is
 * closed. A forked child has one of its own, of the same number, for the handle that it inherits. Asking for
 * it takes the seat, as the first receive does. A rendezvous' mpsc_try_send does not take polling for waiting.
 * After closefrom() it is closed like any other, and after setuid() a new one may be refused.
 *
 * BUSY: another process receives. LIMIT: no descriptor left, or no inotify instance
 * (fs.inotify.max_user_instances, 128 for a user by default). DENIED: the library's descriptor was closed,
 * the segment is not this user's any more, or /proc is not mounted. NO_MEMORY. CORRUPT. OS: this system has no inotify.
 */
MPSC_MUST_USE mpsc_status mpsc_receiver_fd(mpsc_receiver *rx, int *fd);

/*
 * The same for a sender of a bounded channel: readable while there may be room, or no receiver is left.
 * Poll it for reading, and send with the try calls until one says MPSC_FULL; from then on it is not
 * readable until the receiver has taken something. INVALID: a rendezvous, or an unbounded channel, which
 * has always room. LIMIT, DENIED, NO_MEMORY and OS as for mpsc_receiver_fd.
 */
MPSC_MUST_USE mpsc_status mpsc_sender_fd(mpsc_sender *tx, int *fd);

/* ------------------------------------------------------------------ looking without taking part */

/* Messages that wait to be received now; 0 for a NULL handle. After closefrom(), of an unbounded channel,
 * those in the ring that is being received from. */
size_t mpsc_len(const mpsc_receiver *rx);

/* The bound, in messages; SIZE_MAX: unbounded; 0: a rendezvous, or a NULL handle. */
size_t mpsc_capacity(const mpsc_receiver *rx);

/* A channel at one moment. While it is in use the figures may be a few messages apart. */
typedef struct mpsc_stats {
    uint64_t message_size; /* bytes */
    uint64_t bound;        /* messages; 0: rendezvous; UINT64_MAX: unbounded */
    uint64_t max_bytes;    /* as in the options */
    uint64_t queued;       /* messages that wait */
    uint64_t sent;         /* messages, ever */
    uint64_t received;     /* messages, ever */
    uint64_t memory;       /* bytes of /dev/shm */
    uint64_t holes;        /* cells skipped, whose claimant had died */
    uint64_t repairs;      /* times that a process died while it changed the channel's tables */
    uint64_t takeovers;    /* times that the seat was taken from a dead receiver */
    uint32_t senders;      /* of living processes */
    uint32_t receivers;    /* of living processes */
    uint32_t processes;    /* living */
    uint32_t receiver_pid; /* of the seat's holder, as it sees itself; 0: nobody */
    uint32_t durable;      /* 1: yes, and the name still leads to it */
    uint32_t linked;       /* 1: the name still leads to it */
    char type_name[MPSC_MAX_TYPE_NAME + 1]; /* of the options; empty: unsaid */
    uint64_t reserved[16];                  /* 0 */
} mpsc_stats;

/*
 * Looks at a named channel, without attaching and without a lock; permission to read is enough.
 * INVALID: the name. NOT_FOUND, DENIED, CORRUPT, MISMATCH (another format), NO_MEMORY, LIMIT, OS.
 */
MPSC_MUST_USE mpsc_status mpsc_stat(const char *name, mpsc_stats *stats);

/* ------------------------------------------------------------------ iteration */

/* One step of MPSC_FOR_EACH: 1 with a message, 0 at the end. Goes on after a signal. */
static inline int mpsc_next(mpsc_receiver *rx, void *buffer, size_t size)
{
    mpsc_status status;
    do
        status = mpsc_recv_exact(rx, buffer, size, MPSC_FOREVER);
    while (status == MPSC_INTERRUPTED);
    return status == MPSC_OK;
}

/*
 * Rust's `for received in rx`: receives each message into a new `variable` of `type` until all
 * senders are gone. It ends as well at a message that has not the size of the type, or at an error;
 * mpsc_recv_exact(rx, &variable, sizeof variable, 0) then says which.
 *
 *      MPSC_FOR_EACH (struct job, job, rx)
 *              work(&job);
 */
#define MPSC_FOR_EACH(type, variable, rx)                                                          \
    for (type variable; mpsc_next((rx), &(variable), sizeof(variable));)

/* ------------------------------------------------------------------ channels of one type */

/*
 * Defines typed wrappers of the calls above: MPSC_DEFINE_CHANNEL(job, struct job) makes the types
 * job_sender, job_receiver and job_message (struct job) and the functions job_options (yours, with the size
 * and the type's name), job_channel, job_sync_channel, job_channel_with, job_open_sender, job_open_receiver,
 * job_receiver_fd, job_sender_fd, job_sender_clone, job_sender_close, job_receiver_close, job_send,
 * job_try_send, job_send_timeout, job_flush, job_loan, job_try_loan, job_loan_timeout, job_send_loan,
 * job_cancel_loan, job_recv, job_try_recv, job_recv_timeout, job_peek, job_try_peek, job_peek_timeout,
 * job_release, job_len, job_capacity and job_next. They take values, and no length: job_send(tx, value),
 * job_recv(rx, &value), job_loan(tx, &status), job_send_loan(tx, loan), job_peek(rx, &status).
 *
 * A message is a value of the type. A wrong type does not compile; opening a segment of another type,
 * or of another size, is MPSC_MISMATCH, and so is receiving a message of another size, which stays
 * queued. The type must be meaningful to whoever receives it:
 * no pointers between processes. A job_receiver for mpsc_select is cast to mpsc_receiver.
 */
#define MPSC_DEFINE_CHANNEL(prefix, type)                                                          \
    typedef struct prefix##_sender prefix##_sender;                                                \
    typedef struct prefix##_receiver prefix##_receiver;                                            \
    MPSC_INLINE mpsc_options prefix##_options(const mpsc_options *options)                         \
    {                                                                                              \
        mpsc_options typed = MPSC_OPTIONS_INIT;                                                    \
        if (options)                                                                               \
            typed = *options;                                                                      \
        if (typed.message_size == 0)                                                               \
            typed.message_size = sizeof(type);                                                     \
        typed.type_name = #type;                                                                   \
        return typed;                                                                              \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_channel(prefix##_sender **tx, prefix##_receiver **rx)         \
    {                                                                                              \
        return mpsc_channel(sizeof(type), (mpsc_sender **)tx, (mpsc_receiver **)rx);               \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_sync_channel(size_t bound, prefix##_sender **tx,              \
                                                  prefix##_receiver **rx)                          \
    {                                                                                              \
        return mpsc_sync_channel(sizeof(type), bound, (mpsc_sender **)tx, (mpsc_receiver **)rx);   \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_channel_with(const mpsc_options *options,                     \
                                                  prefix##_sender **tx, prefix##_receiver **rx)    \
    {                                                                                              \
        mpsc_options typed = prefix##_options(options);                                            \
        return mpsc_channel_with(&typed, (mpsc_sender **)tx, (mpsc_receiver **)rx);                \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_open_sender(const char *name, const mpsc_options *options,    \
                                                 prefix##_sender **tx)                             \
    {                                                                                              \
        mpsc_options typed = prefix##_options(options);                                            \
        return mpsc_open_sender(name, &typed, (mpsc_sender **)tx);                                 \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_open_receiver(const char *name, const mpsc_options *options,  \
                                                   prefix##_receiver **rx)                         \
    {                                                                                              \
        mpsc_options typed = prefix##_options(options);                                            \
        return mpsc_open_receiver(name, &typed, (mpsc_receiver **)rx);                             \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_sender_clone(const prefix##_sender *tx,                       \
                                                  prefix##_sender **clone)                         \
    {                                                                                              \
        return mpsc_sender_clone((const mpsc_sender *)tx, (mpsc_sender **)clone);                  \
    }                                                                                              \
    MPSC_INLINE void prefix##_sender_close(prefix##_sender *tx)                                    \
    {                                                                                              \
        mpsc_sender_close((mpsc_sender *)tx);                                                      \
    }                                                                                              \
    MPSC_INLINE void prefix##_receiver_close(prefix##_receiver *rx)                                \
    {                                                                                              \
        mpsc_receiver_close((mpsc_receiver *)rx);                                                  \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_send(prefix##_sender *tx, type value)                         \
    {                                                                                              \
        return mpsc_send((mpsc_sender *)tx, &value, sizeof value);                                 \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_try_send(prefix##_sender *tx, type value)                     \
    {                                                                                              \
        return mpsc_try_send((mpsc_sender *)tx, &value, sizeof value);                             \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_send_timeout(prefix##_sender *tx, type value,                 \
                                                  uint64_t nanoseconds)                            \
    {                                                                                              \
        return mpsc_send_timeout((mpsc_sender *)tx, &value, sizeof value, nanoseconds);            \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_flush(prefix##_sender *tx, uint64_t nanoseconds)              \
    {                                                                                              \
        return mpsc_flush((mpsc_sender *)tx, nanoseconds);                                         \
    }                                                                                              \
    MPSC_INLINE type *prefix##_loan(prefix##_sender *tx, mpsc_status *status)                      \
    {                                                                                              \
        return (type *)mpsc_loan((mpsc_sender *)tx, sizeof(type), status);                         \
    }                                                                                              \
    MPSC_INLINE type *prefix##_try_loan(prefix##_sender *tx, mpsc_status *status)                  \
    {                                                                                              \
        return (type *)mpsc_try_loan((mpsc_sender *)tx, sizeof(type), status);                     \
    }                                                                                              \
    MPSC_INLINE type *prefix##_loan_timeout(prefix##_sender *tx, uint64_t nanoseconds,             \
                                            mpsc_status *status)                                   \
    {                                                                                              \
        return (type *)mpsc_loan_timeout((mpsc_sender *)tx, sizeof(type), nanoseconds, status);    \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_send_loan(prefix##_sender *tx, type *loan)                    \
    {                                                                                              \
        return mpsc_send_loan((mpsc_sender *)tx, loan, sizeof(type));                              \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_cancel_loan(prefix##_sender *tx, type *loan)                  \
    {                                                                                              \
        return mpsc_cancel_loan((mpsc_sender *)tx, loan);                                          \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_recv(prefix##_receiver *rx, type *value)                      \
    {                                                                                              \
        return mpsc_recv_exact((mpsc_receiver *)rx, value, sizeof *value, MPSC_FOREVER);           \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_try_recv(prefix##_receiver *rx, type *value)                  \
    {                                                                                              \
        return mpsc_recv_exact((mpsc_receiver *)rx, value, sizeof *value, 0);                      \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_recv_timeout(prefix##_receiver *rx, type *value,              \
                                                  uint64_t nanoseconds)                            \
    {                                                                                              \
        return mpsc_recv_exact((mpsc_receiver *)rx, value, sizeof *value, nanoseconds);            \
    }                                                                                              \
    MPSC_INLINE const type *prefix##_peek(prefix##_receiver *rx, mpsc_status *status)              \
    {                                                                                              \
        return (const type *)mpsc_peek_exact((mpsc_receiver *)rx, sizeof(type), MPSC_FOREVER,      \
                                             status);                                              \
    }                                                                                              \
    MPSC_INLINE const type *prefix##_try_peek(prefix##_receiver *rx, mpsc_status *status)          \
    {                                                                                              \
        return (const type *)mpsc_peek_exact((mpsc_receiver *)rx, sizeof(type), 0, status);        \
    }                                                                                              \
    MPSC_INLINE const type *prefix##_peek_timeout(prefix##_receiver *rx, uint64_t nanoseconds,     \
                                                  mpsc_status *status)                             \
    {                                                                                              \
        return (const type *)mpsc_peek_exact((mpsc_receiver *)rx, sizeof(type), nanoseconds,       \
                                             status);                                              \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_release(prefix##_receiver *rx, const type *message)           \
    {                                                                                              \
        return mpsc_release((mpsc_receiver *)rx, message);                                         \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_receiver_fd(prefix##_receiver *rx, int *fd)                   \
    {                                                                                              \
        return mpsc_receiver_fd((mpsc_receiver *)rx, fd);                                          \
    }                                                                                              \
    MPSC_INLINE mpsc_status prefix##_sender_fd(prefix##_sender *tx, int *fd)                       \
    {                                                                                              \
        return mpsc_sender_fd((mpsc_sender *)tx, fd);                                              \
    }                                                                                              \
    MPSC_INLINE size_t prefix##_len(const prefix##_receiver *rx)                                   \
    {                                                                                              \
        return mpsc_len((const mpsc_receiver *)rx);                                                \
    }                                                                                              \
    MPSC_INLINE size_t prefix##_capacity(const prefix##_receiver *rx)                              \
    {                                                                                              \
        return mpsc_capacity((const mpsc_receiver *)rx);                                           \
    }                                                                                              \
    MPSC_INLINE int prefix##_next(prefix##_receiver *rx, type *value)                              \
    {                                                                                              \
        return mpsc_next((mpsc_receiver *)rx, value, sizeof *value);                               \
    }                                                                                              \
    typedef type prefix##_message

/* The wrappers of one translation unit; those that it does not use cost nothing. */
#if defined __GNUC__ || defined __clang__
#define MPSC_INLINE __attribute__((unused)) static inline
#else
#define MPSC_INLINE static inline
#endif

#ifdef __cplusplus
}
#endif

#endif
