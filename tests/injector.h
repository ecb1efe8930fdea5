/* SPDX-License-Identifier: MIT */
/*
 * A forked child one of whose system calls fails, or is interrupted by a signal handler.
 *
 *      child: injector_begin(), the call, injector_end(), whatever else
 *      test:  injector_run() with the number of the system call, from 0 on, and what happens to it
 */
#ifndef INJECTOR_H
#define INJECTOR_H

#include "channels.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* In memory that both share. */
struct injector {
    atomic_int ready, phase;
    bool follow; /* the call forks: what its child does there, not what it does itself */
};

enum { INJECTOR_BEFORE, INJECTOR_INSIDE, INJECTOR_OVER };

/* What happens to a system call, beside an error. */
enum { INJECT_NOTHING, INJECT_SIGNAL = -1 };

struct system_call {
    uint64_t number;
    uint64_t arguments[6];
};

static inline void injector_begin(struct injector *injector)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(1);
    atomic_store(&injector->ready, 1);
    raise(SIGSTOP);
    atomic_store(&injector->phase, INJECTOR_INSIDE);
}

/* `forked`: said by the child of a call that forks. */
static inline void injector_end(struct injector *injector, bool forked)
{
    if (injector->follow == forked)
        atomic_store(&injector->phase, INJECTOR_OVER);
}

/* ---- the processor: the number of a call that is about to be made, the result of one that was */

#if defined __x86_64__
#include <sys/user.h>
static inline void injector_set(pid_t pid, bool result, long value)
{
    struct user_regs_struct registers;
    assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &registers), 0);
    if (result)
        registers.rax = (unsigned long long)value;
    else
        registers.orig_rax = (unsigned long long)value;
    assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &registers), 0);
}
#elif defined __aarch64__
#include <asm/ptrace.h>
#include <elf.h>
static inline void injector_set(pid_t pid, bool result, long value)
{
    struct user_pt_regs registers;
    int number = (int)value;
    struct iovec vector = {&registers, sizeof registers}, one = {&number, sizeof number};
    if (!result) {
        assert_int_equal(ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &one), 0);
        return;
    }
    assert_int_equal(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector), 0);
    registers.regs[0] = (unsigned long)value;
    assert_int_equal(ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &vector), 0);
}
#else
#error "injector.h does not know this processor"
#endif

/* ---- the test's part */

static inline int injector_wait(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, __WALL), pid);
    return status;
}

/* Runs on to the next system call's beginning or end: false; or has forked: true. */
static inline bool injector_next(pid_t pid)
{
    int status, signal = 0;
    for (;;) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal), 0);
        status = injector_wait(pid);
        if (!WIFSTOPPED(status))
            fail_msg("a call ended its process");
        signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80) || status >> 16)
            return status >> 16;
    }
}

/* True: a call begins. */
static inline bool injector_look(pid_t pid, struct system_call *call)
{
    struct __ptrace_syscall_info info;
    memset(&info, 0, sizeof info);
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) <= 0)
        harness_skip("the kernel does not say which system call it is");
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return false;
    call->number = info.entry.nr;
    for (int i = 0; i < 6; i++)
        call->arguments[i] = info.entry.args[i];
    return true;
}

/* A close that fails has closed all the same. */
static inline void injector_fail(pid_t pid, const struct system_call *call, int error)
{
    if (call->number != SYS_close)
        injector_set(pid, false, -1);
    assert_false(injector_next(pid));
    injector_set(pid, true, -error);
}

/* The new process of a fork is traced from now on, its parent no more. */
static inline pid_t injector_follow(pid_t pid)
{
    unsigned long child = 0;
    assert_int_equal(ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child), 0);
    assert_true(WIFSTOPPED(injector_wait((pid_t)child)));
    assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    return (pid_t)child;
}

static inline worker injector_start(struct injector *injector, int (*body)(void *), void *argument)
{
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    atomic_store(&injector->ready, 0);
    atomic_store(&injector->phase, INJECTOR_BEFORE);
    worker w = worker_start(PROCESSES, body, argument);
    int status = injector_wait(worker_pid(w));
    if (!atomic_load(&injector->ready))
        harness_skip("this process may not trace its children");
    assert_true(WIFSTOPPED(status));
    if (injector->follow)
        options |= PTRACE_O_TRACEFORK;
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, worker_pid(w), NULL, (void *)options), 0);
    return w;
}

/* Those system calls that the test counts. */
typedef bool injector_filter(const struct system_call *call);

/* Where the child is about to make the `number`-th of them: true, and it is in `call`. */
static inline bool injector_go(const struct injector *injector, injector_filter *counts,
                               unsigned long number, pid_t *pid, struct system_call *call)
{
    pid_t first = *pid;
    for (unsigned long count = 0;;) {
        if (injector_next(*pid)) {
            *pid = injector_follow(*pid);
            continue;
        }
        if (atomic_load(&injector->phase) == INJECTOR_OVER)
            return false;
        if (atomic_load(&injector->phase) == INJECTOR_INSIDE &&
            injector->follow == (*pid != first) && injector_look(*pid, call) && counts(call) &&
            count++ == number)
            return true;
    }
}

/*
 * Starts the child and lets `event` happen to that system call: an error or INJECT_SIGNAL. True if it
 * did, and `call` is the one. It may not make so many, or, where it waits, another one this time: when
 * `call` says which it must be. The child runs on, and is to be joined.
 */
static inline bool injector_run(struct injector *injector, int (*body)(void *), void *argument,
                                injector_filter *counts, unsigned long number, int event,
                                struct system_call *call, worker *w)
{
    struct system_call made;
    *w = injector_start(injector, body, argument);
    pid_t pid = worker_pid(*w);
    bool happens = injector_go(injector, counts, number, &pid, &made) &&
                   (event == INJECT_SIGNAL || made.number == call->number);
    if (happens && event == INJECT_SIGNAL)
        assert_int_equal(syscall(SYS_tgkill, pid, pid, SIGUSR1), 0);
    else if (happens)
        injector_fail(pid, &made, event);
    assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    if (happens)
        *call = made;
    return happens;
}

#endif
