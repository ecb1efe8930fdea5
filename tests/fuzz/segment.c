/* SPDX-License-Identifier: MIT */
/*
 * Hostile and damaged segments, for libFuzzer (make fuzz, script/fuzz). An input is a small program:
 * the kind of a channel, then steps, which are edits of its file and calls on it, in any order. Any
 * status will do. What will not: a crash, a call that does not end, memory lent that is not the
 * segment's, and anything that is left open in the end.
 *
 * The file is not truncated while it is mapped: that raises SIGBUS, see doc/security.md.
 */
#include "handle.h"
#include "inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *__asan_default_options(void);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SENDERS = 4, RECEIVERS = 2, STEPS = 48, MOST_CELLS = 50000, PEERS = 8, LONGEST = 3 << 20 };

/* The longer one is past the first sleep, after which one watches for deaths. */
#define MOMENT UINT64_C(20000)
#define LONGER_MOMENT UINT64_C(700000)

struct sender {
    mpsc_sender *tx;
    void *loan;
    size_t length; /* of the loan */
};

struct receiver {
    mpsc_receiver *rx;
    const void *peeked;
};

struct world {
    const uint8_t *at, *end; /* what is left of the input */
    mpsc_options options;
    struct sender senders[SENDERS];
    struct receiver receivers[RECEIVERS];
    int peer; /* a descriptor whose lock stands for another process that lives */
    bool forked;
};

static char name[32], path[64];
static timer_t timer;

static void die(const char *what)
{
    dprintf(STDERR_FILENO, "segment: %s\n", what);
    abort();
}

static void must(bool holds, const char *what)
{
    if (!holds)
        die(what);
}

/* ------------------------------------------------------------------ the input */

/* The next `count` bytes as a number; zeros follow the input. */
static uint64_t take(struct world *world, unsigned count)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < count && world->at < world->end; i++)
        value |= (uint64_t)*world->at++ << 8 * i;
    return value;
}

static unsigned choose(struct world *world, unsigned count)
{
    return (unsigned)take(world, 1) % count;
}

/* The longest makes a chain grow past what it keeps when it is empty; but not to so many cells that it
 * takes seconds to pass them one by one. */
static size_t take_length(struct world *world)
{
    static const size_t lengths[] = {0, 8, 9, 64, 100, 200, 1000, 5000, 1 << 16};
    unsigned which = (unsigned)take(world, 1);
    size_t most = MOST_CELLS * world->options.message_size;
    if (which == 255)
        return most < LONGEST ? most : LONGEST;
    return which < 128 ? which : lengths[which % (sizeof lengths / sizeof *lengths)];
}

/* ------------------------------------------------------------------ guards */

/*
 * What the library maps of a segment lies here between pages that nobody may touch, so that an access
 * past its end is no access to something else. By system calls: the sanitizer's mmap would clear its
 * shadow of all that. The linker puts these in the place of lib/os/shm.c's (--wrap).
 */
enum { GUARD = 16 << 20, GUARDED = 512, READ_WRITE = PROT_READ | PROT_WRITE };
static unsigned char *guarded[GUARDED];

int __wrap_os_map(int fd, uint64_t offset, size_t length, void **address);
int __wrap_os_map_mirrored(int fd, uint64_t offset, size_t once, size_t twice, void **address);
void __wrap_os_unmap(void *address, size_t length);
void __real_os_unmap(void *address, size_t length);

static unsigned char **guard_of(const void *address)
{
    unsigned i = 0;
    while (i < GUARDED && guarded[i] != address)
        i++;
    must(i < GUARDED || address, "too many mappings"); /* none is free */
    return i < GUARDED ? &guarded[i] : NULL;
}

