/* SPDX-License-Identifier: MIT */
/* 1.2 Each system call of each public call fails once, with every error that it may give, or is met by a
 * signal: that is a status, nothing is lost or left half-made, and a second try succeeds. */
#include "injector.h"
#include "possessions.h"
#include "together.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* ------------------------------------------------------------------ what can fail, and how */

enum { MOST_ERRORS = 6 };

struct failure {
    uint64_t number;
    int errors[MOST_ERRORS]; /* up to the first 0 */
};

static const struct failure failures[] = {
    {SYS_openat, {EMFILE, ENFILE, ENOMEM, EACCES, ENOSPC, EINTR}},
    {SYS_close, {EINTR, EIO}},
    {SYS_fchmod, {EPERM}},
    {SYS_ftruncate, {EINTR, ENOMEM}},
    {SYS_fallocate, {ENOSPC, EINTR, ENOMEM}},
    {SYS_pread64, {EINTR, EIO, ENOMEM}},
    {SYS_linkat, {ENOSPC, ENOMEM, EACCES}},
    {SYS_unlinkat, {EACCES, EPERM, ENOMEM}},
#ifdef SYS_unlink
    {SYS_unlink, {EACCES, EPERM, ENOMEM}},
    {SYS_lstat, {EACCES, ENOMEM}},
    {SYS_fork, {EAGAIN, ENOMEM}},
#endif
    {SYS_newfstatat, {EACCES, ENOMEM}},
    {SYS_fcntl, {ENOLCK, ENOMEM, EINTR}},
    {SYS_mmap, {ENOMEM}},
    {SYS_madvise, {ENOMEM, EAGAIN}},
    {SYS_epoll_create1, {EMFILE, ENFILE, ENOMEM}},
    {SYS_inotify_init1, {EMFILE, ENFILE, ENOMEM, ENOSYS}},
    {SYS_timerfd_create, {EMFILE, ENFILE, ENOMEM}},
    {SYS_epoll_ctl, {ENOMEM}},
    {SYS_inotify_add_watch, {ENOMEM, EACCES}},
    {SYS_ppoll, {EINTR}},
    {SYS_membarrier, {ENOSYS, EPERM, ENOMEM}},
    {SYS_futex, {EINTR, ETIMEDOUT}},
#ifdef SYS_futex_waitv
    {SYS_futex_waitv, {ENOSYS, EINTR, ETIMEDOUT, ENOMEM}},
#endif
    {SYS_clone, {EAGAIN, ENOMEM}},
#ifdef SYS_clone3
    {SYS_clone3, {EAGAIN, ENOMEM}},
#endif
    /* These do not fail: nothing is waited for, and they are our own. */
    {SYS_epoll_pwait, {0}},
    {SYS_inotify_rm_watch, {0}},
    {SYS_timerfd_settime, {0}},
    {SYS_read, {0}},
    /* Nor do these. (To unmap a whole mapping splits none, and an object of ours can always be
     * asked about.) */
    {SYS_munmap, {0}},
    {SYS_fstat, {0}},
    {SYS_getpid, {0}},
    {SYS_gettid, {0}},
    {SYS_geteuid, {0}},
    {SYS_clock_gettime, {0}},
#ifdef SYS_time
    {SYS_time, {0}},
#endif
    {SYS_tgkill, {0}},
    {SYS_prlimit64, {0}},
    {SYS_sched_yield, {0}},
    {SYS_rt_sigprocmask, {0}},
    {SYS_rt_sigpending, {0}},
    {SYS_rt_sigaction, {0}},
    {SYS_set_robust_list, {0}},
#ifdef SYS_rseq
    {SYS_rseq, {0}},
#endif
    {SYS_fstatfs, {EINTR, ENOMEM, ENOSYS}},
    /* The C library's allocator: see mmap. */
    {SYS_brk, {0}},
    {SYS_getrandom, {0}},
};

static const int *errors_of(const struct system_call *call)
{
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (failures[i].number == call->number)
            return failures[i].errors;
    fail_msg("what can system call %ju fail with?", (uintmax_t)call->number);
}

