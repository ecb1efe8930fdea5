/* SPDX-License-Identifier: MIT */
/* mpsc_channel_with: objects sent between the threads of one process. Each has one owner at any time, and
 * ends once, whoever leaves first; other processes have no part in it. */
#include "layout.h"
#include "together.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* An object knows how often it was freed. */
struct object {
    atomic_int freed;
    int number;
};

static struct object objects[100000];
static atomic_int destroyed;

static struct object *object_new(int number)
{
    struct object *object = &objects[number];
    atomic_store(&object->freed, 0);
    object->number = number;
    return object;
}

static void object_free(struct object *object)
{
    assert_int_equal(atomic_fetch_add(&object->freed, 1), 0);
}

static void drop(void *message, size_t length, void *context)
{
    assert_int_equal(length, sizeof(struct object *));
    assert_ptr_equal(context, &destroyed);
    object_free(*(struct object **)message);
    atomic_fetch_add(&destroyed, 1);
}

static void each_was_freed_once(int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(atomic_load(&objects[i].freed), 1);
}

static mpsc_options pointers(size_t bound)
{
    mpsc_options options = options_of(sizeof(struct object *), bound);
    options.destroy = drop;
    options.context = &destroyed;
    return options;
}

static struct ends pointers_open(size_t bound)
{
    mpsc_options options = pointers(bound);
    struct ends ends = {NULL, NULL};
    assert_status(mpsc_channel_with(&options, &ends.tx, &ends.rx), MPSC_OK);
    return ends;
}

static void send_object(mpsc_sender *tx, int number)
{
    struct object *object = object_new(number);
    assert_status(mpsc_send(tx, &object, sizeof object), MPSC_OK);
}

static struct object *recv_object(mpsc_receiver *rx)
{
    struct object *object = NULL;
    assert_status(mpsc_recv(rx, &object, sizeof object, NULL), MPSC_OK);
    assert_non_null(object);
    return object;
}

/* ------------------------------------------------------------------ one owner */

static void what_is_left_is_destroyed(void)
{
    static const size_t bounds[] = {64, MPSC_UNBOUNDED};
    for (size_t i = 0; i < 2; i++) {
        struct ends e = pointers_open(bounds[i]);
        atomic_store(&destroyed, 0);
        int count = bounds[i] == 64 ? 60 : 5000; /* the second fills several rings */
        for (int n = 0; n < count; n++)
            send_object(e.tx, n);
        for (int n = 0; n < 10; n++) {
            struct object *object = recv_object(e.rx);
            assert_int_equal(object->number, n);
            object_free(object);
        }
        assert_int_equal(atomic_load(&destroyed), 0);
        mpsc_receiver_close(e.rx);
        assert_int_equal(atomic_load(&destroyed), count - 10);
        each_was_freed_once(count);
        struct object *mine = object_new(count);
        assert_status(mpsc_send(e.tx, &mine, sizeof mine), MPSC_DISCONNECTED);
        mpsc_sender_close(e.tx);
        assert_int_equal(atomic_load(&mine->freed), 0); /* it never was the channel's */
    }
}

static void the_receiver_gets_what_was_sent_first(void)
{
    struct ends e = pointers_open(8);
    atomic_store(&destroyed, 0);
    send_object(e.tx, 0);
    mpsc_sender_close(e.tx);
    object_free(recv_object(e.rx));
    struct object *object;
    assert_status(mpsc_recv(e.rx, &object, sizeof object, NULL), MPSC_DISCONNECTED);
    mpsc_receiver_close(e.rx);
    assert_int_equal(atomic_load(&destroyed), 0);
}

/* A loan that is out stands in front of a message; both handles are closed, the receiver's first. */
static void nothing_is_hidden_by_a_loan(void)
{
    struct ends e = pointers_open(8);
    mpsc_sender *other = clone_of(e.tx);
    mpsc_status status;
    atomic_store(&destroyed, 0);
    void *loan = mpsc_loan(e.tx, sizeof(struct object *), &status);
    assert_lent(loan, status);
    send_object(other, 0);
    send_object(other, 1);
    mpsc_receiver_close(e.rx);
    mpsc_sender_close(e.tx); /* gives the loan back */
    mpsc_sender_close(other);
    assert_int_equal(atomic_load(&destroyed), 2);
    each_was_freed_once(2);
}

static void a_peeked_one_is_still_the_channels(void)
{
    struct ends e = pointers_open(8);
    mpsc_status status;
    atomic_store(&destroyed, 0);
    send_object(e.tx, 0);
    struct object *const *message = mpsc_peek(e.rx, NULL, &status);
    assert_lent(message, status);
    assert_int_equal((*message)->number, 0);
    mpsc_receiver_close(e.rx);
    mpsc_sender_close(e.tx);
    each_was_freed_once(1);
}

/* ------------------------------------------------------------------ threads */

enum { SENDERS = 3, EACH = 20000 };

struct producer {
    mpsc_sender *tx;
    int first, sent;
};