static void *map_raw(void *address, size_t length, int protection, int flags, int fd,
                     uint64_t offset)
{
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

static int map_part(unsigned char *at, size_t length, int fd, uint64_t offset)
{
    return map_raw(at, length, READ_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED
               ? -errno
               : 0;
}

int __wrap_os_map_mirrored(int fd, uint64_t offset, size_t once, size_t twice, void **address)
{
    size_t all = once + twice + 2 * (size_t)GUARD;
    unsigned char *reserved =
        map_raw(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED)
        return -errno;
    int error = map_part(reserved + GUARD, once, fd, offset);
    if (!error && twice)
        error = map_part(reserved + GUARD + once, twice, fd, offset + once - twice);
    if (error) {
        syscall(SYS_munmap, reserved, all);
        return error;
    }
    *guard_of(NULL) = *address = reserved + GUARD;
    return 0;
}

int __wrap_os_map(int fd, uint64_t offset, size_t length, void **address)
{
    return __wrap_os_map_mirrored(fd, offset, length, 0, address);
}

void __wrap_os_unmap(void *address, size_t length)
{
    unsigned char **guard = address ? guard_of(address) : NULL;
    if (!guard) {
        __real_os_unmap(address, length);
        return;
    }
    syscall(SYS_munmap, *guard - GUARD, (length + 4095) / 4096 * 4096 + 2 * (size_t)GUARD);
    *guard = NULL;
}

/* ------------------------------------------------------------------ edits */

/* Where something lies, whatever the layout of a version. */
static off_t take_place(struct world *world, off_t size)
{
    const off_t ring = (off_t)LAYOUT_NEWS + PROCESS_SLOTS * 4096;
    unsigned where = choose(world, 8);
    off_t at = (off_t)take(world, 2);
    switch (where) {
    case 0:
    case 1:
        return at % (off_t)sizeof(struct header);
    case 2:
        return (off_t)LAYOUT_PROCESSES + at % 4096;
    case 3:
        return (off_t)LAYOUT_ENDPOINTS + at % 4096;
    case 4: /* the words of the first processes */
        return (off_t)LAYOUT_NEWS + (at / 32 % 4 + 1) * 4096 - 32 + at % 32;
    case 5:
        return ring + at;
    case 6:
        return ring + at % 64 * 8;
    default:
        return size > at ? size - 1 - at : at;
    }
}

static int open_file(off_t *size)
{
    struct stat file;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &file) == 0)
        *size = file.st_size;
    return fd;
}

/* Within the file: it is not to grow by this. */
static void put(int fd, off_t at, const void *bytes, size_t length, off_t size)
{
    if (at >= 0 && at + (off_t)length <= size)
        (void)!pwrite(fd, bytes, length, at);
}

static uint64_t get(int fd, off_t at)
{
    uint64_t word = 0;
    (void)!pread(fd, &word, sizeof word, at);
    return word;
}

static bool is_open(const struct world *world)
{
    for (int i = 0; i < SENDERS; i++)
        if (world->senders[i].tx)
            return true;
    for (int i = 0; i < RECEIVERS; i++)
        if (world->receivers[i].rx)
            return true;
    return false;
}

static void edit_bytes(struct world *world, int fd, off_t size)
{
    off_t at = take_place(world, size);
    unsigned count = 1 + choose(world, 8);
    uint64_t bytes = take(world, count);
    put(fd, at, &bytes, count, size);
}

static void edit_xor(struct world *world, int fd, off_t size)
{
    off_t at = take_place(world, size);
    uint64_t byte = get(fd, at) ^ take(world, 1);
    put(fd, at, &byte, 1, size);
}

static void edit_word(struct world *world, int fd, off_t size)
{
    off_t at = take_place(world, size) & ~(off_t)7;
    uint64_t word = take(world, 8);
    put(fd, at, &word, sizeof word, size);
}

static void edit_add(struct world *world, int fd, off_t size)
{
    off_t at = take_place(world, size) & ~(off_t)3;
    uint64_t word = get(fd, at) + (uint64_t)(int8_t)take(world, 1);
    put(fd, at, &word, at % 8 ? 4 : 8, size);
}

