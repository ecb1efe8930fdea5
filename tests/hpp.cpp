// SPDX-License-Identifier: MIT
// The C++ interface: ownership by scope and move, clone, iteration, time-outs, results, errors; in threads
// and in processes.
#include <mpsc.hpp>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{

using namespace std::chrono_literals;

struct job {
    int number;
    double weight;
};

int failures;

void check(bool holds, const char *what, int line)
{
    if (holds)
        return;
    std::fprintf(stderr, "hpp.cpp:%d: does not hold: %s\n", line, what);
    failures++;
}

#define CHECK(condition) check(static_cast<bool>(condition), #condition, __LINE__)

template <typename F> mpsc_status thrown_by(F f)
{
    try {
        f();
    } catch (const mpsc::error &e) {
        return std::strlen(e.what()) > 0 ? e.status() : MPSC_OK;
    }
    return MPSC_OK;
}

static_assert(!std::is_copy_constructible<mpsc::sender<int>>::value, "a sender is moved");
static_assert(!std::is_copy_assignable<mpsc::receiver<int>>::value, "a receiver is moved");
static_assert(std::is_nothrow_move_constructible<mpsc::sender<int>>::value, "and that cannot fail");
static_assert(std::is_nothrow_move_assignable<mpsc::receiver<int>>::value, "and that cannot fail");

void threads_by_clone()
{
    auto [tx, rx] = mpsc::channel<job>();
    std::vector<std::thread> producers;
    for (int i = 0; i < 3; i++)
        producers.emplace_back([tx = tx.clone(), i]() mutable {
            for (int n = 0; n < 1000; n++)
                tx.send({i * 1000 + n, 0.5}).expect();
        });
    tx.close();
    long sum = 0;
    double weight = 0;
    for (const job &received : rx) {
        sum += received.number;
        weight += received.weight;
    }
    for (std::thread &producer : producers)
        producer.join();
    CHECK(sum == 2999L * 3000 / 2);
    CHECK(weight == 1500.0);
    CHECK(rx.recv().status() == MPSC_DISCONNECTED);
    CHECK(rx.begin() == rx.end());
}