/* Until nobody receives any more; what was not sent is its own again. */
static int sends_until_disconnected(void *argument)
{
    struct producer *p = argument;
    mpsc_status status = MPSC_OK;
    for (int i = 0; i < EACH && status == MPSC_OK; i++) {
        struct object *object = object_new(p->first + i);
        status = mpsc_send(p->tx, &object, sizeof object);
        if (status)
            object_free(object);
        p->sent++;
    }
    mpsc_sender_close(p->tx);
    return 0;
}

/* The receiver closes while they are at it. */
static void nothing_is_lost_at_a_close(enum mode mode, size_t bound, int takes)
{
    struct ends e = pointers_open(bound);
    struct producer producers[SENDERS];
    worker workers[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        producers[i] = (struct producer){clone_of(e.tx), i * EACH, 0};
        workers[i] = worker_start(mode, sends_until_disconnected, &producers[i]);
    }
    mpsc_sender_close(e.tx);
    for (int i = 0; i < takes; i++)
        object_free(recv_object(e.rx));
    mpsc_receiver_close(e.rx);
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(worker_join(workers[i]), 0);
    for (int i = 0; i < SENDERS; i++)
        for (int n = 0; n < producers[i].sent; n++)
            assert_int_equal(atomic_load(&objects[i * EACH + n].freed), 1);
}

static void each_object_ends_once(enum mode mode)
{
    static const size_t bounds[] = {1, 16, MPSC_UNBOUNDED, 0};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        for (unsigned long round = 0; round < scaled(20); round++)
            nothing_is_lost_at_a_close(mode, bounds[i], (int)round * 37);
}

/* ------------------------------------------------------------------ other channels from within */

static void drop_channel(void *message, size_t length, void *context)
{
    (void)length;
    mpsc_sender_close(*(mpsc_sender **)message);
    atomic_fetch_add((atomic_int *)context, 1);
}

/* What is sent are ends of other channels, of which some hold objects themselves. */
static void what_is_destroyed_may_be_channels(void)
{
    mpsc_options options = options_of(sizeof(mpsc_sender *), 8);
    struct ends outer = {NULL, NULL}, inner = pointers_open(8);
    atomic_int closed = 0;
    options.destroy = drop_channel;
    options.context = &closed;
    assert_status(mpsc_channel_with(&options, &outer.tx, &outer.rx), MPSC_OK);
    atomic_store(&destroyed, 0);
    mpsc_sender *other = clone_of(inner.tx);
    send_object(inner.tx, 0);
    assert_status(mpsc_send(outer.tx, &inner.tx, sizeof inner.tx), MPSC_OK);
    mpsc_receiver_close(outer.rx);
    assert_int_equal(atomic_load(&closed), 1);
    object_free(recv_object(inner.rx));
    mpsc_receiver_close(inner.rx);
    assert_status(mpsc_send(outer.tx, &other, sizeof other), MPSC_DISCONNECTED);
    mpsc_sender_close(other);
    mpsc_sender_close(outer.tx);
    assert_int_equal(atomic_load(&destroyed), 0);
}

/* ------------------------------------------------------------------ other processes */

struct guest {
    const char *name;
    mpsc_sender *tx;
    mpsc_receiver *rx;
};

static int is_refused(void *argument)
{
    struct guest *guest = argument;
    mpsc_sender *tx = NULL;
    mpsc_receiver *rx = NULL;
    mpsc_options options = pointers(MPSC_ANY);
    struct object *object = NULL;
    /* What it inherited, */
    assert_status(mpsc_send(guest->tx, &object, sizeof object), MPSC_DENIED);
    assert_status(mpsc_recv(guest->rx, &object, sizeof object, NULL), MPSC_DENIED);
    mpsc_receiver_close(guest->rx);
    mpsc_sender_close(guest->tx);
    /* and what it opens. */
    assert_status(mpsc_open_sender(guest->name, NULL, &tx), MPSC_DENIED);
    assert_status(mpsc_open_receiver(guest->name, &options, &rx), MPSC_DENIED);
    assert_int_equal(atomic_load(&destroyed), 0);
    return 0;
}

static void other_processes_have_no_part(enum mode mode)
{
    const char *name = channel_name();
    mpsc_options options = pointers(8);
    struct guest guest = {name, NULL, NULL};
    mpsc_sender *second = NULL;
    (void)mode;
    atomic_store(&destroyed, 0);
    assert_status(mpsc_open_sender(name, &options, &guest.tx), MPSC_OK);
    assert_status(mpsc_open_receiver(name, &options, &guest.rx), MPSC_OK);
    assert_status(mpsc_open_sender(name, NULL, &second), MPSC_OK); /* it is ours */
    send_object(second, 0);
    assert_int_equal(worker_join(worker_start(PROCESSES, is_refused, &guest)), 0);
    assert_counts(name, 2, 1, 1);
    mpsc_sender_close(second);
    mpsc_receiver_close(guest.rx);
    assert_int_equal(atomic_load(&destroyed), 1);
    mpsc_sender_close(guest.tx);
    assert_false(name_exists(name));
}

