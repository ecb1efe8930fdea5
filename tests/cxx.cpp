// SPDX-License-Identifier: MIT
// 1.2 One header, usable from C++: it compiles there, and its calls and typed wrappers link.
#include <mpsc.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include <unistd.h>

namespace
{

struct job {
    int number;
    double weight;
};

MPSC_DEFINE_CHANNEL(job, job);

int failures;

void check(bool holds, const char *what, int line)
{
    if (holds)
        return;
    std::fprintf(stderr, "cxx.cpp:%d: does not hold: %s\n", line, what);
    failures++;
}

#define CHECK(condition) check((condition), #condition, __LINE__)

void plain_calls()
{
    mpsc_sender *tx = nullptr, *clone = nullptr;
    mpsc_receiver *rx = nullptr;
    CHECK(mpsc_sync_channel(sizeof(int), 4, &tx, &rx) == MPSC_OK);
    CHECK(mpsc_sender_clone(tx, &clone) == MPSC_OK);
    std::thread sender([clone] {
        for (int i = 0; i < 100; i++)
            CHECK(mpsc_send(clone, &i, sizeof i) == MPSC_OK);
        mpsc_sender_close(clone);
    });
    mpsc_sender_close(tx);
    int expected = 0;
    MPSC_FOR_EACH (int, received, rx)
        CHECK(received == expected++);
    CHECK(expected == 100);
    sender.join();
    mpsc_receiver_close(rx);
}

void loans_and_peeks()
{
    mpsc_sender *tx = nullptr;
    mpsc_receiver *rx = nullptr;
    mpsc_status status = MPSC_OS;
    std::size_t length = 0;
    CHECK(mpsc_channel(64, &tx, &rx) == MPSC_OK);
    void *loan = mpsc_loan(tx, 64, &status);
    CHECK(loan && status == MPSC_OK);
    std::memcpy(loan, "hello", 6);
    CHECK(mpsc_send_loan(tx, loan, 6) == MPSC_OK);
    const void *message = mpsc_peek(rx, &length, &status);
    CHECK(message && status == MPSC_OK && length == 6);
    CHECK(std::memcmp(message, "hello", 6) == 0);
    CHECK(mpsc_release(rx, message) == MPSC_OK);
    mpsc_sender_close(tx);
    mpsc_receiver_close(rx);
}

void options_and_types()
{
    const std::string name = "mpsc-test-" + std::to_string(getpid()) + "-cxx";
    mpsc_options options = MPSC_OPTIONS_INIT;
    options.bound = 3;
    options.exclusive = 1;
    job_sender *tx = nullptr;
    job_receiver *rx = nullptr;
    mpsc_sender *other = nullptr;
    CHECK(job_open_sender(name.c_str(), &options, &tx) == MPSC_OK);
    options.exclusive = 0;
    CHECK(job_open_receiver(name.c_str(), &options, &rx) == MPSC_OK);
    options.type_name = "something else";
    CHECK(mpsc_open_sender(name.c_str(), &options, &other) == MPSC_MISMATCH);
    mpsc_stats stats;
    CHECK(mpsc_stat(name.c_str(), &stats) == MPSC_OK);
    CHECK(stats.senders == 1 && stats.receivers == 1 && stats.bound == 3);

    CHECK(job_send(tx, job{1, 0.5}) == MPSC_OK);
    job got{};
    CHECK(job_recv(rx, &got) == MPSC_OK);
    CHECK(got.number == 1 && got.weight == 0.5);
    mpsc_status status = MPSC_OS;
    job *loan = job_loan(tx, &status);
    CHECK(loan && status == MPSC_OK);
    *loan = job{2, 1.5};
    CHECK(job_send_loan(tx, loan) == MPSC_OK);
    CHECK(job_capacity(rx) == 3 && job_len(rx) == 1);
    const job *peeked = job_peek(rx, &status);
    CHECK(peeked && peeked->number == 2);
    CHECK(job_release(rx, peeked) == MPSC_OK);
    job_sender_close(tx);
    CHECK(job_try_recv(rx, &got) == MPSC_DISCONNECTED);
    job_receiver_close(rx);
    CHECK(mpsc_stat(name.c_str(), &stats) == MPSC_NOT_FOUND);
}

} // namespace

int main()
{
    plain_calls();
    loans_and_peeks();
    options_and_types();
    CHECK(std::strlen(mpsc_version()) > 0);
    CHECK(std::strlen(mpsc_strstatus(MPSC_DISCONNECTED)) > 0);
    return failures != 0;
}
