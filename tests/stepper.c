/* SPDX-License-Identifier: MIT */
/* See stepper.h. ptrace, and as little of the processor as can be: where the instruction counter is,
 * and what a system call looks like. */
#include "stepper.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

enum { PHASE_BEFORE, PHASE_CALL, PHASE_OVER };

/* ------------------------------------------------------------------ the processor */

/* The child is a fork: what is code there is the same code here. */
static bool at_system_call(uintptr_t address)
{
#if defined __x86_64__
    const unsigned char *code = (const unsigned char *)address;
    return code[0] == 0x0f && code[1] == 0x05;
#elif defined __aarch64__
    return *(const uint32_t *)address == 0xd4000001u;
#endif
}

#if defined __x86_64__
typedef struct user_regs_struct registers;
#define COUNTER(r) ((r).rip)
enum { BREAKPOINT = 0xcc, BREAKPOINT_MASK = 0xff, BREAKPOINT_SIZE = 1 };
#elif defined __aarch64__
typedef struct user_pt_regs registers;
#define COUNTER(r) ((r).pc)
enum { BREAKPOINT = 0xd4200000, BREAKPOINT_MASK = 0xffffffff, BREAKPOINT_SIZE = 0 };
#else
#error "stepper.c does not know this processor"
#endif

static void registers_get(const struct stepper *stepper, registers *r)
{
    struct iovec vector = {r, sizeof *r};
    memset(r, 0, sizeof *r);
    ptrace(PTRACE_GETREGSET, stepper->pid, NT_PRSTATUS, &vector);
}

uintptr_t stepper_address(const struct stepper *stepper)
{
    registers r;
    registers_get(stepper, &r);
    return COUNTER(r);
}

/* At the first instruction of a function. */
static uintptr_t return_address(const struct stepper *stepper)
{
    registers r;
    registers_get(stepper, &r);
#if defined __x86_64__
    return (uintptr_t)ptrace(PTRACE_PEEKDATA, stepper->pid, (void *)r.rsp, NULL);
#else
    return r.regs[30];
#endif
}

static void breakpoint_set(struct stepper *stepper, uintptr_t address)
{
    stepper->stop = address;
    stepper->code = ptrace(PTRACE_PEEKTEXT, stepper->pid, (void *)address, NULL);
    unsigned long rest = (unsigned long)stepper->code & ~(unsigned long)BREAKPOINT_MASK;
    if (ptrace(PTRACE_POKETEXT, stepper->pid, (void *)address, (void *)(rest | BREAKPOINT)) != 0)
        fail_msg("no breakpoint can be set at %s", stepper_place(address));
}

/* True: that is where it has stopped. */
static bool breakpoint_clear(struct stepper *stepper)
{
    uintptr_t address = stepper->stop;
    registers r;
    stepper->stop = 0;
    ptrace(PTRACE_POKETEXT, stepper->pid, (void *)address, (void *)stepper->code);
    registers_get(stepper, &r);
    if (COUNTER(r) != address + BREAKPOINT_SIZE)
        return false;
    COUNTER(r) = address;
    struct iovec vector = {&r, sizeof r};
    ptrace(PTRACE_SETREGSET, stepper->pid, NT_PRSTATUS, &vector);
    return true;
}

const char *stepper_place(uintptr_t address)
{
    static char text[300];
    Dl_info info;
    if (!address || !dladdr((void *)address, &info) || !info.dli_fname)
        return "?";
    const char *file = strrchr(info.dli_fname, '/');
    file = file ? file + 1 : info.dli_fname;
    uintptr_t base = (uintptr_t)info.dli_fbase;
    if (info.dli_sname)
        snprintf(text, sizeof text, "%s+0x%jx (near %s+0x%jx)", file, (uintmax_t)(address - base),
                 info.dli_sname, (uintmax_t)(address - (uintptr_t)info.dli_saddr));
    else
        snprintf(text, sizeof text, "%s+0x%jx", file, (uintmax_t)(address - base));
    return text;
}

/* ------------------------------------------------------------------ the child's part */

void stepper_ready(void)
{
    raise(SIGSTOP);
}

void stepper_begin(atomic_int *phase)
{
    raise(SIGSTOP);
    atomic_store(phase, PHASE_CALL);
}

void stepper_end(atomic_int *phase)
{
    atomic_store(phase, PHASE_OVER);
}

/* ------------------------------------------------------------------ the parent's part */

