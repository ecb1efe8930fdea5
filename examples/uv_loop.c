/* SPDX-License-Identifier: MIT */
/*
 * A channel in a loop of libuv: the descriptor goes into a uv_poll_t, and a timer runs beside it. A worker
 * sends numbers; the loop ends when it is gone.
 */
#include "example.h"

#include <time.h>
#include <uv.h>

enum { NUMBERS = 5 };

static void sends_numbers(mpsc_sender *tx)
{
    for (int i = 1; i <= NUMBERS; i++) {
        check(mpsc_send(tx, &i, sizeof i), "send");
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    mpsc_sender_close(tx);
}

static void uv_check(int error, const char *doing)
{
    if (error) {
        fprintf(stderr, "%s: cannot %s: %s\n", program_invocation_short_name, doing,
                uv_strerror(error));
        exit(EXIT_FAILURE);
    }
}

static uv_timer_t timer;

static void ticks(uv_timer_t *which)
{
    (void)which;
    printf("timer\n");
}

static void receives(uv_poll_t *poll, int error, int events)
{
    int number;
    mpsc_status status;
    (void)events;
    uv_check(error, "poll");
    while ((status = mpsc_try_recv(poll->data, &number, sizeof number, NULL)) == MPSC_OK)
        printf("channel: %d\n", number);
    if (status == MPSC_EMPTY)
        return;
    check(status == MPSC_DISCONNECTED ? MPSC_OK : status, "receive");
    printf("channel: gone\n");
    uv_close((uv_handle_t *)poll, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
}

int main(int argc, char **argv)
{
    bool processes = example_in_processes(argc, argv, "Serves a channel in a loop of libuv.");
    mpsc_sender *tx;
    mpsc_receiver *rx;
    uv_poll_t poll;
    int fd;
    check(mpsc_channel(sizeof(int), &tx, &rx), "make a channel");
    struct example_peer *worker = example_spawn(processes, sends_numbers, tx, rx);

    check(mpsc_receiver_fd(rx, &fd), "ask for a descriptor");
    uv_check(uv_poll_init(uv_default_loop(), &poll, fd), "watch");
    poll.data = rx;
    uv_check(uv_poll_start(&poll, UV_READABLE, receives), "watch");
    uv_check(uv_timer_init(uv_default_loop(), &timer), "make a timer");
    uv_check(uv_timer_start(&timer, ticks, 25, 25), "start a timer");
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);

    uv_check(uv_loop_close(uv_default_loop()), "end the loop");
    mpsc_receiver_close(rx);
    example_join(worker);
    return EXIT_SUCCESS;
}
