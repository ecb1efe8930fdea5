// SPDX-License-Identifier: MIT
//
// libmpsc for C++17: channels of values of one type, as thin as can be over <mpsc.h>, which says what each
// call does and promises. Handles are closed when they go out of scope, and are moved, not copied; one
// more sender is a clone().
//
//     auto [tx, rx] = mpsc::channel<int>();
//     std::thread producer([tx = std::move(tx)]() mutable { tx.send(42).expect(); });
//     for (int value : rx) // until no sender is left
//         std::cout << value << '\n';
//     producer.join();
//
// A T crosses processes as its bytes, so it must be trivially copyable, and should hold no pointers. Objects
// with an owner go between the threads of one process, as std::unique_ptr: see owned_channel.
//
// What makes a channel throws mpsc::error. Sending and receiving throw nothing: they return a result.
#ifndef MPSC_HPP
#define MPSC_HPP

#include <mpsc.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace mpsc
{

/// Why something could not be done.
class error : public std::runtime_error
{
  public:
    explicit error(mpsc_status status) : std::runtime_error(mpsc_strstatus(status)), status_(status)
    {
    }
    mpsc_status status() const noexcept
    {
        return status_;
    }

  private:
    mpsc_status status_;
};

/// What became of a call that gives no value: true if it was done.
class [[nodiscard]] outcome
{
  public:
    outcome(mpsc_status status) noexcept : status_(status)
    {
    }
    explicit operator bool() const noexcept
    {
        return status_ == MPSC_OK;
    }
    mpsc_status status() const noexcept
    {
        return status_;
    }
    /// Throws mpsc::error unless it was done.
    void expect() const
    {
        if (status_ != MPSC_OK)
            throw error(status_);
    }

  private:
    mpsc_status status_;
};

/// A value, or the reason why there is none.
template <typename T> class [[nodiscard]] result
{
  public:
    result(std::optional<T> value, mpsc_status status) noexcept
        : value_(std::move(value)), status_(status)
    {
    }

    explicit operator bool() const noexcept
    {
        return value_.has_value();
    }
    mpsc_status status() const noexcept
    {
        return status_;
    }
    /// Only if there is one.
    const T &operator*() const noexcept
    {
        return *value_;
    }
    const T *operator->() const noexcept
    {
        return &*value_;
    }
    T &operator*() noexcept
    {
        return *value_;
    }
    /// Throws mpsc::error if there is none.
    const T &value() const &
    {
        if (!value_)
            throw error(status_);
        return *value_;
    }
    T value() &&
    {
        if (!value_)
            throw error(status_);
        return std::move(*value_);
    }
    const std::optional<T> &optional() const noexcept
    {
        return value_;
    }

  private:
    std::optional<T> value_;
    mpsc_status status_;
};

namespace detail
{

struct close_handle {
    void operator()(mpsc_sender *tx) const noexcept
    {
        mpsc_sender_close(tx);
    }
    void operator()(mpsc_receiver *rx) const noexcept
    {
        mpsc_receiver_close(rx);
    }
};

/// None of it is less than none, and what is too long to count is for ever.
template <typename Rep, typename Period>
std::uint64_t nanoseconds(std::chrono::duration<Rep, Period> time)
{
    using std::chrono::duration;
    using std::chrono::duration_cast;
    if (!(time > time.zero()))
        return 0;
    if (duration<double>(time) >= duration<double>(std::chrono::nanoseconds::max()))
        return MPSC_FOREVER;
    return static_cast<std::uint64_t>(duration_cast<std::chrono::nanoseconds>(time).count());
}

template <typename T> constexpr void require_plain()
{
    static_assert(std::is_trivially_copyable<T>::value,
                  "a message is the bytes of its value: T must be trivially copyable");
}

} // namespace detail

/// One producer. A handle is for one thread at a time; it may be empty (moved from), and then every call is
/// MPSC_INVALID.
template <typename T> class sender
{
  public:
    sender() noexcept
    {
        detail::require_plain<T>();
    }
    /// Takes over a handle of the C interface.
    explicit sender(mpsc_sender *handle) noexcept : handle_(handle)
    {
        detail::require_plain<T>();
    }

    outcome send(const T &value) noexcept
    {
        return mpsc_send(handle_.get(), &value, sizeof value);
    }
    outcome try_send(const T &value) noexcept
    {
        return mpsc_try_send(handle_.get(), &value, sizeof value);
    }
    template <typename Rep, typename Period>
    outcome send_for(const T &value, std::chrono::duration<Rep, Period> time) noexcept
    {
        return mpsc_send_timeout(handle_.get(), &value, sizeof value, detail::nanoseconds(time));
    }

    /// Until all that this handle sent was taken.
    outcome flush() noexcept
    {
        return mpsc_flush(handle_.get(), MPSC_FOREVER);
    }
    template <typename Rep, typename Period>
    outcome flush_for(std::chrono::duration<Rep, Period> time) noexcept
    {
        return mpsc_flush(handle_.get(), detail::nanoseconds(time));
    }

    /// One more sender, for another thread or another place. Throws mpsc::error.
    sender clone() const
    {
        mpsc_sender *made = nullptr;
        outcome(mpsc_sender_clone(handle_.get(), &made)).expect();
        return sender(made);
    }

    /// A descriptor to poll for reading: there may be room. Throws mpsc::error.
    int fd() const
    {
        int made = -1;
        outcome(mpsc_sender_fd(handle_.get(), &made)).expect();
        return made;
    }

    /// Before it goes out of scope.
    void close() noexcept
    {
        handle_.reset();
    }
    explicit operator bool() const noexcept
    {
        return static_cast<bool>(handle_);
    }
    /// For the calls of the C interface that have no counterpart here; it stays this object's.
    mpsc_sender *native_handle() const noexcept
    {
        return handle_.get();
    }

  private:
    std::unique_ptr<mpsc_sender, detail::close_handle> handle_;
};

/// The consumer; the same.
template <typename T> class receiver
{
  public:
    receiver() noexcept
    {
        detail::require_plain<T>();
    }
    explicit receiver(mpsc_receiver *handle) noexcept : handle_(handle)
    {
        detail::require_plain<T>();
    }

    /// A message that has not the size of T is MPSC_MISMATCH, and stays queued.
    result<T> recv() noexcept
    {
        return take(MPSC_FOREVER);
    }
    /// MPSC_EMPTY if there is none.
    result<T> try_recv() noexcept
    {
        return take(0);
    }
    /// MPSC_TIMEOUT if none comes; with no time, MPSC_EMPTY.
    template <typename Rep, typename Period>
    result<T> recv_for(std::chrono::duration<Rep, Period> time) noexcept
    {
        return take(detail::nanoseconds(time));
    }

    /// Messages that wait now, and how many may.
    std::size_t size() const noexcept
    {
        return mpsc_len(handle_.get());
    }
    std::size_t capacity() const noexcept
    {
        return mpsc_capacity(handle_.get());
    }

    /// A descriptor to poll for reading: receive with try_recv until that is MPSC_EMPTY. Throws
    /// mpsc::error.
    int fd() const
    {
        int made = -1;
        outcome(mpsc_receiver_fd(handle_.get(), &made)).expect();
        return made;
    }

    /// Values until no sender is left. It ends as well at an error; recv() then says which. Goes on after a
    /// signal.
    class iterator
    {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = const T *;
        using reference = const T &;

        iterator() noexcept = default;
        explicit iterator(receiver *from) : from_(from)
        {
            ++*this;
        }
        reference operator*() const noexcept
        {
            return *value_;
        }
        pointer operator->() const noexcept
        {
            return &*value_;
        }
        iterator &operator++()
        {
            result<T> next = from_->recv();
            while (next.status() == MPSC_INTERRUPTED)
                next = from_->recv();
            value_ = next.optional();
            if (!value_)
                from_ = nullptr;
            return *this;
        }
        void operator++(int)
        {
            ++*this;
        }
        friend bool operator==(const iterator &a, const iterator &b)
        {
            return a.from_ == b.from_;
        }
        friend bool operator!=(const iterator &a, const iterator &b)
        {
            return a.from_ != b.from_;
        }

      private:
        receiver *from_ = nullptr;
        std::optional<T> value_;
    };

    iterator begin()
    {
        return iterator(this);
    }
    iterator end() noexcept
    {
        return iterator();
    }

    void close() noexcept
    {
        handle_.reset();
    }
    explicit operator bool() const noexcept
    {
        return static_cast<bool>(handle_);
    }
    mpsc_receiver *native_handle() const noexcept
    {
        return handle_.get();
    }

  private:
    result<T> take(std::uint64_t time) noexcept
    {
        alignas(T) unsigned char bytes[sizeof(T)];
        mpsc_status status = mpsc_recv_exact(handle_.get(), bytes, sizeof bytes, time);
        if (status != MPSC_OK)
            return {std::nullopt, status};
        return {*reinterpret_cast<const T *>(bytes), MPSC_OK};
    }

    std::unique_ptr<mpsc_receiver, detail::close_handle> handle_;
};

namespace detail
{

template <typename... T>
result<std::size_t> select(std::uint64_t time, const receiver<T> &...receivers) noexcept
{
    static_assert(sizeof...(T) > 0, "there is nothing to wait for");
    mpsc_receiver *const list[] = {receivers.native_handle()...};
    std::size_t ready = 0;
    mpsc_status status = mpsc_select(list, sizeof...(T), time, &ready);
    if (status != MPSC_OK)
        return {std::nullopt, status};
    return {ready, MPSC_OK};
}

template <typename T> void delete_message(void *message, std::size_t, void *)
{
    delete *static_cast<T **>(message);
}

} // namespace detail

template <typename T> using ends = std::pair<sender<T>, receiver<T>>;

/// An unbounded channel, private to this program and its forked children. Throws mpsc::error.
template <typename T> ends<T> channel()
{
    mpsc_sender *tx = nullptr;
    mpsc_receiver *rx = nullptr;
    outcome(mpsc_channel(sizeof(T), &tx, &rx)).expect();
    return {sender<T>(tx), receiver<T>(rx)};
}

/// One with room for `bound` values; 0: a rendezvous. Throws mpsc::error.
template <typename T> ends<T> sync_channel(std::size_t bound)
{
    mpsc_sender *tx = nullptr;
    mpsc_receiver *rx = nullptr;
    outcome(mpsc_sync_channel(sizeof(T), bound, &tx, &rx)).expect();
    return {sender<T>(tx), receiver<T>(rx)};
}

/// The options of a channel by name, to be changed by field.
inline mpsc_options options() noexcept
{
    mpsc_options made = MPSC_OPTIONS_INIT;
    return made;
}

/// Attaches to the named channel, or creates it. The message size is that of T. A `type_name` in the options
/// tells types of one size apart. Throws mpsc::error.
template <typename T> sender<T> open_sender(const char *name, mpsc_options made = options())
{
    mpsc_sender *tx = nullptr;
    made.message_size = sizeof(T);
    outcome(mpsc_open_sender(name, &made, &tx)).expect();
    return sender<T>(tx);
}

template <typename T> receiver<T> open_receiver(const char *name, mpsc_options made = options())
{
    mpsc_receiver *rx = nullptr;
    made.message_size = sizeof(T);
    outcome(mpsc_open_receiver(name, &made, &rx)).expect();
    return receiver<T>(rx);
}

/// Waits until one of these receivers, of whatever types, need not wait: its index.
template <typename... T> result<std::size_t> select(const receiver<T> &...receivers) noexcept
{
    return detail::select(MPSC_FOREVER, receivers...);
}

/// The same for so long: MPSC_TIMEOUT.
template <typename Rep, typename Period, typename... T>
result<std::size_t> select_for(std::chrono::duration<Rep, Period> time,
                               const receiver<T> &...receivers) noexcept
{
    return detail::select(detail::nanoseconds(time), receivers...);
}

/// One producer of objects that have an owner, between the threads of one process.
template <typename T> class owned_sender
{
  public:
    owned_sender() noexcept = default;
    explicit owned_sender(sender<T *> tx) noexcept : tx_(std::move(tx))
    {
    }

    /// Ownership goes along if it was sent; if not, `value` still has it. (U is T, or derives from it.)
    template <typename U> outcome send(std::unique_ptr<U> &&value) noexcept
    {
        return given(value, tx_.send(value.get()));
    }
    template <typename U> outcome try_send(std::unique_ptr<U> &&value) noexcept
    {
        return given(value, tx_.try_send(value.get()));
    }
    template <typename U, typename Rep, typename Period>
    outcome send_for(std::unique_ptr<U> &&value, std::chrono::duration<Rep, Period> time) noexcept
    {
        return given(value, tx_.send_for(value.get(), time));
    }
    owned_sender clone() const
    {
        return owned_sender(tx_.clone());
    }
    void close() noexcept
    {
        tx_.close();
    }

  private:
    template <typename U> static outcome given(std::unique_ptr<U> &value, outcome sent) noexcept
    {
        static_assert(std::is_same<T, U>::value || std::has_virtual_destructor<T>::value,
                      "what is received is deleted as a T");
        if (sent)
            (void)value.release();
        return sent;
    }

    sender<T *> tx_;
};

/// Their consumer. What it leaves in the channel is deleted.
template <typename T> class owned_receiver
{
  public:
    using value_type = std::unique_ptr<T>;

    owned_receiver() noexcept = default;
    explicit owned_receiver(receiver<T *> rx) noexcept : rx_(std::move(rx))
    {
    }

    result<value_type> recv() noexcept
    {
        return owned(rx_.recv());
    }
    result<value_type> try_recv() noexcept
    {
        return owned(rx_.try_recv());
    }
    template <typename Rep, typename Period>
    result<value_type> recv_for(std::chrono::duration<Rep, Period> time) noexcept
    {
        return owned(rx_.recv_for(time));
    }
    /// For fd() and select().
    const receiver<T *> &pointers() const noexcept
    {
        return rx_;
    }
    void close() noexcept
    {
        rx_.close();
    }

  private:
    static result<value_type> owned(const result<T *> &received) noexcept
    {
        if (!received)
            return {std::nullopt, received.status()};
        return {value_type(*received), MPSC_OK};
    }

    receiver<T *> rx_;
};

template <typename T> using owned_ends = std::pair<owned_sender<T>, owned_receiver<T>>;

/// A channel of objects that have an owner: `bound` of them, or MPSC_UNBOUNDED. Throws mpsc::error.
template <typename T> owned_ends<T> owned_channel(std::size_t bound = MPSC_UNBOUNDED)
{
    mpsc_sender *tx = nullptr;
    mpsc_receiver *rx = nullptr;
    mpsc_options made = options();
    made.message_size = sizeof(T *);
    made.bound = bound;
    made.destroy = detail::delete_message<T>;
    outcome(mpsc_channel_with(&made, &tx, &rx)).expect();
    return {owned_sender<T>(sender<T *>(tx)), owned_receiver<T>(receiver<T *>(rx))};
}

} // namespace mpsc

#endif