bool stepper_permitted(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        return false;
    bool permitted = ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0 &&
                     waitpid(pid, &status, 0) == pid && WIFSTOPPED(status);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status) && !WIFEXITED(status))
        ;
    return permitted;
}

static void wait_stopped(struct stepper *stepper)
{
    int status;
    if (waitpid(stepper->pid, &status, __WALL) != stepper->pid)
        fail_msg("waitpid: %s", strerror(errno));
    if (!WIFSTOPPED(status))
        fail_msg("the child ended before its call, status %d", status);
}

static const uintptr_t *dull;
static uintptr_t dull_sleeper;

void stepper_dull(const uintptr_t *functions, uintptr_t sleeper)
{
    dull = functions;
    dull_sleeper = sleeper;
}

void stepper_start(struct stepper *stepper, atomic_int *phase, void (*body)(void *), void *argument)
{
    *stepper = (struct stepper){.phase = phase, .dull = dull, .sleeper = dull_sleeper};
    atomic_store(phase, PHASE_BEFORE);
    fflush(NULL);
    stepper->pid = fork();
    if (stepper->pid < 0)
        fail_msg("fork: %s", strerror(errno));
    if (stepper->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        body(argument);
        for (;;)
            pause();
    }
    wait_stopped(stepper);
    ptrace(PTRACE_SETOPTIONS, stepper->pid, NULL, PTRACE_O_EXITKILL);
}

static void go_on(struct stepper *stepper)
{
    ptrace(PTRACE_CONT, stepper->pid, NULL, NULL);
    wait_stopped(stepper);
}

void stepper_prepare(struct stepper *stepper)
{
    go_on(stepper);
}

/* The fork's child takes the place of its parent. */
static void follow_fork(struct stepper *stepper)
{
    unsigned long child;
    int status;
    ptrace(PTRACE_SETOPTIONS, stepper->pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK);
    ptrace(PTRACE_CONT, stepper->pid, NULL, NULL);
    waitpid(stepper->pid, &status, __WALL);
    if (status >> 8 != (SIGTRAP | PTRACE_EVENT_FORK << 8))
        fail_msg("the child did not fork, status %d", status);
    ptrace(PTRACE_GETEVENTMSG, stepper->pid, NULL, &child);
    stepper->parent = stepper->pid;
    stepper->pid = (pid_t)child;
    wait_stopped(stepper);
    ptrace(PTRACE_DETACH, stepper->parent, NULL, NULL);
}

void stepper_enter(struct stepper *stepper)
{
    go_on(stepper);
    if (stepper->follow) {
        follow_fork(stepper);
    } else {
        while (atomic_load(stepper->phase) == PHASE_BEFORE) {
            ptrace(PTRACE_SINGLESTEP, stepper->pid, NULL, NULL);
            wait_stopped(stepper);
        }
    }
    stepper->state = STEPPER_INSIDE;
}

static char state_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return 0;
    text[length] = 0;
    const char *end = strrchr(text, ')');
    return end && end[1] ? end[2] : 0;
}

/* Waits for it to stop; false: it sleeps. Seen twice at once: a sleep may be short, and where many
 * processes run a yield takes long. */
static bool wait_or_sleep(struct stepper *stepper, int *status)
{
    for (unsigned asleep = 0; asleep < 2;) {
        pid_t ended = waitpid(stepper->pid, status, __WALL | WNOHANG);
        if (ended == stepper->pid)
            return true;
        if (ended < 0)
            fail_msg("waitpid: %s", strerror(errno));
        char state = state_of(stepper->pid);
        asleep = state == 'S' ? asleep + 1 : 0;
        if (state == 'R')
            sched_yield();
    }
    return false;
}

/* Waits for it to stop; false: it sleeps on for that long, or it is through with the call. */
static bool wait_for_long(struct stepper *stepper, int *status, uint64_t patience)
{
    uint64_t deadline = now_ns() + patience;
    do {
        if (waitpid(stepper->pid, status, __WALL | WNOHANG) == stepper->pid)
            return true;
        if (stepper_is_over(stepper))
            return false;
        nanosleep(&(struct timespec){0, 20000}, NULL);
    } while (now_ns() < deadline);
    return false;
}

