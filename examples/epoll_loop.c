/* SPDX-License-Identifier: MIT */
/*
 * One loop of epoll that serves a channel, a timer and a socket. A worker sends results through the
 * channel, and another one writes lines into the socket; the loop ends when both are gone.
 */
#include "example.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum { RESULTS = 5, LINES = 3 };

static void nap(long milliseconds)
{
    nanosleep(&(struct timespec){0, milliseconds * 1000000}, NULL);
}

static void sends_results(mpsc_sender *tx)
{
    for (int i = 1; i <= RESULTS; i++) {
        check(mpsc_send(tx, &i, sizeof i), "send");
        nap(20);
    }
    mpsc_sender_close(tx);
}

/* ---- what the loop serves; each says whether there is more to come */

struct source {
    const char *name;
    int fd;
    bool (*serve)(struct source *source);
    mpsc_receiver *rx; /* of the channel */
};

static bool serve_channel(struct source *source)
{
    int result;
    mpsc_status status;
    /* Until there is none: only then does the descriptor become readable anew. */
    while ((status = mpsc_try_recv(source->rx, &result, sizeof result, NULL)) == MPSC_OK)
        printf("channel: result %d\n", result);
    if (status != MPSC_EMPTY)
        check(status == MPSC_DISCONNECTED ? MPSC_OK : status, "receive");
    return status == MPSC_EMPTY;
}

static bool serve_timer(struct source *source)
{
    uint64_t times;
    if (read(source->fd, &times, sizeof times) == sizeof times)
        printf("timer\n");
    return true;
}

static bool serve_socket(struct source *source)
{
    char line[64];
    ssize_t length = read(source->fd, line, sizeof line);
    if (length > 0)
        printf("socket: %.*s", (int)length, line);
    return length > 0;
}

/* ---- the loop */

static void system_check(bool done, const char *doing)
{
    if (!done) {
        fprintf(stderr, "%s: cannot %s: %s\n", program_invocation_short_name, doing,
                strerror(errno));
        exit(EXIT_FAILURE);
    }
}

static int timer_every(long milliseconds)
{
    const struct timespec time = {0, milliseconds * 1000000};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    system_check(fd >= 0 && timerfd_settime(fd, 0, &(struct itimerspec){time, time}, NULL) == 0,
                 "make a timer");
    return fd;
}

/* A child that writes lines into a socket; our end of it. */
static int socket_with_writer(pid_t *child)
{
    int ends[2];
    system_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "make a socket");
    fflush(stdout);
    *child = fork();
    system_check(*child >= 0, "fork");
    if (*child == 0) {
        for (int i = 1; i <= LINES; i++) {
            dprintf(ends[1], "line %d\n", i);
            nap(30);
        }
        _exit(EXIT_SUCCESS);
    }
    close(ends[1]);
    return ends[0];
}

static void run(struct source *sources, int count, int left)
{
    int set = epoll_create1(EPOLL_CLOEXEC);
    system_check(set >= 0, "make an epoll set");
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &sources[i]};
        system_check(epoll_ctl(set, EPOLL_CTL_ADD, sources[i].fd, &event) == 0, "watch");
    }
    while (left > 0) {
        struct epoll_event event;
        int ready = epoll_wait(set, &event, 1, -1);
        if (ready < 0 && errno == EINTR)
            continue;
        system_check(ready == 1, "wait");
        struct source *source = event.data.ptr;
        if (!source->serve(source)) {
            printf("%s: gone\n", source->name);
            system_check(epoll_ctl(set, EPOLL_CTL_DEL, source->fd, NULL) == 0, "forget");
            left--;
        }
    }
    close(set);
}

int main(int argc, char **argv)
{
    bool processes =
        example_in_processes(argc, argv, "Serves a channel, a timer and a socket in one loop.");
    pid_t writer;
    mpsc_sender *tx;
    mpsc_receiver *rx;
    int socket = socket_with_writer(&writer);
    check(mpsc_channel(sizeof(int), &tx, &rx), "make a channel");
    struct example_peer *worker = example_spawn(processes, sends_results, tx, rx);

    struct source sources[] = {
        {"channel", -1, serve_channel, rx},
        {"socket", socket, serve_socket, NULL},
        {"timer", timer_every(25), serve_timer, NULL},
    };
    check(mpsc_receiver_fd(rx, &sources[0].fd), "ask for a descriptor");
    run(sources, 3, 2); /* the timer goes on for ever */

    close(sources[2].fd);
    close(socket);
    mpsc_receiver_close(rx);
    example_join(worker);
    return waitpid(writer, NULL, 0) == writer ? EXIT_SUCCESS : EXIT_FAILURE;
}