static bool may_fail(const struct system_call *call)
{
    int operation = (int)call->arguments[1] & FUTEX_CMD_MASK;
    switch (call->number) {
    case SYS_futex:
        return operation == FUTEX_WAIT_BITSET || operation == FUTEX_WAIT;
    case SYS_newfstatat:
        return !(call->arguments[3] & AT_EMPTY_PATH); /* or it is fstat */
    case SYS_fcntl:
        return call->arguments[1] != F_GETFL && call->arguments[1] != F_GETFD;
    case SYS_mmap: /* the sanitizer's own end the program */
        return !HARNESS_ADDRESS_SANITIZER || (int)call->arguments[4] != -1;
    default:
        return errors_of(call)[0] != 0;
    }
}

static mpsc_status status_of(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOLCK:
        return MPSC_LIMIT;
    case ENOMEM:
        return MPSC_NO_MEMORY;
    case ENOSPC:
        return MPSC_NO_SPACE;
    case EACCES:
    case EPERM:
        return MPSC_DENIED;
    default:
        return MPSC_OS;
    }
}

/* ------------------------------------------------------------------ the calls */

enum { BOUND = 4 };

struct scene {
    struct injector injector;
    const struct call *call;
    char name[64];     /* of a channel that a host has open */
    const char *fresh; /* of one that is not there to begin with */
    mpsc_sender *tx, *more;
    mpsc_receiver *rx;
    mpsc_sender *clones[64];
    int count; /* of messages that make it grow */
    pid_t child;
    int fork_error;
    int error; /* that was injected; when `known` */
    atomic_int known, handled, there, host_there, host_leaves;
    atomic_int said; /* a handler's own call, in the midst of fork's handlers in its child */
};

struct call {
    const char *name;
    void (*before)(struct scene *);
    mpsc_status (*run)(struct scene *);
    /* After the call has succeeded in the end: uses what there is, and closes it. */
    void (*after)(struct scene *);
    mpsc_status usual;
    enum {
        QUICK,
        WAITS,
        DROPS,
        GROWS,
        POLLS, /* may say INTERRUPTED, too */
        FORKS
    } kind; /* waits: may be interrupted; drops: ends for good */
    bool follow;
};

static void nothing_before(struct scene *s)
{
    (void)s;
}

static void close_all(struct scene *s)
{
    mpsc_sender_close(s->tx);
    mpsc_sender_close(s->more);
    mpsc_receiver_close(s->rx);
    s->tx = s->more = NULL;
    s->rx = NULL;
}

/* Both ends are sound. */
static void use_and_close(struct scene *s)
{
    for (int i = 0; i < 3 * BOUND; i++) {
        send_int(s->tx, i);
        expect_int(s->rx, i);
    }
    if (s->more) {
        send_int(s->more, 7);
        expect_int(s->rx, 7);
    }
    close_all(s);
}

/* The name leads to what was made under it, and goes with it. */
static void use_and_close_fresh(struct scene *s)
{
    if (!s->tx)
        s->tx = open_tx(s->fresh, sizeof(int), BOUND);
    if (!s->rx)
        s->rx = open_rx(s->fresh, sizeof(int), BOUND);
    assert_counts(s->fresh, 1 + (s->more != NULL), 1, 1);
    use_and_close(s);
    assert_false(name_exists(s->fresh));
}

static void open_fresh(struct scene *s)
{
    s->tx = open_tx(s->fresh, sizeof(int), BOUND);
    s->rx = open_rx(s->fresh, sizeof(int), BOUND);
}

/* ---- opening */

static mpsc_status run_private(struct scene *s)
{
    return mpsc_sync_channel(sizeof(int), BOUND, &s->tx, &s->rx);
}

static mpsc_status run_create_sender(struct scene *s)
{
    mpsc_options options = options_of(sizeof(int), BOUND);
    return mpsc_open_sender(s->fresh, &options, &s->tx);
}

static mpsc_status run_create_receiver(struct scene *s)
{
    mpsc_options options = options_of(sizeof(int), BOUND);
    return mpsc_open_receiver(s->fresh, &options, &s->rx);
}