/* A word that means something elsewhere. */
static void edit_copy(struct world *world, int fd, off_t size)
{
    off_t from = take_place(world, size) & ~(off_t)3;
    off_t to = take_place(world, size) & ~(off_t)3;
    uint64_t word = get(fd, from);
    put(fd, to, &word, choose(world, 2) ? 4 : 8, size);
}

/* Of what comes before the checksum, which is made right. */
static void edit_identity(struct world *world, int fd, off_t size)
{
    const size_t sum = offsetof(struct identity, checksum);
    struct identity identity;
    size_t at = take(world, 2) % sum;
    unsigned count = 1 + choose(world, 8);
    uint64_t bytes = take(world, 8);
    if (pread(fd, &identity, sizeof identity, 0) != sizeof identity)
        return;
    if (count > sum - at)
        count = (unsigned)(sum - at);
    memcpy((char *)&identity + at, &bytes, count);
    identity.checksum = map_checksum(&identity, sum);
    put(fd, 0, &identity, sizeof identity, size);
}

static void edit_size(struct world *world, int fd, off_t size)
{
    int64_t change = (int16_t)take(world, 2);
    int64_t wanted = choose(world, 2) ? size + change * 4096 : size + change;
    if (wanted >= 0 && (wanted > size || !is_open(world)))
        (void)!ftruncate(fd, wanted);
}

static void edit_hole(struct world *world, int fd, off_t size)
{
    off_t at = take_place(world, size) & ~(off_t)4095;
    (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
                     4096 * (off_t)(1 + choose(world, 4)));
}

/* A word that names a living process is believed: who owns the control mutex, and who has accepted the
 * offer of a rendezvous, is waited for (doc/security.md). Here that would be for ever, since none of
 * them does anything: this process would wait for itself, or for the peer. */
static void unname(int fd, off_t size)
{
    const off_t control = offsetof(struct header, control), offer = offsetof(struct header, offer);
    unsigned slot = (unsigned)get(fd, control) & 0x7ff;
    uint64_t acceptor = get(fd, offer);
    if (slot > 0 && slot <= PEERS)
        put(fd, control, &(uint32_t){0}, sizeof(uint32_t), size);
    if (owner_kind(acceptor) == OWNER_SENDER && owner_slot(acceptor) < PEERS)
        put(fd, offer, &(uint64_t){0}, sizeof(uint64_t), size);
}

static void edit(struct world *world, void (*change)(struct world *, int, off_t))
{
    off_t size = 0;
    int fd = open_file(&size);
    if (fd < 0)
        return;
    change(world, fd, size);
    unname(fd, size);
    close(fd);
}

/* ------------------------------------------------------------------ calls */

static struct sender *some_sender(struct world *world)
{
    return &world->senders[choose(world, SENDERS)];
}

static struct receiver *some_receiver(struct world *world)
{
    return &world->receivers[choose(world, RECEIVERS)];
}

static void open_sender(struct world *world, const mpsc_options *options)
{
    struct sender *s = some_sender(world);
    if (!s->tx)
        (void)!mpsc_open_sender(name, options, &s->tx);
}

static void open_receiver(struct world *world, const mpsc_options *options)
{
    struct receiver *r = some_receiver(world);
    if (!r->rx)
        (void)!mpsc_open_receiver(name, options, &r->rx);
}

static void open_some(struct world *world)
{
    mpsc_options options = MPSC_OPTIONS_INIT;
    unsigned how = choose(world, 16);
    options.create = !(how & 2);
    options.any_owner = (how & 4) != 0;
    if (how & 8)
        options = world->options;
    if (how & 1)
        open_sender(world, &options);
    else
        open_receiver(world, &options);
}

static void clone_sender(struct world *world)
{
    struct sender *of = some_sender(world), *s = some_sender(world);
    if (!s->tx)
        (void)!mpsc_sender_clone(of->tx, &s->tx);
}

static void close_sender(struct sender *s)
{
    mpsc_sender_close(s->tx);
    *s = (struct sender){0};
}

