/* SPDX-License-Identifier: MIT */
/* See storm.h. */
#include "storm.h"

#include "handle.h"
#include "view.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

bool storm_stats(const struct supervisor *s, mpsc_stats *now)
{
    const struct handle *handle = (const struct handle *)s->tx;
    if (!handle)
        return mpsc_stat(s->name, now) == MPSC_OK;
    struct view view = {*handle->segment};
    view_stats(&view, now);
    return true;
}

/* ------------------------------------------------------------------ the report of a hang */

static const char *call_at(const struct supervisor *s, unsigned i)
{
    return atomic_load(&s->ledger->posts[i].doing);
}

static void report_worker(const struct supervisor *s, unsigned i)
{
    const struct post *post = &s->ledger->posts[i];
    const struct life *life = &s->ledger->life[s->lives[i]];
    fprintf(stderr, "  %s %u: process %d, %ju moved, in call %s",
            i < PRODUCERS ? "producer" : "receiver", i, (int)s->pids[i],
            (uintmax_t)atomic_load(&post->moved), call_at(s, i));
    if (i < PRODUCERS)
        fprintf(stderr, "; life %u: about %ju, sent %ju, got %ju", s->lives[i],
                (uintmax_t)atomic_load(&life->about), (uintmax_t)atomic_load(&life->sent),
                (uintmax_t)atomic_load(&life->got));
    if (s->pids[i] && sleeping(s->pids[i], s->pids[i]))
        fprintf(stderr, "; asleep");
    fputc('\n', stderr);
}

_Noreturn void crew_hangs(const struct supervisor *s, const char *what)
{
    mpsc_stats now;
    fprintf(stderr, "%s: %s; seed %ju\n", s->kind->name, what, (uintmax_t)s->seed);
    if (storm_stats(s, &now))
        fprintf(stderr,
                "  queued %ju, received %ju, holes %ju, repairs %ju, takeovers %ju, senders %u, "
                "receivers %u, processes %u, the receiver is %u\n",
                (uintmax_t)now.queued, (uintmax_t)now.received, (uintmax_t)now.holes,
                (uintmax_t)now.repairs, (uintmax_t)now.takeovers, now.senders, now.receivers,
                now.processes, now.receiver_pid);
    for (unsigned i = 0; i < WORKERS; i++)
        report_worker(s, i);
    const char *look = getenv("MPSC_TEST_ON_HANG");
    for (unsigned i = 0; look && i < WORKERS; i++) {
        char command[512];
        snprintf(command, sizeof command, "%s %d >&2", look, (int)s->pids[i]);
        if (s->pids[i] && system(command) != 0)
            fprintf(stderr, "  (%s failed)\n", command);
    }
    fail_msg("%s: no progress: %s", s->kind->name, what);
}

/* ------------------------------------------------------------------ starting and ending workers */

static uint64_t seed_of(struct supervisor *s)
{
    return chance(&s->state) | 1;
}

static void start(struct supervisor *s, unsigned i)
{
    uint32_t life = i < PRODUCERS ? atomic_fetch_add(&s->ledger->lives, 1) : 0;
    struct worker_given given = {s->ledger, s->name, s->tx, s->rx, i, life, seed_of(s)};
    assert_in_range(life, 0, LIVES - 1);
    atomic_store(&s->ledger->posts[i].doing, "start");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(i < PRODUCERS ? storm_produce(&given) : storm_receive(&given));
    if (pid < 0)
        fail_msg("fork: %s", strerror(errno));
    s->pids[i] = pid;
    s->lives[i] = life;
}

static void ended(struct supervisor *s, unsigned i, int status)
{
    s->pids[i] = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        s->figures->left++;
    else if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s: worker %u ended with status %#x in call %s; seed %ju", s->kind->name, i,
                 (unsigned)status, call_at(s, i), (uintmax_t)s->seed);
    else if (i < PRODUCERS)
        s->figures->producers_killed++;
    else
        s->figures->receivers_killed++;
}

/* Those that have left by themselves; others take their places. */
void crew_tend(struct supervisor *s)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        int status;
        if (s->pids[i] && waitpid(s->pids[i], &status, WNOHANG) == s->pids[i])
            ended(s, i, status);
        bool needed = !atomic_load(i < PRODUCERS ? &s->ledger->stop : &s->ledger->over);
        if (!s->pids[i] && needed)
            start(s, i);
    }
}

/* All at once, and then all are waited for. */
void crew_kill(struct supervisor *s, unsigned set)
{
    unsigned first = (unsigned)(chance(&s->state) % WORKERS);
    for (unsigned n = 0; n < WORKERS; n++) {
        unsigned i = (first + n) % WORKERS;
        if (set & 1u << i && s->pids[i])
            assert_int_equal(kill(s->pids[i], SIGKILL), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        int status;
        if (!(set & 1u << i) || !s->pids[i])
            continue;
        if (waitpid(s->pids[i], &status, 0) != s->pids[i])
            fail_msg("waitpid: %s", strerror(errno));
        ended(s, i, status);
    }
}

/* ------------------------------------------------------------------ progress */

struct progress {
    uint64_t posts[WORKERS];
};

static uint64_t moved_at(const struct supervisor *s, unsigned i)
{
    return atomic_load(&s->ledger->posts[i].moved);
}

/* Each producer has sent, and somebody received. */
static bool all_moved(const struct supervisor *s, const struct progress *since)
{
    bool received = false;
    for (unsigned i = 0; i < WORKERS; i++) {
        bool moved = moved_at(s, i) != since->posts[i];
        if (i < PRODUCERS && !moved)
            return false;
        received = received || (i >= PRODUCERS && moved);
    }
    return received;
}

void crew_wait_progress(struct supervisor *s)
{
    struct progress since;
    uint64_t deadline = after_seconds(PATIENCE);
    for (unsigned i = 0; i < WORKERS; i++)
        since.posts[i] = moved_at(s, i);
    while (!all_moved(s, &since)) {
        if (now_ns() > deadline)
            crew_hangs(s, "somebody does not move");
        storm_nap(100000);
        crew_tend(s);
    }
}

void crew_wait_ended(struct supervisor *s, unsigned first, unsigned count)
{
    uint64_t deadline = after_seconds(PATIENCE);
    for (unsigned i = first; i < first + count;) {
        if (now_ns() > deadline)
            crew_hangs(s, "a worker that should leave does not");
        crew_tend(s);
        if (s->pids[i])
            storm_nap(100000);
        else
            i++;
    }
}
