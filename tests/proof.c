/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL at any instruction of any call: see proof.h. It sweeps over the points of each call, one
 * fresh run for each.
 *
 * By default it tries about POINTS of each call, at a stride, with another offset each time; where
 * MPSC_TEST_SCALE asks for less, and MPSC_TEST_THOROUGH not for all, of a part of the calls, another one each
 * time. MPSC_PROOF_OFFSET and MPSC_PROOF_STRIDE repeat a run. The spinning before a sleep is the same
 * instructions over and over, so that of each instruction in it the first visits are points, and the others
 * are passed by.
 *
 * A victim runs to its point at full speed. Where it does not come there so (without the steps it takes less
 * time, and perhaps another way), it dies elsewhere, and another one goes there step by step; by default only
 * the first RETRACED times, since that takes the longest, and each time when a run is repeated. Of two victims the second always goes by steps: with
 * the first one dead it may go ways that it was not measured on.
 *
 * MPSC_PROOF=exhaustive covers every instruction. One that is no system call and after which the victim is
 * for others as it was before (witness.h) is the same point as the one before it: what a dead process had in
 * its own memory goes with it. All others are tried.
 */
#include "proof.h"
#include "witness.h"

#include "os/os.h"
#include "wait.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum {
    POINTS = 5,
    PAIRS = 5,
    PAIRS_EXHAUSTIVE = 600,
    RETRACED = 1,
    VISITS = 4,
    MOST_EVENTS = 200000,
    MOST_FAILURES = 3,
    SECONDS_PER_POINT = 10,
    TIMES_LATE = 3
};

/* ------------------------------------------------------------------ progress */

/* Outlives the sweep that dies at a point. */
static struct progress {
    unsigned long point, tried, passed_by, failures;
    unsigned long totals[2], points[2]; /* of two victims */
    uintptr_t address[2];
    uint64_t took, slowest; /* nanoseconds of a survivors' check: the last one, the longest */
    const char *stage;
    unsigned long stepped;   /* first victims that went step by step */
    unsigned long elsewhere; /* that did not come to their point at full speed */
    struct event {           /* of the first one, when nothing kills it */
        uintptr_t address;   /* 0: asleep */
        unsigned visit;      /* of that address */
        bool pass;           /* a point to pass by */
    } event[MOST_EVENTS];
} *progress = &(struct progress){0};

void stage(const char *text)
{
    progress->stage = text;
}

