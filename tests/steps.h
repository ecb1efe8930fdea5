/* SPDX-License-Identifier: MIT */
/*
 * A forked child that is taken through a call one instruction at a time, and left there, or killed
 * there, or let go. For calls that do not sleep.
 *
 *      child: steps_begin(), the call, steps_end()
 *      test:  steps_start(), any number of steps_next(), steps_finish() or steps_kill()
 */
#ifndef STEPS_H
#define STEPS_H

#include "together.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* In memory that both share. */
struct steps {
    atomic_int ready, done;
    int result;
};

static inline void steps_begin(struct steps *steps)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(1);
    atomic_store(&steps->ready, 1);
    raise(SIGSTOP);
}

/* The child does no more, and waits to be killed. */
static inline void steps_end(struct steps *steps, int result)
{
    steps->result = result;
    atomic_store(&steps->done, 1);
    for (;;)
        pause();
}

/* Stands in steps_begin. */
static inline worker steps_begun(struct steps *steps, int (*body)(void *), void *argument)
{
    int status;
    atomic_store(&steps->ready, 0);
    atomic_store(&steps->done, 0);
    worker w = worker_start(PROCESSES, body, argument);
    assert_int_equal(waitpid(worker_pid(w), &status, 0), worker_pid(w));
    if (!atomic_load(&steps->ready))
        harness_skip("this process may not trace its children");
    assert_true(WIFSTOPPED(status));
    return w;
}

/* False: the call is over. */
static inline bool steps_next(struct steps *steps, worker w)
{
    int status;
    assert_int_equal(ptrace(PTRACE_SINGLESTEP, worker_pid(w), NULL, NULL), 0);
    assert_int_equal(waitpid(worker_pid(w), &status, 0), worker_pid(w));
    assert_true(WIFSTOPPED(status));
    return !atomic_load(&steps->done);
}

/* At full speed past so many system calls. False: the call is over. */
static inline bool steps_past(struct steps *steps, worker w, unsigned system_calls)
{
    int status;
    for (unsigned i = 0; i < 2 * system_calls && !atomic_load(&steps->done); i++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, worker_pid(w), NULL, NULL), 0);
        assert_int_equal(waitpid(worker_pid(w), &status, 0), worker_pid(w));
        assert_true(WIFSTOPPED(status));
    }
    return !atomic_load(&steps->done);
}

static inline void steps_kill(worker w)
{
    assert_int_equal(kill(worker_pid(w), SIGKILL), 0);
    assert_int_equal(worker_join(w), 128 + SIGKILL);
}

static inline int steps_do_nothing(void *steps)
{
    steps_begin(steps);
    steps_end(steps, 0);
    return 0;
}

/* Where steps are not the program's own instructions, they are far more: valgrind's, say. */
static inline void steps_must_be_instructions(void)
{
    enum { FEW = 1000 };
    static bool known;
    if (known)
        return;
    struct steps *steps = shared_memory(sizeof *steps);
    worker w = steps_begun(steps, steps_do_nothing, steps);
    for (unsigned count = 0; steps_next(steps, w); count++)
        if (count == FEW)
            harness_skip("a step is not an instruction here: is this an emulation?");
    steps_kill(w);
    munmap(steps, sizeof *steps);
    known = true;
}

/* The child, at the first instruction of its call. */
static inline worker steps_start(struct steps *steps, int (*body)(void *), void *argument)
{
    steps_must_be_instructions();
    return steps_begun(steps, body, argument);
}

/* It goes on at full speed. */
static inline void steps_let_go(worker w)
{
    assert_int_equal(ptrace(PTRACE_DETACH, worker_pid(w), NULL, NULL), 0);
}

/* The same to the end; the call's result. */
static inline int steps_finish(struct steps *steps, worker w)
{
    steps_let_go(w);
    wait_for(&steps->done);
    steps_kill(w);
    return steps->result;
}

#endif
