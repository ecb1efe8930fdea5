/* SPDX-License-Identifier: MIT */
/* Processor time and wake-ups of processes that are blocked: each transport's receiver of nothing, and
 * a sender without room. All are watched in the same time. */
#include "costs.h"
#include "figures.h"
#include "program.h"
#include "sleeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One that is blocked. */
struct idler {
    const struct transport *transport;
    bool sends;
    struct lane *lane;
    pid_t process;
    double processor_time; /* seconds, when it was looked at first */
    uint64_t wake_ups;
};

/* Never returns: there is nothing to receive, or the room ends. */
static void block(const struct idler *idler)
{
    if (idler->sends) {
        idler->transport->only_send(idler->lane, 0);
        idler->transport->send(idler->lane, 0, 0, UINT64_MAX);
    } else {
        idler->transport->only_receive(idler->lane);
        idler->transport->receive(idler->lane, UINT64_MAX);
    }
}

/* False: the system has no such transport. */
static bool start(struct idler *idler, const struct transport *transport, bool sends)
{
    *idler = (struct idler){.transport = transport, .sends = sends};
    idler->lane = transport->open(sizeof(uint64_t), 1);
    if (!idler->lane)
        return false;
    idler->process = fork();
    if (idler->process == -1)
        fail("fork", strerror(errno));
    if (idler->process == 0) {
        block(idler);
        _exit(EXIT_FAILURE);
    }
    if (sends)
        transport->only_receive(idler->lane);
    else
        transport->only_send(idler->lane, 0);
    return true;
}

static double processor_time(pid_t process)
{
    clockid_t clock;
    struct timespec time;
    int error = clock_getcpuclockid(process, &clock);
    if (error || clock_gettime(clock, &time) == -1)
        fail("read the processor time of a process", strerror(error ? error : errno));
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t wake_ups(pid_t process)
{
    static const char label[] = "voluntary_ctxt_switches:";
    char path[32], line[256];
    unsigned long long count = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)process);
    FILE *file = fopen(path, "r");
    if (!file)
        fail("count the wake-ups of a process", strerror(errno));
    while (fgets(line, sizeof line, file))
        if (strncmp(line, label, sizeof label - 1) == 0)
            count = strtoull(line + sizeof label - 1, NULL, 10);
    fclose(file);
    return count;
}

static void look(struct idler *idler)
{
    idler->processor_time = processor_time(idler->process);
    idler->wake_ups = wake_ups(idler->process);
}

/* What the project asks of itself. Time is measurable when it is a tick of the system's accounts. */
static void compare(const char *who, double used, double woken, double seconds)
{
    char row[64];
    double ticks = (double)(uint64_t)(used * (double)sysconf(_SC_CLK_TCK)); /* whole ones */
    snprintf(row, sizeof row, "blocked %s, %.0f s: ticks of processor time", who, seconds);
    figures_add("asked", row, "reached", "ticks", ticks);
    figures_add("asked", row, "at most", "ticks", 0);
    snprintf(row, sizeof row, "blocked %s: wake-ups in a second", who);
    figures_add("asked", row, "reached", "1/s", woken / seconds);
    figures_add("asked", row, "at most", "1/s", 10);
}

static void add(const struct idler *idler, double seconds)
{
    char row[64], column[64];
    const char *who = idler->sends ? "sender" : "receiver";
    double used = processor_time(idler->process) - idler->processor_time;
    double woken = (double)(wake_ups(idler->process) - idler->wake_ups);
    snprintf(row, sizeof row, "%s, %s", idler->transport->name, who);
    snprintf(column, sizeof column, "processor time in %.0f s", seconds);
    figures_add("blocked", row, column, "us", used * 1e6);
    figures_add("blocked", row, "wake-ups", "1/s", woken / seconds);
    if (idler->transport == &transport_mpsc)
        compare(who, used, woken, seconds);
}

static void stop(const struct idler *idler)
{
    kill(idler->process, SIGKILL);
    waitpid(idler->process, NULL, 0);
    idler->transport->close(idler->lane);
}

void costs_idle(bool quick)
{
    const unsigned seconds = quick ? 1 : 10;
    struct idler *idlers = calloc(2 * costs_transports_count, sizeof *idlers);
    size_t count = 0;
    if (!idlers)
        fail("watch who is blocked", "no memory");
    program_progress("blocked: seconds to wait,", seconds, seconds);
    for (size_t i = 0; i < 2 * costs_transports_count; i++)
        count += start(&idlers[count], costs_transports[i / 2], i % 2);
    for (size_t i = 0; i < count; i++)
        sleeper_wait(idlers[i].process);
    for (size_t i = 0; i < count; i++)
        look(&idlers[i]);
    sleep(seconds);
    for (size_t i = 0; i < count; i++)
        add(&idlers[i], seconds);
    for (size_t i = 0; i < count; i++)
        stop(&idlers[i]);
    free(idlers);
}