static void close_receiver(struct receiver *r)
{
    mpsc_receiver_close(r->rx);
    *r = (struct receiver){0};
}

static uint8_t message[LONGEST];

/* A signal, again and again, ends a call that would wait for ever. Its handler may be the other side. */
static mpsc_sender *sending;
static mpsc_receiver *receiving;

static void on_timer(int number)
{
    uint8_t buffer[64];
    size_t length;
    (void)number;
    (void)!mpsc_try_send(sending, message, 8);
    (void)!mpsc_try_recv(receiving, buffer, sizeof buffer, &length);
}

static void set_timer(long nanoseconds)
{
    struct itimerspec time = {{0, nanoseconds}, {0, nanoseconds}};
    timer_settime(timer, 0, &time, NULL);
}

/* A handle that nothing else uses, for the handler. */
static void begin_waiting(struct world *world, const mpsc_sender *not_tx,
                          const mpsc_receiver *not_rx)
{
    mpsc_sender *tx = some_sender(world)->tx;
    mpsc_receiver *rx = some_receiver(world)->rx;
    sending = tx == not_tx || choose(world, 2) ? NULL : tx;
    receiving = rx == not_rx || choose(world, 2) ? NULL : rx;
    set_timer(300000);
}

static void end_waiting(void)
{
    set_timer(0);
    sending = NULL;
    receiving = NULL;
}

static void send_some(struct world *world)
{
    struct sender *s = some_sender(world);
    unsigned how = choose(world, 8);
    size_t length = take_length(world);
    if (how == 0) {
        begin_waiting(world, s->tx, NULL);
        (void)!mpsc_send(s->tx, message, length);
        end_waiting();
    } else if (how < 3) {
        (void)!mpsc_send_timeout(s->tx, message, length, MOMENT);
    } else {
        (void)!mpsc_try_send(s->tx, message, length);
    }
}

enum { BATCH = 8 };

static void send_batch(struct world *world)
{
    struct sender *s = some_sender(world);
    struct iovec messages[BATCH];
    size_t count = choose(world, BATCH + 1), sent;
    for (size_t i = 0; i < count; i++)
        messages[i] = (struct iovec){message, take_length(world)};
    if (choose(world, 2))
        (void)!mpsc_try_send_batch(s->tx, messages, count, &sent);
    else
        (void)!mpsc_send_batch_timeout(s->tx, messages, count, &sent, MOMENT);
}

static void receive_batch(struct world *world)
{
    struct receiver *r = some_receiver(world);
    struct iovec buffers[BATCH];
    uint8_t *memory[BATCH];
    size_t count = choose(world, BATCH + 1), received;
    for (size_t i = 0; i < count; i++) {
        size_t size = take_length(world);
        memory[i] = malloc(size ? size : 1);
        must(memory[i], "no memory");
        buffers[i] = (struct iovec){memory[i], size};
    }
    if (choose(world, 2))
        (void)!mpsc_try_recv_batch(r->rx, buffers, count, &received);
    else
        (void)!mpsc_recv_batch_timeout(r->rx, buffers, count, &received, MOMENT);
    for (size_t i = 0; i < count; i++)
        free(memory[i]);
}

/* Is it memory of one of the segment's rings? */
static bool is_lent(const void *handle, const void *memory, size_t length)
{
    const struct segment *segment = ((const struct handle *)handle)->segment;
    for (unsigned i = 0; i < RINGS_MOST; i++) {
        const struct map *map = &segment->ring_maps[i];
        uintptr_t begin = (uintptr_t)map->base, at = (uintptr_t)memory;
        if (begin && at >= begin && at - begin <= map->size && length <= map->size - (at - begin))
            return true;
    }
    return false;
}

