/* SPDX-License-Identifier: MIT */
/*
 * System calls of a message while nobody waits: one process sends and receives in turn, and its
 * parent counts them by ptrace, for which nobody need be root. The difference of two runs leaves out
 * what is done once.
 */
#include "costs.h"
#include "figures.h"
#include "program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_NONE = 3, EXIT_UNTRACED = 4 };

static const char table[] = "system calls, nobody waits (counted by ptrace)";

static _Noreturn void send_in_turn(const struct transport *transport, uint64_t count)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
        _exit(EXIT_UNTRACED);
    raise(SIGSTOP);
    struct lane *lane = transport->open(sizeof(uint64_t), 1);
    if (!lane)
        _exit(EXIT_NONE);
    for (uint64_t i = 0; i < count; i++) {
        transport->send(lane, 0, i, 1);
        if (transport->receive(lane, 1) != i)
            fail(transport->name, "what arrived is not what was sent");
    }
    transport->close(lane);
    _exit(0);
}

/* The status of a child that stopped again or ended. */
static int wait_child(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) == -1)
        fail("wait for a child", strerror(errno));
    return status;
}

/* Its stops at system calls, of which each has two. Returns how it exited. */
static int count_stops(pid_t child, uint64_t *stops)
{
    int status = wait_child(child);
    *stops = 0;
    if (WIFSTOPPED(status))
        ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    while (WIFSTOPPED(status)) {
        int signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80))
            ++*stops;
        bool ours = signal == (SIGTRAP | 0x80) || signal == SIGSTOP;
        ptrace(PTRACE_SYSCALL, child, NULL, (long)(ours ? 0 : signal));
        status = wait_child(child);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* How the child exited. */
static int count_calls(const struct transport *transport, uint64_t messages, double *calls)
{
    uint64_t stops;
    pid_t child = fork();
    if (child == -1)
        fail("fork", strerror(errno));
    if (child == 0)
        send_in_turn(transport, messages);
    int result = count_stops(child, &stops);
    *calls = (double)stops / 2;
    return result;
}

static void add(const struct transport *transport, double calls)
{
    figures_add(table, transport->name, "send and receive", "calls", calls);
    if (transport != &transport_mpsc)
        return;
    figures_add("asked", "system calls of a message, nobody waits", "reached", "calls", calls);
    figures_add("asked", "system calls of a message, nobody waits", "at most", "calls", 0);
}

void costs_syscalls(bool quick)
{
    const uint64_t few = 100, many = few + (quick ? 500 : 5000);
    for (size_t i = 0; i < costs_transports_count; i++) {
        const struct transport *transport = costs_transports[i];
        double less, more;
        program_progress("system calls", i + 1, costs_transports_count);
        int result = count_calls(transport, few, &less);
        if (result == 0)
            result = count_calls(transport, many, &more);
        if (result == 0)
            add(transport, (more - less) / (double)(many - few));
        else if (result == EXIT_UNTRACED)
            fputs("costs: system calls could not be counted: ptrace is not permitted\n", stderr);
        else if (result != EXIT_NONE)
            fail("count system calls", "the child failed");
    }
}