void processes_by_fork()
{
    auto [tx, rx] = mpsc::sync_channel<int>(4);
    std::fflush(nullptr);
    pid_t child = fork();
    if (child == 0) {
        rx.close();
        for (int i = 1; i <= 100; i++)
            if (!tx.send(i))
                _exit(1);
        tx.close();
        _exit(0);
    }
    tx.close();
    CHECK(std::accumulate(rx.begin(), rx.end(), 0) == 5050);
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

void names_and_options()
{
    const std::string name = "mpsc-test-hpp-" + std::to_string(getpid());
    mpsc_options options = mpsc::options();
    options.bound = 2;
    auto rx = mpsc::open_receiver<int>(name.c_str(), options);
    auto tx = mpsc::open_sender<int>(name.c_str());
    CHECK(rx.capacity() == 2);
    CHECK(thrown_by([&] { (void)mpsc::open_sender<job>(name.c_str()); }) == MPSC_MISMATCH);
    CHECK(thrown_by([] { (void)mpsc::open_sender<job>("a/b"); }) == MPSC_INVALID);
    CHECK(tx.send(1));
    CHECK(rx.size() == 1);
    CHECK(rx.recv().value() == 1);
}

void without_waiting_and_not_for_ever()
{
    auto [tx, rx] = mpsc::sync_channel<int>(1);
    CHECK(rx.try_recv().status() == MPSC_EMPTY);
    CHECK(!rx.try_recv().optional());
    auto start = std::chrono::steady_clock::now();
    CHECK(rx.recv_for(20ms).status() == MPSC_TIMEOUT);
    CHECK(std::chrono::steady_clock::now() - start >= 20ms);
    CHECK(rx.recv_for(-1s).status() == MPSC_EMPTY);
    CHECK(tx.try_send(7));
    CHECK(tx.try_send(8).status() == MPSC_FULL);
    CHECK(tx.send_for(8, 1us).status() == MPSC_TIMEOUT);
    CHECK(tx.flush_for(0.001s).status() == MPSC_TIMEOUT);
    CHECK(*rx.recv_for(std::chrono::hours::max()) == 7);
    CHECK(tx.flush());
    CHECK(thrown_by([&r = rx] { (void)r.try_recv().value(); }) == MPSC_EMPTY);
}

void moved_from_and_disconnected()
{
    auto [tx, rx] = mpsc::channel<int>();
    mpsc::sender<int> other = std::move(tx);
    CHECK(!tx && other);
    CHECK(tx.send(1).status() == MPSC_INVALID);
    CHECK(other.send(2));
    {
        mpsc::receiver<int> last = std::move(rx);
        CHECK(last.recv().value() == 2);
    }
    CHECK(other.send(3).status() == MPSC_DISCONNECTED);
    CHECK(thrown_by([&] { other.send(3).expect(); }) == MPSC_DISCONNECTED);
}

bool is_readable(int fd)
{
    pollfd pollable = {fd, POLLIN, 0};
    return poll(&pollable, 1, 0) == 1;
}

bool becomes_readable(int fd)
{
    pollfd pollable = {fd, POLLIN, 0};
    return poll(&pollable, 1, 10000) == 1;
}

void descriptors_and_select()
{
    auto [numbers, number] = mpsc::sync_channel<int>(1);
    auto [jobs, work] = mpsc::channel<job>();
    CHECK(!is_readable(number.fd()));
    CHECK(becomes_readable(numbers.fd()));
    CHECK(mpsc::select_for(1ms, number, work).status() == MPSC_TIMEOUT);
    CHECK(jobs.send({1, 1}));
    CHECK(mpsc::select(number, work).value() == 1);
    CHECK(work.recv().value().number == 1);
    CHECK(numbers.send(7));
    CHECK(numbers.try_send(8).status() == MPSC_FULL);
    CHECK(is_readable(number.fd()));
    CHECK(!is_readable(numbers.fd()));
    CHECK(mpsc::select(number, work).value() == 0);
    CHECK(thrown_by([&tx = jobs] { (void)tx.fd(); }) == MPSC_INVALID);
}

struct counted {
    static inline std::atomic<int> alive{0};
    int number;
    explicit counted(int n) : number(n)
    {
        alive++;
    }
    ~counted()
    {
        alive--;
    }
    counted(const counted &) = delete;
};

void owners_by_threads()
{
    auto [tx, rx] = mpsc::owned_channel<counted>(4);
    std::thread producer([tx = std::move(tx)]() mutable {
        for (int i = 0; i < 1000; i++) {
            auto value = std::make_unique<counted>(i);
            if (!tx.send(std::move(value))) {
                CHECK(value && value->number == i); /* it was not given away */
                break;
            }
            CHECK(!value);
        }
    });
    for (int i = 0; i < 500; i++) {
        auto received = rx.recv();
        CHECK(received && (*received)->number == i);
    }
    std::unique_ptr<counted> last = rx.recv().value();
    CHECK(last->number == 500);
    rx.close();
    producer.join();
    CHECK(counted::alive == 1);
}

struct base {
    virtual ~base() = default;
};

struct derived : base {
    static inline int alive = 0;
    derived()
    {
        alive++;
    }
    ~derived() override
    {
        alive--;
    }
    derived(const derived &) = delete;
};

void owners_of_derived_objects()
{
    auto [tx, rx] = mpsc::owned_channel<base>(1);
    auto one = std::make_unique<derived>(), other = std::make_unique<derived>();
    CHECK(tx.try_send(std::move(one)));
    CHECK(tx.try_send(std::move(other)).status() == MPSC_FULL);
    CHECK(other && derived::alive == 2);
    rx.close();
    CHECK(derived::alive == 1);
}

void another_size_stays_queued()
{
    auto [tx, rx] = mpsc::channel<int>();
    CHECK(mpsc_send(tx.native_handle(), "12345", 5) == MPSC_OK);
    CHECK(rx.recv().status() == MPSC_MISMATCH);
    CHECK(rx.size() == 1);
}

} // namespace

int main()
{
    threads_by_clone();
    processes_by_fork();
    names_and_options();
    without_waiting_and_not_for_ever();
    moved_from_and_disconnected();
    descriptors_and_select();
    owners_by_threads();
    owners_of_derived_objects();
    another_size_stays_queued();
    return failures ? 1 : 0;
}
