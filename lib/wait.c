/* SPDX-License-Identifier: MIT */
#include "wait.h"
#include "os/cpu.h"
#include "os/os.h"
#include "os/trace.h"

/* About ten microseconds: a fifth of what a sleep and a wake-up cost; and a fraction of one. */
enum { SPINS = 400, SPINS_IF_SHARED = 6, YIELDS = 4 };

#define FIRST_SLEEP UINT64_C(500000)

uint64_t wait_deadline(uint64_t nanoseconds)
{
    if (nanoseconds == OS_FOREVER)
        return OS_FOREVER;
    uint64_t now = os_now();
    return nanoseconds < OS_FOREVER - now ? now + nanoseconds : OS_FOREVER;
}

uint64_t wait_left(uint64_t deadline)
{
    if (deadline == OS_FOREVER)
        return OS_FOREVER;
    uint64_t now = os_now();
    return now < deadline ? deadline - now : 0;
}

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/*
 * A handler that runs while one sleeps ends the sleep. So that one which comes before is seen as well,
 * signals are held up from the end of the spinning on, and are let through while one sleeps. (What
 * comes while one spins counts as having come before the call; so does what comes in the few
 * instructions between letting them through and falling asleep, or when the sleep has just ended for
 * another reason: a futex cannot tell.)
 */
static void hold_signals(struct wait *wait)
{
    if (!wait->held)
        os_signals_hold(&wait->before);
    wait->held = true;
}

static void release_signals(struct wait *wait)
{
    if (wait->held)
        os_signals_release(&wait->before);
    wait->held = false;
}

/* ---- before sleeping */

/*
 * A receiver learns from how its waits end, for it may wait for an answer:
 *
 * - Two that answer each other and both sleep meanwhile would do so for long, since each one's wake-up takes
 *   longer than the other one spins. So after a sleep that was brief one yields for as long as a wake-up
 *   takes before one sleeps again (PATIENCE); more and more seldom where that is in vain.
 * - Whoever answers from the same processor cannot while one spins there. If that was so several times in
 *   a row (SURE), one yields almost at once.
 *
 * Not senders that wait for room: each would only hold up the others. Nor the receiver of a rendezvous,
 * which makes its offer afterwards. (Measured: doc/decisions/0016.)
 */
#define PATIENCE UINT64_C(100000)
enum { SURE = 8 };
/* Somebody else had the processor during a yield that took so long; it was for more than an answer. */
#define LENT UINT64_C(1500)
#define CROWDED UINT64_C(20000)

static bool comes_in_spinning(struct wait *wait)
{
    const int spins = wait->habit->shared < SURE ? SPINS : SPINS_IF_SHARED;
    for (int i = 0; i < spins; i++) {
        if (wait->ready(wait->context)) {
            wait->habit->shared = 0;
            return true;
        }
        cpu_pause();
    }
    return false;
}

static void give_up_patience(struct wait_habit *habit)
{
    enum { MOST_FAILURES = 6 };
    habit->patient = false;
    habit->failures += habit->failures < MOST_FAILURES;
    habit->pass = 1u << habit->failures;
}

static bool comes_in_yielding(struct wait *wait)
{
    struct wait_habit *habit = wait->habit;
    uint64_t now = os_now(), took = 0;
    const uint64_t end = earlier(now + (habit->patient ? PATIENCE : 0), wait->deadline);
    for (int i = 0; i < YIELDS || (now < end && took < CROWDED); i++) {
        uint64_t before = now;
        os_yield();
        now = os_now();
        took = now - before;
        if (wait->ready(wait->context)) {
            habit->shared = took > LENT && wait->learns ? habit->shared + 1 : 0;
            habit->failures = 0;
            return true;
        }
    }
    if (habit->patient)
        give_up_patience(habit);
    return false;
}

static void learn_from_sleep(struct wait_habit *habit, uint64_t slept)
{
    if (slept >= 2 * PATIENCE)
        return;
    habit->pass -= habit->pass > 0;
    habit->patient = habit->pass == 0;
}