static void loan_some(struct world *world)
{
    struct sender *s = some_sender(world);
    unsigned how = choose(world, 8);
    size_t length = take_length(world);
    mpsc_status status = MPSC_OK;
    void *loan = how == 0 ? mpsc_loan_timeout(s->tx, length, MOMENT, &status)
                          : mpsc_try_loan(s->tx, length, &status);
    must(!loan == (status != MPSC_OK), "a loan and its status contradict each other");
    if (!loan)
        return;
    must(is_lent(s->tx, loan, length), "a loan is not the segment's memory");
    memset(loan, 0x5a, length);
    s->loan = loan;
    s->length = length;
}

static void end_loan(struct world *world)
{
    struct sender *s = some_sender(world);
    size_t length = take_length(world);
    void *loan = s->loan;
    s->loan = NULL;
    if (length == 1) {
        (void)!mpsc_cancel_loan(s->tx, loan);
        return;
    }
    begin_waiting(world, s->tx, NULL);
    (void)!mpsc_send_loan(s->tx, loan, length < s->length ? length : s->length);
    end_waiting();
}

static void receive(struct world *world, mpsc_receiver *rx, void *buffer, size_t size)
{
    size_t length = 0;
    mpsc_status status;
    switch (choose(world, 8)) {
    case 0:
        begin_waiting(world, NULL, rx);
        status = mpsc_recv(rx, buffer, size, &length);
        end_waiting();
        break;
    case 1:
        status = mpsc_recv_timeout(rx, buffer, size, &length, MOMENT);
        break;
    case 2:
        status = mpsc_recv_timeout(rx, buffer, size, &length, LONGER_MOMENT);
        break;
    case 3:
        length = size;
        status = mpsc_recv_exact(rx, buffer, size, choose(world, 2) ? 0 : MOMENT);
        break;
    default:
        status = mpsc_try_recv(rx, buffer, size, &length);
    }
    must(status != MPSC_OK || length <= size, "a message is longer than its buffer");
}

static void receive_some(struct world *world)
{
    struct receiver *r = some_receiver(world);
    size_t size = take_length(world);
    uint8_t *buffer = malloc(size ? size : 1); /* of that size: more would be noticed */
    if (buffer)
        receive(world, r->rx, buffer, size);
    free(buffer);
}

static void peek_some(struct world *world)
{
    struct receiver *r = some_receiver(world);
    mpsc_status status;
    size_t length = 0;
    const uint8_t *peeked;
    switch (choose(world, 4)) {
    case 0:
        peeked = mpsc_peek_timeout(r->rx, &length, MOMENT, &status);
        break;
    case 1:
        length = take_length(world);
        peeked = mpsc_peek_exact(r->rx, length, 0, &status);
        break;
    default:
        peeked = mpsc_try_peek(r->rx, &length, &status);
    }
    must(!peeked == (status != MPSC_OK), "a peek and its status contradict each other");
    if (!peeked)
        return;
    must(is_lent(r->rx, peeked, length), "a message is not in the segment's memory");
    for (size_t i = 0; i < length; i += 64)
        (void)((const volatile uint8_t *)peeked)[i];
    r->peeked = peeked;
}

static void release(struct world *world)
{
    struct receiver *r = some_receiver(world);
    const void *peeked = r->peeked;
    r->peeked = NULL;
    (void)!mpsc_release(r->rx, peeked);
}

/* Descriptors, and several receivers at once. */
static void poll_some(struct world *world)
{
    mpsc_receiver *receivers[RECEIVERS];
    size_t count = 0, ready = RECEIVERS;
    int fd = -1;
    for (int i = 0; i < RECEIVERS; i++)
        if (world->receivers[i].rx)
            receivers[count++] = world->receivers[i].rx;
    switch (choose(world, 4)) {
    case 0:
        (void)!mpsc_receiver_fd(some_receiver(world)->rx, &fd);
        break;
    case 1:
        (void)!mpsc_sender_fd(some_sender(world)->tx, &fd);
        break;
    case 2:
        must(mpsc_select(receivers, count, 0, &ready) != MPSC_OK || ready < count, "a choice");
        break;
    default:
        must(mpsc_select(receivers, count, MOMENT, &ready) != MPSC_OK || ready < count, "a choice");
    }
}