static bool exhaustive(void)
{
    const char *text = getenv("MPSC_PROOF");
    return text && strcmp(text, "exhaustive") == 0;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

static unsigned long offset_of_run(void)
{
    static unsigned long offset;
    if (offset == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        offset = setting("MPSC_PROOF_OFFSET", (unsigned long)now.tv_nsec / 1000 % 100000 + 1);
    }
    return offset;
}

/* ------------------------------------------------------------------ one run */

static void victim_live(void *argument)
{
    struct victim *v = argument;
    setpgid(0, 0);
    v->scenario->prepare(v);
    if (v->scenario->flight)
        message_fill(v->message, victim_message(v->number, 99, v->scenario->flight));
    stepper_ready();
    stepper_begin(v->phase);
    v->scenario->call(v);
    stepper_end(v->phase);
}

static void survivors_open(struct run *run)
{
    unsigned traits = run->scenario->traits;
    mpsc_options options = proof_options(run->bound, traits & DURABLE);
    helper_channel(run->helper, run->bound, traits & DURABLE);
    if (traits & ALONE)
        return;
    if (!(traits & (RECEIVES | LISTENS)))
        assert_status(mpsc_open_receiver(run->name, &options, &run->rx), MPSC_OK);
    assert_status(mpsc_open_sender(run->name, &options, &run->tx), MPSC_OK);
    if (traits & LISTENS)
        assert_status(helper_do(run->helper, OPEN_RX, run->name, 0), MPSC_OK);
    else if (!(traits & SOLE))
        assert_status(helper_do(run->helper, OPEN_TX, run->name, 0), MPSC_OK);
}

static void victim_prepare(struct run *run, unsigned number)
{
    struct victim *v = &run->victim[number];
    struct stepper *stepper = &run->stepper[number];
    stepper_start(stepper, v->phase, victim_live, v);
    run->group[number] = stepper->pid;
    stepper_prepare(stepper);
    for (unsigned i = 0; i < v->scenario->sent; i++)
        ledger_expect(&run->ledger, victim_message(number, i, 1), false);
    run->ledger.next += taken_of(v->scenario);
}

static void victim_enter(struct run *run, unsigned number)
{
    const struct scenario *scenario = run->victim[number].scenario;
    unsigned flying = scenario->traits & BATCHED ? BATCH : 1;
    for (unsigned i = 0; scenario->flight && i < flying; i++) {
        ledger_expect(&run->ledger, victim_message(number, 99 - i, scenario->flight), true);
        run->ledger.entry[run->ledger.count - 1].follows = i > 0;
    }
    run->stepper[number].follow = scenario->traits & FOLLOWS;
    stepper_enter(&run->stepper[number]);
}

static void helper_falls_asleep(struct run *run)
{
    unsigned traits = run->scenario->traits;
    if (!(traits & (LISTENS | PUSHES)))
        return;
    run->helper_until = message_id(run->numbers++, 1);
    if (traits & PUSHES)
        ledger_expect(&run->ledger, run->helper_until, true);
    helper_begin(run->helper, traits & LISTENS ? RECV_UNTIL : SEND, NULL, run->helper_until);
    helper_wait_asleep(run->helper);
}

static void run_prepare(struct run *run)
{
    const struct scenario *scenario = run->scenario;
    stage("the preparation");
    survivors_open(run);
    unsigned filling = scenario->traits & FILLS ? first_ring() : 0;
    for (unsigned i = 0; i < filling + scenario->queued; i++)
        post(run, 1);
    if (scenario->setup)
        scenario->setup(run);
    for (unsigned i = 0; i < run->victims; i++)
        victim_prepare(run, i);
    if (scenario->traits & SOLE) {
        mpsc_sender_close(run->tx);
        run->tx = NULL;
    }
    helper_falls_asleep(run);
    for (unsigned i = 0; i < run->victims; i++)
        victim_enter(run, i);
}

/* One that is to be woken may have woken by itself meanwhile, and sleep again. */
static uint64_t patience_of(const struct run *run)
{
    return run->scenario->wake && !run->woken ? 2 * MILLISECONDS : 5 * SECONDS;
}

static void run_wake(struct run *run)
{
    const struct scenario *scenario = run->scenario;
    unsigned first = scenario->traits & NAPS ? 2 : 1;
    if (!scenario->wake || run->woken || ++run->sleeps < first)
        return;
    scenario->wake(run);
    run->woken = true;
}

/* Steps a victim to the point. `visited` is told of each event's address. One of two that sleeps may
 * wait for the other: then that is its point. */
static void run_step(struct run *run, unsigned number, unsigned long point,
                     void (*visited)(const struct stepper *))
{
    struct stepper *s = &run->stepper[number];
    stage("the call");
    while (s->events < point && (s->state == STEPPER_INSIDE || s->state == STEPPER_ASLEEP)) {
        if (s->state == STEPPER_ASLEEP) {
            if (run->victims == 2)
                break;
            run_wake(run);
            if (!stepper_step(s, 5 * SECONDS))
                fail_msg("the call does not wake up");
        } else {
            stepper_step(s, 0);
        }
        if (visited)
            visited(s);
    }
    progress->address[number] = s->state == STEPPER_EXITED ? 0 : stepper_address(s);
}

/* The same for the first one at full speed, which is a matter of breakpoints instead of steps. False: it did not
 * come there. */
static bool run_fast(struct run *run, unsigned long point)
{
    struct stepper *s = &run->stepper[0];
    /* Before it falls asleep there, it is at an instruction. */
    bool asleep = progress->event[point - 1].address == 0;
    const struct event *event = &progress->event[point - 1 - asleep];
    unsigned visits = 0;
    stage("the call");
    stepper_step(s, 0);
    if (s->state == STEPPER_INSIDE)
        visits += stepper_address(s) == event->address;
    while (visits < event->visit && (s->state == STEPPER_INSIDE || s->state == STEPPER_ASLEEP)) {
        if (s->state == STEPPER_ASLEEP) {
            if (run->victims == 2 || stepper_is_over(s))
                break;
            run_wake(run);
        } else if (stepper_address(s) == event->address) {
            /* Off the breakpoint first. */
            stepper_step(s, 0);
            visits += s->state == STEPPER_INSIDE && stepper_address(s) == event->address;
            continue;
        }
        visits += stepper_run_to(s, event->address, patience_of(run));
    }
    if (visits == event->visit && asleep && s->state == STEPPER_INSIDE)
        stepper_step(s, 0);
    bool there = visits == event->visit;
    progress->address[0] = there ? event->address : 0;
    return there;
}

static bool can_run_to(const struct scenario *scenario, unsigned long point)
{
    return !(scenario->traits & (FORKS | FOLLOWS)) && point > 1 && point < progress->totals[0] &&
           (progress->event[point - 1].address || progress->event[point - 2].address);
}

static void end_group(pid_t group)
{
    kill(-group, SIGKILL);
    while (waitpid(-group, NULL, __WALL) > 0)
        ;
}

static void run_end(struct run *run)
{
    uint64_t start = now_ns();
    survivors_check(run);
    progress->took = now_ns() - start;
    if (progress->took > progress->slowest)
        progress->slowest = progress->took;
    for (unsigned i = 0; i < run->victims; i++) {
        if (run->stepper[i].pid)
            stepper_reap(&run->stepper[i]);
        end_group(run->group[i]);
    }
    alarm(0);
}

static size_t bound_of(const struct scenario *scenario)
{
    if (scenario->traits & UNBOUNDED)
        return MPSC_UNBOUNDED;
    return scenario->traits & RENDEZVOUS ? 0 : BOUND;
}

static struct run run_of(const struct scenario *scenario, struct helper *helper)
{
    return (struct run){.scenario = scenario,
                        .name = channel_name(),
                        .bound = bound_of(scenario),
                        .helper = helper};
}

/* How each call goes by itself, and how the two go together. */
static void run_has(struct run *run, const struct scenario *scenario)
{
    static atomic_int *phases;
    if (!phases)
        phases = shared_memory(2 * sizeof *phases);
    unsigned number = run->victims++;
    run->victim[number] = (struct victim){
        .run = run, .scenario = scenario, .phase = &phases[number], .number = number};
}

enum pace {
    BY_STEPS,
    AT_FULL_SPEED, /* where that is possible */
};

/* The first victim. False: it died elsewhere. `visited`: see run_step. */
static bool run_first(struct run *run, unsigned long point, enum pace pace,
                      void (*visited)(const struct stepper *))
{
    if (pace == AT_FULL_SPEED && can_run_to(run->victim[0].scenario, point))
        return run_fast(run, point);
    progress->stepped += !visited;
    run_step(run, 0, point, visited);
    return true;
}

static bool run_point(const struct scenario *scenario, struct helper *helper, unsigned long point,
                      enum pace pace, void (*visited)(const struct stepper *))
{
    struct run run = run_of(scenario, helper);
    alarm(SECONDS_PER_POINT * (visited ? 6 : 1));
    run_has(&run, scenario);
    run_prepare(&run);
    bool there = run_first(&run, point, pace, visited);
    stepper_kill(&run.stepper[0]);
    run_end(&run);
    return there;
}

static const struct scenario *scenario_called(const char *name)
{
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    fail_msg("no scenario is called %s", name);
}

/* Both are stopped and die together, or the second goes on where the first has died. */
static bool run_pair(const struct pair *pair, struct helper *helper, const unsigned long *points,
                     bool heir, enum pace pace, void (*visited)(const struct stepper *))
{
    struct run run = run_of(&pair->common, helper);
    alarm(SECONDS_PER_POINT * (visited ? 6 : 1));
    run_has(&run, scenario_called(pair->first));
    run_has(&run, scenario_called(pair->second));
    run_prepare(&run);
    bool there = run_first(&run, points[0], pace, visited);
    if (heir)
        stepper_kill(&run.stepper[0]);
    run_step(&run, 1, points[1], visited);
    if (!heir)
        stepper_kill(&run.stepper[0]);
    stepper_kill(&run.stepper[1]);
    run_end(&run);
    return there;
}

/* ------------------------------------------------------------------ measuring */

enum { PLACES = 1 << 14 };
static struct place {
    uintptr_t address;
    unsigned visits;
} places[PLACES];

static struct witness *witness;

/* The kernel's code in every process, which reads the clock: it writes nothing of ours, and begins again when
 * the clock has moved meanwhile, so that it must not be held up. */
static bool reads_the_clock(const struct stepper *s)
{
    Dl_info here, start;
    const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
    return s->state == STEPPER_INSIDE && dladdr(vdso, &start) != 0 &&
           dladdr((const void *)stepper_address(s), &here) != 0 &&
           here.dli_fbase == start.dli_fbase;
}

/* Is the victim for others what it was before this event? */
static bool is_the_same(const struct stepper *s)
{
    static uint64_t before;
    if (!witness)
        witness = witness_start(s->pid);
    if (s->plain && reads_the_clock(s))
        return true;
    uint64_t now = witness_look(witness, !s->plain || progress->totals[0] == 0);
    bool same = now == before && s->plain;
    before = now;
    return same && s->state == STEPPER_INSIDE;
}

/* How often it has been at that address, with this. */
static unsigned visits_of(uintptr_t address)
{
    size_t i = address * UINT64_C(0x9e3779b97f4a7c15) >> 50;
    while (places[i].address && places[i].address != address)
        i = (i + 1) % PLACES;
    places[i].address = address;
    return ++places[i].visits;
}

static void count_event(const struct stepper *s)
{
    uintptr_t address = s->state == STEPPER_INSIDE ? stepper_address(s) : 0;
    unsigned visit = visits_of(address);
    assert_true(progress->totals[0] < MOST_EVENTS);
    /* A visit of the same place again and again is the spinning, or a loop over a table. */
    progress->event[progress->totals[0]++] =
        (struct event){address, visit, !exhaustive() && address && visit > VISITS};
}

static void count_and_compare(const struct stepper *s)
{
    bool pass = is_the_same(s);
    count_event(s);
    progress->event[progress->totals[0] - 1].pass = pass;
}

static void count_event_of_second(const struct stepper *s)
{
    (void)s;
    progress->totals[1]++;
}

/* ------------------------------------------------------------------ a sweep */

struct sweep {
    const struct scenario *scenario;
    const struct pair *pair; /* or NULL */
    unsigned long first, last, stride;
    bool measure;
};

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* One processor for all: a step is then no more than two switches. */
static void stay_on_this_processor(void)
{
    cpu_set_t set;
    int here = sched_getcpu();
    CPU_ZERO(&set);
    if (here >= 0)
        CPU_SET((size_t)here, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void measure(const struct sweep *sweep, struct helper *helper)
{
    progress->point = ULONG_MAX;
    if (!sweep->pair) {
        (void)run_point(sweep->scenario, helper, ULONG_MAX, BY_STEPS,
                        exhaustive() ? count_and_compare : count_event);
        if (witness)
            witness_end(witness);
        return;
    }
    const unsigned long first[] = {ULONG_MAX, 0}, second[] = {0, ULONG_MAX};
    (void)run_pair(sweep->pair, helper, first, false, BY_STEPS, count_event);
    (void)run_pair(sweep->pair, helper, second, false, BY_STEPS, count_event_of_second);
}

/* A victim died elsewhere: is another one to go to that point step by step? */
static bool is_retraced(void)
{
    progress->elsewhere++;
    return progress->elsewhere <= RETRACED || exhaustive() || getenv("MPSC_PROOF_OFFSET");
}

static void try_call(const struct scenario *scenario, struct helper *helper, unsigned long point)
{
    if (point && point < progress->totals[0] && progress->event[point - 1].pass) {
        progress->passed_by++;
        return;
    }
    bool there = run_point(scenario, helper, point, AT_FULL_SPEED, NULL);
    if (!there && is_retraced())
        there = run_point(scenario, helper, point, BY_STEPS, NULL);
    progress->tried += there;
}

static void try_pair(const struct pair *pair, struct helper *helper, unsigned long point)
{
    uint64_t state = offset_of_run() * 1000003 + point;
    for (unsigned i = 0; i < 5; i++)
        chance(&state);
    for (unsigned i = 0; i < 2; i++)
        progress->points[i] = chance(&state) % (progress->totals[i] + 1);
    bool heir = point % 2;
    bool there = run_pair(pair, helper, progress->points, heir, AT_FULL_SPEED, NULL);
    if (!there && is_retraced())
        there = run_pair(pair, helper, progress->points, heir, BY_STEPS, NULL);
    progress->tried += there;
}

/* The survivors go on within a second. The machine may be busy with something else meanwhile, but not each
 * time. */
static void try_point(const struct sweep *sweep, struct helper *helper, unsigned long point)
{
    unsigned long tried = progress->tried, late = 0;
    progress->point = point;
    do {
        progress->tried = tried;
        progress->took = 0;
        if (sweep->pair)
            try_pair(sweep->pair, helper, point);
        else
            try_call(sweep->scenario, helper, point);
    } while (progress->took > SECONDS && ++late < TIMES_LATE);
    if (late == TIMES_LATE)
        fail_msg("%d times in a row the survivors took more than a second", TIMES_LATE);
}

static int sweep(void *argument)
{
    const struct sweep *sweep = argument;
    const uintptr_t dull[] = {(uintptr_t)wait_spin, (uintptr_t)os_signals_restart,
                              (uintptr_t)os_now, 0};
    struct helper helper;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    helper_start(&helper);
    stepper_dull(dull, (uintptr_t)wait_sleep);
    stay_on_this_processor();
    unsigned before = open_descriptors();
    if (sweep->measure)
        measure(sweep, &helper);
    else
        for (unsigned long point = sweep->first; point <= sweep->last; point += sweep->stride)
            try_point(sweep, &helper, point);
    assert_int_equal(open_descriptors(), before);
    helper_end(&helper);
    return 0;
}

static void report_failure(const struct sweep *s, int result)
{
    const char *how = result == 128 + SIGALRM ? "HUNG" : "failed";
    if (s->pair)
        fprintf(stderr, "%s: killed at events %lu, %lu of %lu, %lu, %s; at %s", s->scenario->name,
                progress->points[0], progress->points[1], progress->totals[0], progress->totals[1],
                progress->point % 2 ? "the first one first" : "together",
                stepper_place(progress->address[0]));
    else
        fprintf(stderr, "%s: killed at point %ld of %lu", s->scenario->name, (long)progress->point,
                progress->totals[0]);
    fprintf(stderr, ", at %s; %s while looking at: %s\n",
            stepper_place(progress->address[s->pair != NULL]), how, progress->stage);
    fprintf(stderr, "  again: MPSC_PROOF_OFFSET=%lu MPSC_PROOF_STRIDE=%lu MPSC_TEST_FILTER=%s\n",
            offset_of_run(), s->stride, s->scenario->name);
}

static bool sweep_passed(struct sweep *s)
{
    int result = worker_join(worker_start(PROCESSES, sweep, s));
    if (result == 0)
        return true;
    report_failure(s, result);
    progress->failures++;
    return false;
}

/* One call of so many is tried. */
static unsigned long one_of(void)
{
    unsigned long scale = swept(100);
    if (exhaustive() || getenv("MPSC_TEST_FILTER") || scale >= 100)
        return 1;
    return 100 / scale;
}

static unsigned long at_least(unsigned long n)
{
    return scaled(n) < n ? n : scaled(n);
}

/* Points of one victim at a stride, pairs of points by chance. */
static void plan(struct sweep *s)
{
    unsigned long worth = progress->totals[0];
    for (unsigned long i = 0; i < progress->totals[0]; i++)
        worth -= progress->event[i].pass;
    s->measure = false;
    s->stride = 1;
    s->first = 0;
    s->last = exhaustive() ? PAIRS_EXHAUSTIVE : at_least(PAIRS);
    if (s->pair)
        return;
    s->stride = setting("MPSC_PROOF_STRIDE", exhaustive() ? 1 : worth / at_least(POINTS) + 1);
    s->first = offset_of_run() % (s->stride ? s->stride : 1);
    s->last = progress->totals[0];
}

static void prove(const struct scenario *scenario, const struct pair *pair)
{
    struct sweep s = {.scenario = scenario, .pair = pair, .measure = true};
    harness_timeout(exhaustive() ? 7200 : 120);
    if (!stepper_permitted())
        harness_skip("ptrace is not permitted");
    progress = shared_memory(sizeof *progress);
    uint64_t start = now_ns();
    if (!sweep_passed(&s))
        fail_msg("%s fails when it is not killed before its end", scenario->name);
    plan(&s);
    while (progress->failures < setting("MPSC_PROOF_FAILURES", MOST_FAILURES) && !sweep_passed(&s))
        s.first = progress->point + s.stride;
    printf("%-24s %6lu %s %5lu tried (stride %lu, %lu like others, %lu by steps, %lu "
           "elsewhere), %.1f s; survivors %.1f ms at most\n",
           scenario->name, progress->totals[0] + progress->totals[1],
           pair ? "events, pairs:" : "events, points:", progress->tried, s.stride,
           progress->passed_by, progress->stepped, progress->elsewhere,
           (double)(now_ns() - start) / 1e9, (double)progress->slowest / 1e6);
    if (progress->failures)
        fail_msg("%s: %lu points failed", scenario->name, progress->failures);
}

/* The harness runs a function with a number. */
static void one(enum mode number)
{
    size_t index = (size_t)number;
    if (index < scenario_count)
        prove(&scenarios[index], NULL);
    else
        prove(&pairs[index - scenario_count].common, &pairs[index - scenario_count]);
}

/* Why the proof is not for this build; NULL: it is. */
static const char *unfit(void)
{
#if defined MPSC_SYNC_PTHREAD
    return "with pthread's locks and conditions a death is not survived everywhere";
#elif HARNESS_ADDRESS_SANITIZER
    return "most instructions would be the sanitizer's";
#else
    return NULL;
#endif
}

int main(void)
{
    if (unfit()) {
        printf("The kill proof is skipped: %s.\n", unfit());
        return 77;
    }
    size_t all = scenario_count + pair_count, count = 0;
    struct test *tests = calloc(all, sizeof *tests);
    assert_non_null(tests);
    for (size_t i = offset_of_run() % one_of(); i < all; i += one_of())
        tests[count++] = (struct test){i < scenario_count ? scenarios[i].name
                                                          : pairs[i - scenario_count].common.name,
                                       NULL, one, (enum mode)i};
    printf("MPSC_PROOF_OFFSET=%lu: %zu of %zu calls and pairs of calls\n", offset_of_run(), count,
           all);
    int result = harness_main("proof", tests, count);
    free(tests);
    return result;
}
