// SPDX-License-Identifier: MIT
// two_producers.c in C++: a sender is cloned, two threads send, and a loop receives until both are done.
#include <mpsc.hpp>

#include <cstdio>
#include <thread>

static void produce(mpsc::sender<int> tx, int first)
{
    for (int value = first; value < first + 4; value++)
        tx.send(value).expect();
}

int main()
{
    auto [tx, rx] = mpsc::channel<int>();
    std::thread one(produce, tx.clone(), 10);
    std::thread other(produce, std::move(tx), 20);
    for (int value : rx)
        std::printf("Got: %d\n", value);
    one.join();
    other.join();
    return 0;
}
