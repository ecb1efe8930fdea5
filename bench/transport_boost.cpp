// SPDX-License-Identifier: MIT
// Boost.Interprocess' message_queue.
#include <boost/interprocess/ipc/message_queue.hpp>

#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <unistd.h>

extern "C" {
#include "transport.h"
}

using boost::interprocess::message_queue;

struct lane {
    std::size_t size;
    std::string name;
    std::unique_ptr<message_queue> queue;
};

namespace
{

lane *open_lane(std::size_t size, unsigned)
{
    static unsigned number;
    try {
        auto opened = std::make_unique<lane>();
        opened->size = size;
        opened->name = "mpsc-bench-" + std::to_string(getpid()) + "-" + std::to_string(number++);
        opened->queue = std::make_unique<message_queue>(
            boost::interprocess::create_only, opened->name.c_str(), std::size_t{BOUND}, size);
        return opened.release();
    } catch (const std::exception &error) {
        fail("open a message queue", error.what());
    }
}

void only_receive(lane *)
{
}

void only_send(lane *, unsigned)
{
}

void close_lane(lane *opened)
{
    message_queue::remove(opened->name.c_str());
    delete opened;
}

void send_numbers(lane *opened, unsigned, std::uint64_t first, std::uint64_t count)
{
    char message[LARGEST_MESSAGE] = {};
    try {
        for (std::uint64_t number = first; number < first + count; number++) {
            std::memcpy(message, &number, sizeof number);
            opened->queue->send(message, opened->size, 0);
        }
    } catch (const std::exception &error) {
        fail("send to a message queue", error.what());
    }
}

std::uint64_t receive_numbers(lane *opened, std::uint64_t count)
{
    char message[LARGEST_MESSAGE];
    std::uint64_t number, sum = 0;
    message_queue::size_type length;
    unsigned priority;
    try {
        for (std::uint64_t i = 0; i < count; i++) {
            opened->queue->receive(message, sizeof message, length, priority);
            std::memcpy(&number, message, sizeof number);
            sum += number;
        }
    } catch (const std::exception &error) {
        fail("receive from a message queue", error.what());
    }
    return sum;
}

transport made()
{
    transport made{};
    made.name = "Boost";
    made.open = open_lane;
    made.only_receive = only_receive;
    made.only_send = only_send;
    made.close = close_lane;
    made.send = send_numbers;
    made.receive = receive_numbers;
    return made;
}

} // namespace

extern "C" {
extern const transport transport_boost;
const transport transport_boost = made();
}