/* Looks without taking part: as a program does, and as mpsc-inspect. */
static void look(struct world *world)
{
    mpsc_stats stats;
    char *operands[] = {name, NULL};
    struct arguments arguments = {.operands = operands, .count = UINT64_MAX, .bytes = 64};
    switch (choose(world, 4)) {
    case 0:
        arguments.json = true;
        (void)show_command(&arguments);
        break;
    case 1:
        (void)show_command(&arguments);
        break;
    case 2:
        (void)peek_command(&arguments);
        break;
    default:
        (void)!mpsc_stat(name, &stats);
    }
}

/* Another process takes part, as far as anybody can see: the lock of a slot's byte is held. It never
 * does anything, like one that was stopped. */
static void add_peer(struct world *world)
{
    off_t size;
    unsigned slot = choose(world, PEERS);
    if (world->peer >= 0)
        return;
    world->peer = open_file(&size);
    if (world->peer >= 0)
        (void)os_lock_try(world->peer, LOCK_PROCESS + slot);
}

/* The child has all handles, and uses them. */
static _Noreturn void be_child(struct world *world)
{
    size_t length;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < SENDERS; i++) {
        (void)!mpsc_try_send(world->senders[i].tx, message, 8);
        (void)!mpsc_send_timeout(world->senders[i].tx, message, 8, MOMENT);
    }
    for (int i = 0; i < RECEIVERS; i++) {
        (void)!mpsc_try_recv(world->receivers[i].rx, message, sizeof message, &length);
        mpsc_receiver_close(world->receivers[i].rx);
    }
    _exit(0);
}

static void fork_child(struct world *world)
{
    int status = 0;
    if (world->forked) /* once: it takes its time */
        return;
    world->forked = true;
    pid_t child = fork();
    if (child == 0)
        be_child(world);
    while (child > 0 && waitpid(child, &status, 0) < 0)
        must(errno == EINTR, "a child is gone");
    if (status != 0)
        dprintf(STDERR_FILENO, "segment: a child's status is %#x\n", (unsigned)status);
    must(status == 0, "a child failed");
}

/* ------------------------------------------------------------------ a run */

static void step(struct world *world)
{
    unsigned which = (unsigned)take(world, 1);
    if (which == 255) {
        fork_child(world);
        return;
    }
    if (which == 254) {
        poll_some(world);
        return;
    }
    switch (which % 27) {
    case 0:
        edit(world, edit_bytes);
        break;
    case 1:
        edit(world, edit_xor);
        break;
    case 2:
        edit(world, edit_word);
        break;
    case 3:
        edit(world, edit_add);
        break;
    case 4:
        edit(world, edit_copy);
        break;
    case 5:
        edit(world, edit_identity);
        break;
    case 6:
        edit(world, edit_size);
        break;
    case 7:
        edit(world, edit_hole);
        break;
    case 8:
    case 9:
        open_some(world);
        break;
    case 10:
        clone_sender(world);
        break;
    case 11:
        close_sender(some_sender(world));
        break;
    case 12:
        close_receiver(some_receiver(world));
        break;
    case 13:
    case 14:
        send_some(world);
        break;
    case 15:
    case 16:
        receive_some(world);
        break;
    case 17:
        loan_some(world);
        break;
    case 18:
        end_loan(world);
        break;
    case 19:
        peek_some(world);
        break;
    case 20:
        release(world);
        break;
    case 21:
        (void)!mpsc_flush(some_sender(world)->tx, MOMENT);
        break;
    case 22:
        (void)mpsc_len(some_receiver(world)->rx);
        (void)mpsc_capacity(some_receiver(world)->rx);
        look(world);
        break;
    case 23:
        add_peer(world);
        break;
    case 24:
        send_batch(world);
        break;
    case 25:
        receive_batch(world);
        break;
    default:
        (void)!mpsc_unlink(name);
    }
}