static mpsc_status run_create_durable(struct scene *s)
{
    mpsc_options options = options_of(sizeof(int), BOUND);
    options.durable = options.exclusive = 1;
    return mpsc_open_sender(s->fresh, &options, &s->tx);
}

static void unlink_after(struct scene *s)
{
    s->rx = open_rx(s->fresh, sizeof(int), BOUND);
    use_and_close(s);
    assert_status(mpsc_unlink(s->fresh), MPSC_OK);
}

static void open_sender_before(struct scene *s)
{
    s->tx = open_tx(s->fresh, sizeof(int), BOUND);
}

/* A channel that is another process'. */
static mpsc_status run_attach_sender(struct scene *s)
{
    return mpsc_open_sender(s->name, NULL, &s->tx);
}

static mpsc_status run_attach_receiver(struct scene *s)
{
    return mpsc_open_receiver(s->name, NULL, &s->rx);
}

static void leave_host(struct scene *s)
{
    if (!s->tx)
        s->tx = open_tx(s->name, sizeof(int), BOUND);
    if (!s->rx)
        s->rx = open_rx(s->name, sizeof(int), BOUND);
    use_and_close(s);
    assert_counts(s->name, 1, 0, 1);
}

/* Of a process that was killed. */
static void orphan_before(struct scene *s)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        send_int(open_tx(s->fresh, sizeof(int), BOUND), 5);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(name_exists(s->fresh));
}

/* ---- cloning, closing, names, statistics */

static mpsc_status run_clone(struct scene *s)
{
    return mpsc_sender_clone(s->tx, &s->more);
}

/* As many as fill a page of the table. */
static void clones_before(struct scene *s)
{
    open_fresh(s);
    uint64_t memory = stats_of(s->fresh).memory;
    int count = 0;
    while (count < 62)
        s->clones[count++] = clone_of(s->tx);
    assert_int_equal(stats_of(s->fresh).memory, memory);
}

static void use_and_close_clones(struct scene *s)
{
    for (int i = 0; i < 62; i++)
        mpsc_sender_close(s->clones[i]);
    use_and_close_fresh(s);
}

static mpsc_status run_close(struct scene *s)
{
    close_all(s);
    return MPSC_OK;
}

/* What is left of a name means no channel: the next open starts afresh. */
static void open_afresh_after(struct scene *s)
{
    open_fresh(s);
    int value;
    assert_status(mpsc_try_recv(s->rx, &value, sizeof value, NULL), MPSC_EMPTY);
    use_and_close_fresh(s);
}

static void message_before(struct scene *s)
{
    open_fresh(s);
    send_int(s->tx, 5);
}

static mpsc_status run_unlink(struct scene *s)
{
    return mpsc_unlink(s->fresh);
}

static void unlinked_after(struct scene *s)
{
    assert_false(name_exists(s->fresh));
    use_and_close(s);
}

static void durable_before(struct scene *s)
{
    assert_status(run_create_durable(s), MPSC_OK);
    s->rx = open_rx(s->fresh, sizeof(int), BOUND);
}

/* From now on the scoped rules hold. */
static void scoped_after(struct scene *s)
{
    assert_false(name_exists(s->fresh));
    send_int(s->tx, 1);
    expect_int(s->rx, 1);
    mpsc_sender_close(s->tx);
    s->tx = NULL;
    expect_end(s->rx);
    close_all(s);
}

static mpsc_status run_stat(struct scene *s)
{
    mpsc_stats stats;
    memset(&stats, 0xaa, sizeof stats);
    mpsc_status status = mpsc_stat(s->name, &stats);
    if (status != MPSC_OK)
        assert_int_equal(stats.bound, UINT64_C(0xaaaaaaaaaaaaaaaa)); /* untouched */
    else
        assert_int_equal(stats.bound, BOUND);
    return status;
}

/* ---- waiting */

#define A_WHILE (50 * MILLISECONDS)

static void attached_before(struct scene *s)
{
    s->rx = open_rx(s->name, sizeof(int), BOUND);
}

/* The host, who sends, does not. */
static mpsc_status run_recv(struct scene *s)
{
    int value = 3;
    mpsc_status status = mpsc_recv_timeout(s->rx, &value, sizeof value, NULL, A_WHILE);
    assert_int_equal(value, 3);
    return status;
}