static void take_status(struct stepper *stepper, int status)
{
    stepper->signal = 0;
    stepper->events++;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (WIFSIGNALED(status))
            fail_msg("the call crashed: %s", strsignal(WTERMSIG(status)));
        stepper->state = STEPPER_EXITED;
        return;
    }
    int signal = WSTOPSIG(status);
    if (signal == SIGSEGV || signal == SIGBUS || signal == SIGABRT || signal == SIGILL)
        fail_msg("the call crashed: %s at %s", strsignal(signal),
                 stepper_place(stepper_address(stepper)));
    if (signal != SIGTRAP)
        stepper->signal = signal;
    stepper->state = atomic_load(stepper->phase) == PHASE_OVER ? STEPPER_OVER : STEPPER_INSIDE;
}

/* Has it spun for long enough, or come too late for its sleep again and again? */
static bool is_dull(struct stepper *stepper, uintptr_t address)
{
    if (address == stepper->dull_end)
        stepper->dull_end = 0;
    if (stepper->dull_end)
        return ++stepper->dull_events > STEPPER_DULL_EVENTS;
    if (address == stepper->sleeper && ++stepper->sleeper_calls > STEPPER_SLEEPER_CALLS) {
        stepper->dull_end = return_address(stepper);
        return true;
    }
    for (const uintptr_t *function = stepper->dull; function && *function; function++)
        if (*function == address) {
            stepper->dull_end = return_address(stepper);
            stepper->dull_events = 0;
        }
    return false;
}

/* One instruction, or the rest of what is dull. False: it sleeps. */
static bool advance(struct stepper *stepper, int *status)
{
    uintptr_t address = stepper_address(stepper);
    stepper->plain = false;
    if (is_dull(stepper, address)) {
        breakpoint_set(stepper, stepper->dull_end);
        stepper->dull_end = 0;
        ptrace(PTRACE_CONT, stepper->pid, NULL, NULL);
        return wait_or_sleep(stepper, status);
    }
    bool may_sleep = at_system_call(address);
    ptrace(PTRACE_SINGLESTEP, stepper->pid, NULL, (void *)(intptr_t)stepper->signal);
    if (may_sleep)
        return wait_or_sleep(stepper, status);
    stepper->plain = true;
    if (waitpid(stepper->pid, status, __WALL) != stepper->pid)
        fail_msg("waitpid: %s", strerror(errno));
    return true;
}

bool stepper_step(struct stepper *stepper, uint64_t patience)
{
    int status;
    if (stepper->state == STEPPER_ASLEEP) {
        stepper->plain = false;
        if (!wait_for_long(stepper, &status, patience))
            return false;
    } else if (!advance(stepper, &status)) {
        stepper->state = STEPPER_ASLEEP;
        stepper->events++;
        return true;
    }
    if (stepper->stop && WIFSTOPPED(status))
        breakpoint_clear(stepper);
    take_status(stepper, status);
    return true;
}

bool stepper_run_to(struct stepper *stepper, uintptr_t address, uint64_t patience)
{
    int status;
    if (stepper->state == STEPPER_ASLEEP) {
        if (!wait_for_long(stepper, &status, patience))
            return false;
    } else {
        breakpoint_set(stepper, address);
        ptrace(PTRACE_CONT, stepper->pid, NULL, (void *)(intptr_t)stepper->signal);
        if (!wait_or_sleep(stepper, &status)) {
            stepper->state = STEPPER_ASLEEP;
            return false;
        }
    }
    bool there = WIFSTOPPED(status) && breakpoint_clear(stepper);
    take_status(stepper, status);
    return there;
}

void stepper_go(struct stepper *stepper, unsigned long events)
{
    while (stepper->state == STEPPER_INSIDE && stepper->events < events)
        stepper_step(stepper, 0);
}

bool stepper_is_over(const struct stepper *stepper)
{
    return atomic_load(stepper->phase) == PHASE_OVER;
}

void stepper_let_go(struct stepper *stepper)
{
    ptrace(PTRACE_DETACH, stepper->pid, NULL, (void *)(intptr_t)stepper->signal);
}

void stepper_kill(struct stepper *stepper)
{
    siginfo_t info;
    if (stepper->state == STEPPER_EXITED)
        return;
    kill(stepper->pid, SIGKILL);
    /* A stop that was not collected yet may come first. */
    do {
        if (waitid(P_PID, (id_t)stepper->pid, &info, WEXITED | WNOWAIT | __WALL) != 0)
            fail_msg("waitid: %s", strerror(errno));
    } while (info.si_code != CLD_KILLED && info.si_code != CLD_EXITED);
}

void stepper_reap(struct stepper *stepper)
{
    int status;
    if (stepper->state != STEPPER_EXITED)
        waitpid(stepper->pid, &status, __WALL);
    stepper->pid = 0;
}