/* A sound channel with some messages in it, in use or left behind. */
static void begin(struct world *world)
{
    static const size_t sizes[] = {1, 8, 9, 64, 100, 4096, 5000, 16};
    static const size_t bounds[] = {1, 2, 3, 4, 7, 16, 100, 1000};
    unsigned kind = (unsigned)take(world, 1);
    bool at_rest = kind & 8;
    world->options = (mpsc_options)MPSC_OPTIONS_INIT;
    world->options.message_size = sizes[choose(world, 8)];
    world->options.bound = (kind & 3) == 0   ? 0
                           : (kind & 3) == 1 ? MPSC_UNBOUNDED
                                             : bounds[choose(world, 8)];
    world->options.durable = world->options.bound != 0 && (at_rest || (kind & 4));
    if (world->options.bound == MPSC_UNBOUNDED && (kind & 16))
        world->options.max_bytes = 20 * world->options.message_size;
    open_sender(world, &world->options);
    open_receiver(world, &world->options);
    for (unsigned i = choose(world, 32); i > 0; i--)
        for (int j = 0; j < SENDERS; j++)
            (void)!mpsc_try_send(world->senders[j].tx, message,
                                 i % 4 * world->options.message_size);
}

static void end(struct world *world)
{
    for (int i = 0; i < SENDERS; i++)
        close_sender(&world->senders[i]);
    for (int i = 0; i < RECEIVERS; i++)
        close_receiver(&world->receivers[i]);
    os_close(world->peer);
    unlink(path);
}

/* Nothing of it is mapped any more. Looked at now and then: it takes its time. */
static void must_be_unmapped(void)
{
    static unsigned runs;
    char line[512];
    if (++runs % 256)
        return;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        must(!strstr(line, "/dev/shm/"), "a mapping was left");
    if (maps)
        fclose(maps);
}

static int lowest_descriptor(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    close(fd);
    return fd;
}

/* Segments are large, and hardly used: what makes mapping and unmapping them faster. */
const char *__asan_default_options(void)
{
    return "clear_shadow_mmap_threshold=100000000:quarantine_size_mb=4";
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    snprintf(name, sizeof name, "mpsc-fuzz-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    struct sigaction action = {.sa_handler = on_timer};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    event._sigev_un._tid = gettid(); /* libFuzzer has threads of its own */
    sigaction(SIGRTMIN, &action, NULL);
    must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "no timer");
    /* What mpsc-inspect prints is of no interest here; the reports do not come by these. */
    stdout = stderr = fopen("/dev/null", "we");
    must(stdout, "no /dev/null");
    return 0;
}

/* Where a handler restarts calls, one that sleeps does not watch for deaths; libFuzzer's do. */
static void restart_nothing(void)
{
    static bool done;
    struct sigaction action;
    for (int number = 1; number < NSIG && !done; number++)
        if (sigaction(number, NULL, &action) == 0 && (action.sa_flags & SA_RESTART)) {
            action.sa_flags &= ~SA_RESTART;
            sigaction(number, &action, NULL);
        }
    done = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    restart_nothing();
    struct world world = {.at = data, .end = data + size, .peer = -1};
    int before = lowest_descriptor();
    begin(&world);
    if (size > 0 && data[0] & 8) {
        struct world left = world; /* at rest: its handles are closed, the file stays */
        memset(world.senders, 0, sizeof world.senders);
        memset(world.receivers, 0, sizeof world.receivers);
        for (int i = 0; i < SENDERS; i++)
            close_sender(&left.senders[i]);
        for (int i = 0; i < RECEIVERS; i++)
            close_receiver(&left.receivers[i]);
    }
    for (int i = 0; i < STEPS && world.at < world.end; i++)
        step(&world);
    end(&world);
    must(lowest_descriptor() == before, "a descriptor was left open");
    must_be_unmapped();
    return 0;
}