static void full_before(struct scene *s)
{
    open_fresh(s);
    for (int i = 0; i < BOUND; i++)
        send_int(s->tx, i);
}

static mpsc_status run_send(struct scene *s)
{
    return mpsc_send_timeout(s->tx, &(int){9}, sizeof(int), A_WHILE);
}

static mpsc_status run_flush(struct scene *s)
{
    return mpsc_flush(s->tx, A_WHILE);
}

static void drained_after(struct scene *s)
{
    for (int i = 0; i < BOUND; i++)
        expect_int(s->rx, i);
    use_and_close_fresh(s);
}

/* The other side was killed: whoever fails to ask asks again. */
static void bereaved_before(struct scene *s, bool sender)
{
    int status;
    atomic_store(&s->there, 0);
    pid_t child = fork();
    if (child == 0) {
        if (sender)
            (void)open_tx(s->fresh, sizeof(int), BOUND);
        else
            (void)open_rx(s->fresh, sizeof(int), BOUND);
        atomic_store(&s->there, 1);
        pause();
    }
    wait_for(&s->there);
    if (sender)
        s->rx = open_rx(s->fresh, sizeof(int), BOUND);
    else
        s->tx = open_tx(s->fresh, sizeof(int), BOUND);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void no_sender_before(struct scene *s)
{
    bereaved_before(s, true);
}

static void no_receiver_before(struct scene *s)
{
    bereaved_before(s, false);
    for (int i = 0; i < BOUND; i++)
        (void)!mpsc_try_send(s->tx, &i, sizeof i);
}

static mpsc_status run_recv_for_ever(struct scene *s)
{
    int value;
    return mpsc_recv(s->rx, &value, sizeof value, NULL);
}

static mpsc_status run_send_for_ever(struct scene *s)
{
    return mpsc_send(s->tx, &(int){9}, sizeof(int));
}

static void close_after(struct scene *s)
{
    close_all(s);
    assert_false(name_exists(s->fresh));
}

/* ---- growing; the ring that follows is mapped by whoever comes to it */

/* How many messages make a new channel grow. */
static int fill_until_it_grows(struct scene *s)
{
    uint64_t memory = stats_of(s->fresh).memory;
    int count = 0;
    while (stats_of(s->fresh).memory == memory)
        send_int(s->tx, count++);
    return count;
}

static void open_unbounded(struct scene *s)
{
    s->tx = open_tx(s->fresh, sizeof(int), MPSC_UNBOUNDED);
    s->rx = open_rx(s->fresh, sizeof(int), MPSC_UNBOUNDED);
}

/* A channel that is full but for the next one; another, before, says when that is. */
static void about_to_grow(struct scene *s)
{
    open_unbounded(s);
    s->count = fill_until_it_grows(s) - 1;
    close_all(s);
    open_unbounded(s);
    for (int i = 0; i < s->count; i++)
        send_int(s->tx, i);
}

static mpsc_status run_grow(struct scene *s)
{
    return mpsc_try_send(s->tx, &s->count, sizeof(int));
}

/* Another process made it grow, and all but the last message is taken. */
static void about_to_follow(struct scene *s)
{
    int status;
    open_unbounded(s);
    pid_t child = fork();
    if (child == 0) {
        s->count = fill_until_it_grows(s) - 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    for (int i = 0; i < s->count; i++)
        expect_int(s->rx, i);
    wait_counts(s->fresh, 1, 1, 1);
}

static mpsc_status run_follow(struct scene *s)
{
    int value = -1;
    mpsc_status status = mpsc_try_recv(s->rx, &value, sizeof value, NULL);
    assert_int_equal(value, status == MPSC_OK ? s->count : -1);
    return status;
}

static mpsc_status run_follow_to_send(struct scene *s)
{
    return mpsc_try_send(s->tx, &(int){-7}, sizeof(int));
}

/* It is empty, and grows again. */
static void grow_again(struct scene *s)
{
    int count = s->count + 3;
    for (int i = 0; i < count; i++)
        send_int(s->tx, i);
    for (int i = 0; i < count; i++)
        expect_int(s->rx, i);
    close_all(s);
    assert_false(name_exists(s->fresh));
}

static void grown_after(struct scene *s)
{
    for (int i = 0; i <= s->count; i++)
        expect_int(s->rx, i);
    grow_again(s);
}

static void followed_after(struct scene *s)
{
    expect_int(s->rx, s->count);
    expect_int(s->rx, -7);
    grow_again(s);
}

/* ---- descriptors, and several at once */

static mpsc_status run_receiver_fd(struct scene *s)
{
    int fd;
    return mpsc_receiver_fd(s->rx, &fd);
}

static mpsc_status run_sender_fd(struct scene *s)
{
    int fd;
    return mpsc_sender_fd(s->tx, &fd);
}

static mpsc_status run_select(struct scene *s)
{
    size_t ready = 7;
    mpsc_status status = mpsc_select(&s->rx, 1, A_WHILE, &ready);
    assert_int_equal(ready, 7);
    return status;
}

static void slept_before(struct scene *s)
{
    open_fresh(s);
    assert_status(run_select(s), MPSC_TIMEOUT);
}

static bool is_readable(int fd)
{
    struct pollfd pollable = {.fd = fd, .events = POLLIN};
    return poll(&pollable, 1, 0) == 1;
}

/* It is readable when it should be, whatever failed in making it. */
static void polled_after(struct scene *s)
{
    int fd, value;
    assert_status(mpsc_receiver_fd(s->rx, &fd), MPSC_OK);
    assert_status(mpsc_try_recv(s->rx, &value, sizeof value, NULL), MPSC_EMPTY);
    send_int(s->tx, 1);
    assert_true(is_readable(fd));
    expect_int(s->rx, 1);
    use_and_close_fresh(s);
}

static void listening_before(struct scene *s)
{
    int fd;
    open_fresh(s);
    assert_status(mpsc_receiver_fd(s->rx, &fd), MPSC_OK);
}

static mpsc_status run_ringing_send(struct scene *s)
{
    return mpsc_try_send(s->tx, &(int){1}, sizeof(int));
}

/* A bell that could not be rung is the next sender's to ring. */
static void rung_after(struct scene *s)
{
    int fd;
    assert_status(mpsc_receiver_fd(s->rx, &fd), MPSC_OK);
    send_int(s->tx, 2);
    assert_true(is_readable(fd));
    expect_int(s->rx, 1);
    expect_int(s->rx, 2);
    use_and_close_fresh(s);
}

/* ---- fork */

/* The status of the child's own send is its exit status. */
static mpsc_status run_fork(struct scene *s)
{
    pid_t child = fork();
    if (child == 0) {
        injector_end(&s->injector, true);
        mpsc_status status = mpsc_try_send(s->tx, &(int){6}, sizeof(int));
        mpsc_sender *clone = NULL;
        if (status == MPSC_OK)
            assert_status(mpsc_sender_clone(s->tx, &clone), MPSC_OK);
        mpsc_sender_close(clone);
        mpsc_sender_close(s->tx);
        mpsc_receiver_close(s->rx);
        _exit(status);
    }
    s->child = child;
    s->fork_error = errno;
    return child < 0 ? MPSC_OS : MPSC_OK;
}

static void child_joined_after(struct scene *s)
{
    int ended;
    assert_int_equal(waitpid(s->child, &ended, 0), s->child);
    assert_true(WIFEXITED(ended));
    mpsc_status status = WEXITSTATUS(ended);
    if (status == MPSC_OK)
        expect_int(s->rx, 6);
    else if (status != status_of(s->error))
        fail_msg("after error %d the child's handle said %s", s->error, mpsc_strstatus(status));
    /* Till they have run the handle is its parent's. */
    if (s->call->follow && s->error == INJECT_SIGNAL)
        assert_status(atomic_load(&s->said), MPSC_DENIED);
    wait_counts(s->fresh, 1, 1, 1);
    use_and_close_fresh(s);
}

static const struct call calls[] = {
    {"mpsc_sync_channel", nothing_before, run_private, use_and_close, MPSC_OK, QUICK, false},
    {"mpsc_open_sender, new", nothing_before, run_create_sender, use_and_close_fresh, MPSC_OK,
     QUICK, false},
    {"mpsc_open_receiver, new", nothing_before, run_create_receiver, use_and_close_fresh, MPSC_OK,
     QUICK, false},
    {"mpsc_open_sender, durable", nothing_before, run_create_durable, unlink_after, MPSC_OK, QUICK,
     false},
    {"mpsc_open_receiver, again", open_sender_before, run_create_receiver, use_and_close_fresh,
     MPSC_OK, QUICK, false},
    {"mpsc_open_sender, another's", nothing_before, run_attach_sender, leave_host, MPSC_OK, QUICK,
     false},
    {"mpsc_open_receiver, another's", nothing_before, run_attach_receiver, leave_host, MPSC_OK,
     QUICK, false},
    {"mpsc_open_sender, orphan", orphan_before, run_create_sender, use_and_close_fresh, MPSC_OK,
     QUICK, false},
    {"mpsc_sender_clone, a page full", clones_before, run_clone, use_and_close_clones, MPSC_OK,
     QUICK, false},
    {"both closes", message_before, run_close, open_afresh_after, MPSC_OK, DROPS, false},
    {"mpsc_unlink", open_fresh, run_unlink, unlinked_after, MPSC_OK, QUICK, false},
    {"mpsc_unlink, durable", durable_before, run_unlink, scoped_after, MPSC_OK, QUICK, false},
    {"mpsc_stat", nothing_before, run_stat, nothing_before, MPSC_OK, QUICK, false},
    {"mpsc_try_send, grows", about_to_grow, run_grow, grown_after, MPSC_OK, GROWS, false},
    {"mpsc_try_send, has grown", about_to_follow, run_follow_to_send, followed_after, MPSC_OK,
     GROWS, false},
    {"mpsc_try_recv, has grown", about_to_follow, run_follow, grow_again, MPSC_OK, GROWS, false},
    {"mpsc_recv_timeout", attached_before, run_recv, leave_host, MPSC_TIMEOUT, WAITS, false},
    {"mpsc_send_timeout", full_before, run_send, drained_after, MPSC_TIMEOUT, WAITS, false},
    {"mpsc_flush", full_before, run_flush, drained_after, MPSC_TIMEOUT, WAITS, false},
    {"mpsc_recv, bereaved", no_sender_before, run_recv_for_ever, close_after, MPSC_DISCONNECTED,
     WAITS, false},
    {"mpsc_send, bereaved", no_receiver_before, run_send_for_ever, close_after, MPSC_DISCONNECTED,
     WAITS, false},
    {"mpsc_receiver_fd", open_fresh, run_receiver_fd, polled_after, MPSC_OK, POLLS, false},
    {"mpsc_sender_fd", open_fresh, run_sender_fd, use_and_close_fresh, MPSC_OK, POLLS, false},
    {"mpsc_select", open_fresh, run_select, use_and_close_fresh, MPSC_TIMEOUT, POLLS, false},
    {"mpsc_select, again", slept_before, run_select, use_and_close_fresh, MPSC_TIMEOUT, POLLS,
     false},
    {"mpsc_try_send, rings", listening_before, run_ringing_send, rung_after, MPSC_OK, POLLS, false},
    {"fork", open_fresh, run_fork, child_joined_after, MPSC_OK, FORKS, false},
    {"fork, its child", open_fresh, run_fork, child_joined_after, MPSC_OK, FORKS, true},
};

enum { CALLS = sizeof calls / sizeof *calls };

/* ------------------------------------------------------------------ one call, one failure */

static struct scene *handled;

static void counts(int number)
{
    (void)number;
    if (handled->call->follow)
        atomic_store(&handled->said, mpsc_try_send(handled->tx, &(int){8}, sizeof(int)));
    atomic_fetch_add(&handled->handled, 1);
}

static bool may_say(const struct scene *s, mpsc_status status)
{
    if (status == s->call->usual)
        return true;
    switch (s->call->kind) {
    case WAITS:
        return status == MPSC_INTERRUPTED && (s->error == EINTR || s->error == INJECT_SIGNAL);
    case FORKS:
        return s->fork_error == s->error;
    case POLLS:
        if (status == MPSC_INTERRUPTED)
            return s->error == EINTR || s->error == INJECT_SIGNAL;
        return s->error > 0 && status == status_of(s->error);
    default:
        return s->error > 0 && s->error != EINTR && status == status_of(s->error);
    }
}

/* It sleeps on that again. */
static bool keeps_descriptors(const struct scene *s, mpsc_status status)
{
    return s->call->run == run_select && status == MPSC_INTERRUPTED;
}

/* Nothing more than before, and perhaps an orphan less, or the descriptors that it slept on. */
static void assert_nothing_made(struct possessions before)
{
    struct possessions now = possessions_now();
    if (now.names < before.names)
        before.names = now.names;
    if (now.descriptors < before.descriptors)
        before.descriptors = now.descriptors;
    assert_possessions(before);
}

static int makes_the_call(void *argument)
{
    struct scene *s = argument;
    struct possessions at_first = possessions_now();
    struct sigaction action = {.sa_handler = counts};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    handled = s;
    s->tx = s->more = NULL;
    s->rx = NULL;
    s->call->before(s);
    struct possessions before = possessions_now();
    injector_begin(&s->injector);
    mpsc_status status = s->call->run(s);
    injector_end(&s->injector, false);
    wait_for(&s->known); /* the test knows what has failed */
    if (!may_say(s, status))
        fail_msg("%s said %s", s->call->name, mpsc_strstatus(status));
    if (status != s->call->usual) {
        if (!keeps_descriptors(s, status))
            assert_nothing_made(before);
        assert_status(s->call->run(s), s->call->usual);
    }
    s->call->after(s);
    assert_possessions(at_first);
    return 0;
}

/* False: it makes no such system call. */
static bool let_happen(struct scene *s, unsigned long number, int event, struct system_call *call)
{
    worker w;
    atomic_store(&s->known, 0);
    atomic_store(&s->handled, 0);
    s->fresh = channel_name();
    s->injector.follow = s->call->follow;
    bool happened =
        injector_run(&s->injector, makes_the_call, s, may_fail, number, event, call, &w);
    s->error = happened ? event : INJECT_NOTHING;
    atomic_store(&s->known, 1);
    if (worker_join(w) != 0)
        fail_msg("%s: event %d at its system call %lu, which is number %ju", s->call->name,
                 s->error, number, (uintmax_t)call->number);
    if (s->error == INJECT_SIGNAL)
        assert_int_equal(atomic_load(&s->handled), 1);
    return happened;
}

/* Everything that may happen to its system calls, or to each third of them where there is less time;
 * true: there are some. */
static bool fail_everywhere(struct scene *s)
{
    struct system_call call = {0};
    unsigned long step = swept(100) < 50 ? 3 : 1, number = 0;
    for (; let_happen(s, number, INJECT_SIGNAL, &call); number += step) {
        const int *errors = errors_of(&call);
        for (int i = 0; i < MOST_ERRORS && errors[i]; i++)
            let_happen(s, number, errors[i], &call);
    }
    return number > 0;
}

static int hosts(void *argument)
{
    struct scene *s = argument;
    mpsc_sender *tx = open_tx(s->name, sizeof(int), BOUND);
    atomic_store(&s->host_there, 1);
    while (!atomic_load(&s->host_leaves))
        usleep(1000);
    mpsc_sender_close(tx);
    return 0;
}

static void fail_all(int kind)
{
    struct scene *s = shared_memory(sizeof *s);
    harness_timeout(120);
    snprintf(s->name, sizeof s->name, "%s", channel_name()); /* there will be many names */
    worker host = worker_start(PROCESSES, hosts, s);
    wait_for(&s->host_there);
    for (int i = 0; i < CALLS; i++) {
        if ((int)calls[i].kind != kind)
            continue;
        s->call = &calls[i];
        if (!fail_everywhere(s))
            fail_msg("%s makes no system call", calls[i].name);
    }
    atomic_store(&s->host_leaves, 1);
    assert_int_equal(worker_join(host), 0);
}

static void calls_that_open(void)
{
    fail_all(QUICK);
}

static void calls_that_close(void)
{
    fail_all(DROPS);
}

static void calls_that_wait(void)
{
    fail_all(WAITS);
}

static void calls_on_what_grows(void)
{
    fail_all(GROWS);
}

static void calls_that_poll(void)
{
    fail_all(POLLS);
}

static void calls_of_fork(void)
{
    fail_all(FORKS);
}

/* ------------------------------------------------------------------ a descriptor that is another's by now */

/* The ring's memory is there, and before it is mapped another thread closes the library's descriptor and
 * opens a file of its own. */
struct theft {
    struct scene scene;
    struct system_call call; /* that got the memory */
    atomic_int made, stolen;
};

static bool gets_memory(const struct system_call *call)
{
    return call->number == SYS_fallocate;
}

static int reuses_the_number(void *argument)
{
    struct theft *theft = argument;
    wait_for(&theft->made);
    int own = memfd_create("own", MFD_CLOEXEC);
    assert_true(own >= 0);
    assert_int_equal(pwrite(own, "x", 1, (off_t)theft->call.arguments[2]), 1);
    assert_true(dup2(own, (int)theft->call.arguments[0]) >= 0);
    close(own);
    atomic_store(&theft->stolen, 1);
    return 0;
}

static int grows_beside_a_thief(void *argument)
{
    struct theft *theft = argument;
    struct scene *s = &theft->scene;
    about_to_grow(s);
    worker thief = worker_start(THREADS, reuses_the_number, theft);
    injector_begin(&s->injector);
    mpsc_status status = run_grow(s);
    injector_end(&s->injector, false);
    assert_int_equal(worker_join(thief), 0);
    assert_int_not_equal(status, MPSC_OK);
    char byte = 0;
    assert_int_equal(
        pread((int)theft->call.arguments[0], &byte, 1, (off_t)theft->call.arguments[2]), 1);
    assert_int_equal(byte, 'x');
    close_all(s);
    return 0;
}

static void nothing_is_freed_in_anothers_file(void)
{
    struct theft *theft = shared_memory(sizeof *theft);
    theft->scene.fresh = channel_name();
    worker w = injector_start(&theft->scene.injector, grows_beside_a_thief, theft);
    pid_t pid = worker_pid(w);
    /* The first one makes the file larger. */
    assert_true(injector_go(&theft->scene.injector, gets_memory, 1, &pid, &theft->call));
    assert_false(injector_next(pid)); /* it is done */
    atomic_store(&theft->made, 1);
    wait_for(&theft->stolen);
    assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    assert_int_equal(worker_join(w), 0);
}

/* ------------------------------------------------------------------ much memory under a timer */

static bool gets_much_at_once(const struct system_call *call)
{
    return call->number == SYS_fallocate && call->arguments[3] > (8U << 20);
}

static int opens_a_large_one(void *argument)
{
    struct scene *s = argument;
    injector_begin(&s->injector);
    assert_status(mpsc_sync_channel(1 << 20, 12, &s->tx, &s->rx), MPSC_OK);
    injector_end(&s->injector, false);
    close_all(s);
    return 0;
}

/* What a signal undid is not begun anew as a whole: it must be over before the next one comes. */
static void memory_is_had_in_pieces(void)
{
    struct scene *s = shared_memory(sizeof *s);
    struct system_call call = {0};
    worker w = injector_start(&s->injector, opens_a_large_one, s);
    pid_t pid = worker_pid(w);
    assert_true(injector_go(&s->injector, gets_much_at_once, 0, &pid, &call));
    injector_fail(pid, &call, EINTR);
    assert_false(injector_go(&s->injector, gets_much_at_once, 0, &pid, &call));
    assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    assert_int_equal(worker_join(w), 0);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(calls_that_open),
        TEST(calls_that_close),
        TEST(calls_that_wait),
        TEST(calls_on_what_grows),
        TEST(calls_that_poll),
        TEST(calls_of_fork),
        TEST(nothing_is_freed_in_anothers_file),
        TEST(memory_is_had_in_pieces),
    };
    return harness_main("faults", tests, sizeof tests / sizeof *tests);
}