bool wait_spin(struct wait *wait)
{
    if (comes_in_spinning(wait))
        return true;
    hold_signals(wait);
    return comes_in_yielding(wait);
}

/* ---- asleep */

/* What is watched beside the condition. A first, short sleep watches nothing: it is what a sleep
 * between two messages costs. If nobody woke one from that, one watches, unless a handler would let the
 * wait go on and the call would not be interrupted. To ask that takes a system call for each signal, most
 * of what a blocked call costs, so it is asked at the first of these sleeps, and about each second again:
 * another thread may have set a handler. */
static void watch_deaths(struct wait *wait, struct condvar_watch *watch, unsigned *died)
{
    enum { ASKS_EACH = 8 };
    watch->count = 0;
    *died = 0;
    if (wait->sleeps == 0)
        return;
    if (wait->sleeps % ASKS_EACH == 1)
        wait->restarts = os_signals_restart();
    if (!wait->restarts)
        watch->count = wait->watch(wait->context, watch->futexes + 1, OS_FUTEX_MOST - 1, died);
}

/* A word tells of a death before the process' memory is gone, or of a thread's end alone. So one looks
 * again after 50 microseconds, and then each time after a quarter of what has passed. */
static uint64_t vigil_pause(struct wait_vigil *vigil, unsigned died)
{
    const uint64_t first = 50000;
    if (vigil->died != died)
        vigil->pause = first;
    else if (vigil->pause < WAIT_BOUND)
        vigil->pause += vigil->pause / 4;
    vigil->died = died;
    return earlier(vigil->pause, WAIT_BOUND);
}

static bool told(const struct condvar_watch *watch)
{
    for (unsigned i = 1; i <= watch->count; i++)
        if (atomic_load_explicit(watch->futexes[i].word, memory_order_relaxed) & OS_NEWS_DIED)
            return true;
    return false;
}

static enum condvar_result sleep_once(struct wait *wait, unsigned ticket,
                                      struct condvar_watch *watch, uint64_t deadline)
{
    if (os_signals_waiting(&wait->before))
        return CONDVAR_INTERRUPTED;
    release_signals(wait);
    enum condvar_result result = condvar_sleep(wait->condvar, ticket, watch, deadline);
    hold_signals(wait);
    return result;
}

/* For whoever traces. */
static inline bool is_sender(const struct wait *wait)
{
    return wait->condvar == &wait->header->room;
}

enum wait_result wait_sleep(struct wait *wait)
{
    hold_signals(wait);
    uint64_t now = os_now();
    if (now >= wait->deadline)
        return WAIT_TIMEOUT;
    unsigned ticket = condvar_prepare(wait->condvar);
    if (wait->ready_to_sleep(wait->context))
        return WAIT_AGAIN;
    uint64_t bound = wait->sleeps ? WAIT_BOUND : FIRST_SLEEP;
    struct condvar_watch watch;
    unsigned died;
    watch_deaths(wait, &watch, &died);
    if (died)
        bound = vigil_pause(wait->vigil, died);
    else if (wait->sleeps && !wait->restarts)
        wait->vigil->died = 0; /* the next one is news */
    if (!wait->since) {
        wait->since = now;
        trace_block(wait->header, is_sender(wait), now);
    }
    atomic_store_explicit(wait->blocked_since, wait->since, memory_order_relaxed);
    enum condvar_result result =
        sleep_once(wait, ticket, &watch, earlier(now + bound, wait->deadline));
    wait->sleeps = result == CONDVAR_TIMEOUT ? wait->sleeps + 1 : 0;
    if (result == CONDVAR_INTERRUPTED)
        return WAIT_INTERRUPTED;
    return died || told(&watch) ? WAIT_NEWS : WAIT_AGAIN;
}

void wait_end(struct wait *wait)
{
    release_signals(wait);
    if (!wait->since)
        return;
    atomic_store_explicit(wait->blocked_since, 0, memory_order_relaxed);
    if (wait->learns)
        learn_from_sleep(wait->habit, os_now() - wait->since);
    trace_wake(wait->header, is_sender(wait), wait->since);
}