static int opens_and_dies(void *argument)
{
    const struct guest *guest = argument;
    mpsc_options options = pointers(8);
    mpsc_sender *tx;
    assert_status(mpsc_open_sender(guest->name, &options, &tx), MPSC_OK);
    send_object(tx, 0);
    raise(SIGKILL);
    return 0;
}

/* One whose process was killed is an orphan like any other. */
static void an_orphan_is_replaced(enum mode mode)
{
    const char *name = channel_name();
    struct guest guest = {name, NULL, NULL};
    mpsc_options options = pointers(8);
    (void)mode;
    assert_int_equal(worker_join(worker_start(PROCESSES, opens_and_dies, &guest)), 128 + SIGKILL);
    assert_status(mpsc_open_receiver(name, &options, &guest.rx), MPSC_OK);
    assert_int_equal(mpsc_len(guest.rx), 0);
    mpsc_receiver_close(guest.rx);
}

/* ------------------------------------------------------------------ damage */

static void poke(const char *name, size_t offset, const void *word, size_t size)
{
    int fd = open(channel_path(name), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, word, size, (off_t)offset), (ssize_t)size);
    close(fd);
}

/* Its only ring is closed, and followed by itself: neither a receive nor a close goes round for ever. */
static void a_circle_of_rings_ends(void)
{
    const char *name = channel_name();
    mpsc_options options = pointers(MPSC_UNBOUNDED);
    uint64_t closed = RING_CLOSED;
    uint32_t next = 1;
    mpsc_sender *tx;
    mpsc_receiver *rx;
    struct object *object;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    assert_status(mpsc_open_receiver(name, &options, &rx), MPSC_OK);
    assert_status(mpsc_try_recv(rx, &object, sizeof object, NULL), MPSC_EMPTY);
    poke(name, offsetof(struct header, rings) + offsetof(struct ring_words, tail), &closed,
         sizeof closed);
    poke(name, offsetof(struct header, rings) + offsetof(struct ring_words, next), &next,
         sizeof next);
    assert_status(mpsc_try_recv(rx, &object, sizeof object, NULL), MPSC_CORRUPT);
    mpsc_receiver_close(rx);
    mpsc_sender_close(tx);
}

/* ------------------------------------------------------------------ options */

static void options_of_private_channels(void)
{
    struct ends e = {NULL, NULL};
    mpsc_options options = options_of(8, MPSC_UNBOUNDED);
    options.max_bytes = 800;
    options.type_name = "number";
    assert_status(mpsc_channel_with(&options, &e.tx, &e.rx), MPSC_OK);
    for (int i = 0; i < 100; i++)
        send_number(e.tx, 1);
    assert_status(mpsc_try_send(e.tx, &options.size, 8), MPSC_NO_SPACE);
    ends_close(e);

    mpsc_options wrong = options;
    wrong.durable = 1;
    assert_status(mpsc_channel_with(&wrong, &e.tx, &e.rx), MPSC_INVALID);
    wrong = options;
    wrong.exclusive = 1;
    assert_status(mpsc_channel_with(&wrong, &e.tx, &e.rx), MPSC_INVALID);
    wrong = options;
    wrong.any_owner = 1;
    assert_status(mpsc_channel_with(&wrong, &e.tx, &e.rx), MPSC_INVALID);
    wrong = options;
    wrong.create = 0;
    assert_status(mpsc_channel_with(&wrong, &e.tx, &e.rx), MPSC_INVALID);
    assert_status(mpsc_channel_with(NULL, &e.tx, &e.rx), MPSC_INVALID);
    assert_status(mpsc_channel_with(&options, NULL, &e.rx), MPSC_INVALID);
    assert_status(mpsc_channel_with(&options, &e.tx, NULL), MPSC_INVALID);
}

static void what_destroys_must_agree(void)
{
    const char *name = channel_name(), *plain = channel_name();
    mpsc_options options = pointers(8);
    mpsc_sender *tx, *other;
    options.durable = 1;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_INVALID);
    options.durable = 0;
    assert_status(mpsc_open_sender(name, &options, &tx), MPSC_OK);
    options.context = NULL;
    assert_status(mpsc_open_sender(name, &options, &other), MPSC_MISMATCH);
    mpsc_sender_close(tx);

    tx = open_tx(plain, sizeof(struct object *), 8);
    options = pointers(8);
    assert_status(mpsc_open_sender(plain, &options, &other), MPSC_MISMATCH);
    mpsc_sender_close(tx);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(what_is_left_is_destroyed),
        TEST(the_receiver_gets_what_was_sent_first),
        TEST(nothing_is_hidden_by_a_loan),
        TEST(a_peeked_one_is_still_the_channels),
        TEST_THREADS(each_object_ends_once),
        TEST(what_is_destroyed_may_be_channels),
        TEST_PROCESSES(other_processes_have_no_part),
        TEST_PROCESSES(an_orphan_is_replaced),
        TEST(a_circle_of_rings_ends),
        TEST(options_of_private_channels),
        TEST(what_destroys_must_agree),
    };
    return harness_main("pointers", tests, sizeof tests / sizeof *tests);
}
