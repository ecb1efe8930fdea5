/* SPDX-License-Identifier: MIT */
/* The ring by itself (lib/ring.c), one thread: the exact limit, what is seen at each position, stamps
 * of earlier laps, holes, damaged words. */
#include "box.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void a_ring_needs_all_its_memory(void)
{
    struct box *box = box_open(64, 5);
    struct ring ring;
    for (size_t less = 1; less < box->map.size; less += 4095) {
        struct map map = {box->map.base, box->map.size - less};
        assert_false(ring_bind(&ring, &box->header, &map, &box->geometry, 0));
    }
    box_close(box);
}

/* ------------------------------------------------------------------ the limit */

static void the_limit_is_exact(void)
{
    for (uint64_t bound = 1; bound <= 17; bound++) {
        struct box *box = box_open(8, bound);
        uint64_t position, state = bound, queued = 0;
        for (int lap = 0; lap < 100; lap++) {
            for (; queued < bound; queued++) {
                assert_true(ring_room(&box->ring, bound - queued));
                if (queued) {
                    assert_false(ring_room(&box->ring, bound - queued + 1));
                    assert_int_equal(box_claim(box, bound - queued + 1, &position), RING_FULL);
                }
                box_send(box, 8);
            }
            assert_int_equal(box_claim(box, 1, &position), RING_FULL);
            assert_int_equal(ring_count(&box->ring), bound);
            for (uint64_t n = 1 + chance(&state) % bound; n > 0; n--, queued--)
                assert_int_equal(box_take(box), 8);
        }
        box_close(box);
    }
}

/* A message of a chain may need a larger ring than this one, where damage seems to leave any room. */
static void no_claim_is_larger_than_the_ring(void)
{
    struct box *box = box_open(64, GEOMETRY_UNBOUNDED);
    uint64_t position, limit = box->ring.limit;
    assert_true(limit * 64 < box->ring.max_length);
    atomic_store(&box->header.head, 1000 * limit);
    assert_int_equal(box_claim(box, limit + 1, &position), RING_FULL);
    assert_int_equal(box_claim(box, 1, &position), RING_OK);
    assert_true(ring_free(&box->ring, box->seen) <= limit);
    assert_int_equal(box_claim(box, limit + 1, &position), RING_FULL);
    assert_int_equal(box_claim(box, limit, &position), RING_OK);
    box_close(box);
}

static void a_head_seen_long_ago_is_looked_at_again(void)
{
    struct box *box = box_open(8, 3);
    uint64_t position;
    for (int i = 0; i < 3; i++)
        box_send(box, 8);
    assert_int_equal(box->seen, 3);
    assert_int_equal(box_claim(box, 1, &position), RING_FULL);
    box_take(box);
    box_take(box);
    assert_int_equal(box->seen, 3);
    assert_int_equal(box_claim(box, 3, &position), RING_FULL);
    assert_int_equal(box->seen, 5);
    box->seen = 3;
    assert_int_equal(box_claim(box, 2, &position), RING_OK);
    assert_int_equal(box->seen, 5);
    assert_int_equal(position, 3);
    /* And while others went several laps further. */
    ring_cancel(&box->ring, position, 2);
    ring_take(&box->ring, &box->head, 1);
    assert_int_equal(ring_count(&box->ring), 0);
    ring_take(&box->ring, &box->head, 2);
    uint64_t seen = box->seen;
    for (int i = 0; i < 20; i++) {
        while (ring_count(&box->ring))
            box_take(box);
        box_send(box, 24);
    }
    box->seen = seen;
    assert_int_equal(box_claim(box, 1, &position), RING_FULL);
    assert_int_equal(box_take(box), 24);
    box->seen = seen;
    assert_int_equal(box_claim(box, 1, &position), RING_OK);
    box_close(box);
}

/* ------------------------------------------------------------------ against a plain queue */

enum fate { IN_HAND, SENT, NOTHING, DEAD };

struct claim {
    uint64_t position, cells, length;
    enum fate fate;
};

struct queue {
    struct claim claims[64]; /* from the head on; more than any bound here */
    unsigned count;
    uint64_t tail;
};

static uint64_t queue_used(const struct queue *queue)
{
    return queue->count ? queue->tail - queue->claims[0].position : 0;
}

static void queue_drop(struct queue *queue)
{
    memmove(&queue->claims[0], &queue->claims[1], --queue->count * sizeof queue->claims[0]);
}

/* What is seen at each position of a claim. */
static void claim_must_show(const struct box *box, const struct claim *claim)
{
    const struct ring *ring = &box->ring;
    struct ring_item item;
    uint64_t at = claim->position, next = 1;
    if (claim->fate == SENT) {
        next = ring_cells(ring, claim->length);
        assert_int_equal(ring_look(ring, at, &item), RING_OK);
        assert_int_equal(item.length, claim->length);
        assert_int_equal(item.cells, next);
        assert_false(item.taken);
        pattern_check(ring_payload(ring, at, item.length), item.length, at);
        if (next < claim->cells) {
            assert_int_equal(ring_look(ring, at + next, &item), RING_VOID);
            assert_int_equal(item.cells, claim->cells - next);
        }
    } else if (claim->fate == NOTHING) {
        assert_int_equal(ring_look(ring, at, &item), RING_VOID);
        assert_int_equal(item.cells, claim->cells);
    } else {
        next = 0;
    }
    /* All others bear no stamp, whatever stood there laps ago. */
    for (uint64_t i = 0; i < claim->cells; i++)
        if (next == 0 || (i != 0 && i != next))
            assert_int_equal(ring_look(ring, at + i, &item), RING_HOLE);
}

static void queue_must_show(const struct box *box, const struct queue *queue)
{
    uint64_t sent = 0;
    for (unsigned i = 0; i < queue->count; i++) {
        claim_must_show(box, &queue->claims[i]);
        sent += queue->claims[i].fate == SENT;
    }
    assert_int_equal(ring_count(&box->ring), sent);
    assert_int_equal(ring_claimed(&box->ring, box->head), queue->count ? RING_HOLE : RING_EMPTY);
    assert_null(box_check(box));
}

static void queue_claim(struct box *box, struct queue *queue, uint64_t *state)
{
    uint64_t limit = box->geometry.limit, position = 0;
    uint64_t cells = chance(state) % 2 ? 1 : 1 + chance(state) % limit;
    bool fits = queue_used(queue) + cells <= limit;
    assert_int_equal(ring_room(&box->ring, cells), fits);
    assert_int_equal(box_claim(box, cells, &position), fits ? RING_OK : RING_FULL);
    if (!fits)
        return;
    assert_int_equal(position, queue->tail);
    assert_true(intent_covers(&box->intent, position));
    assert_true(intent_covers(&box->intent, position + cells - 1));
    assert_false(intent_covers(&box->intent, position + cells));
    assert_false(intent_covers(&box->intent, position - 1));
    queue->claims[queue->count++] = (struct claim){position, cells, 0, IN_HAND};
    queue->tail += cells;
}

static void queue_finish(struct box *box, struct queue *queue, uint64_t *state)
{
    struct claim *claim = queue->count ? &queue->claims[chance(state) % queue->count] : NULL;
    if (!claim || claim->fate != IN_HAND)
        return;
    switch (chance(state) % 4) {
    case 0:
        claim->fate = DEAD;
        break;
    case 1:
        claim->fate = NOTHING;
        ring_cancel(&box->ring, claim->position, claim->cells);
        break;
    default:
        claim->fate = SENT;
        claim->length = chance(state) % (claim->cells * box->geometry.message_size + 1);
        pattern_fill(ring_payload(&box->ring, claim->position, claim->length), claim->length,
                     claim->position);
        ring_commit(&box->ring, claim->position, claim->cells, claim->length);
    }
}

static void queue_take(struct box *box, struct queue *queue)
{
    struct claim *first = &queue->claims[0];
    if (queue->count == 0 || first->fate == IN_HAND)
        return;
    uint64_t cells = 1, head = box->head;
    if (first->fate == DEAD) {
        assert_true(ring_skip(&box->ring, &box->head));
    } else {
        assert_false(ring_skip(&box->ring, &box->head));
        assert_int_equal(box->head, head);
        cells = first->fate == SENT ? ring_cells(&box->ring, first->length) : first->cells;
        ring_take(&box->ring, &box->head, cells);
    }
    assert_int_equal(box->head, head + cells);
    assert_int_equal(ring_head(&box->ring), box->head);
    /* What a shorter message left of its claim is void. */
    if (first->fate == SENT)
        first->fate = NOTHING;
    first->position += cells;
    first->cells -= cells;
    if (first->cells == 0)
        queue_drop(queue);
}

static void it_is_a_queue_whatever_befalls_a_claim(void)
{
    static const uint64_t starts[] = {0, 1, 31, (UINT64_C(1) << 32) - 3, (UINT64_C(1) << 45) + 7};
    static const uint64_t sizes[] = {1, 17, 700}; /* the last ones cross the ring's end */
    for (uint64_t bound = 0; bound <= 17; bound++) {
        struct box *box = box_open(sizes[bound % COUNT(sizes)], bound);
        struct queue queue = {.tail = starts[bound % COUNT(starts)]};
        uint64_t state = bound + 1;
        box_start_at(box, queue.tail);
        for (unsigned long step = 0; step < scaled(5000); step++) {
            switch (chance(&state) % 3) {
            case 0:
                queue_claim(box, &queue, &state);
                break;
            case 1:
                queue_finish(box, &queue, &state);
                break;
            default:
                queue_take(box, &queue);
            }
            queue_must_show(box, &queue);
        }
        assert_true(queue.tail > starts[bound % COUNT(starts)] + scaled(10) * bound);
        box_close(box);
    }
}

/* Each cell bears a stamp of some lap; then inner and skipped cells bear none for so many laps. What
 * is claimed then must not be seen as what stood there: neither after two laps nor after 256. */
static void a_stamp_of_an_earlier_lap_is_never_taken(void)
{
    enum { CELLS = 4 };
    for (unsigned laps = 1; laps <= 260; laps += laps < 20 ? 1 : 16) {
        struct box *box = box_open(8, CELLS);
        struct ring_item item;
        uint64_t position;
        for (int i = 0; i < CELLS; i++)
            box_send(box, 8);
        for (int i = 0; i < CELLS; i++)
            box_take(box);
        for (unsigned lap = 1; lap < laps; lap++) {
            assert_int_equal(box_claim(box, CELLS, &position), RING_OK);
            if (lap % 2) {
                ring_commit(&box->ring, position, CELLS, CELLS * 8);
                ring_take(&box->ring, &box->head, CELLS);
            } else {
                for (int i = 0; i < CELLS; i++)
                    assert_true(ring_skip(&box->ring, &box->head));
            }
        }
        assert_int_equal(box_claim(box, CELLS, &position), RING_OK);
        assert_int_equal(position, laps * CELLS);
        for (uint64_t i = 0; i < CELLS; i++) {
            assert_int_equal(ring_look(&box->ring, position + i, &item), RING_HOLE);
            assert_false(ring_mark(&box->ring, position + i));
            assert_false(ring_withdraw(&box->ring, position + i));
        }
        assert_int_equal(ring_count(&box->ring), 0);
        box_close(box);
    }
}

/* ------------------------------------------------------------------ damage */

static void words_out_of_bounds_are_corrupt(void)
{
    struct box *box = box_open(8, 5);
    struct ring_words *words = box->ring.words;
    uint64_t position;
    box_send(box, 8);
    box_take(box);
    box_send(box, 8);
    assert_null(box_check(box));

    atomic_store(&words->tail, 0); /* behind the head */
    assert_string_equal(box_check(box), "the ring's head is past its tail");
    assert_int_equal(ring_claimed(&box->ring, box->head), RING_CORRUPT);
    assert_int_equal(ring_count(&box->ring), 0);

    static const uint64_t ahead[] = {6, 7, 8, 1000, UINT64_C(1) << 62, RING_CLOSED - 2};
    for (size_t i = 0; i < COUNT(ahead); i++) {
        atomic_store(&words->tail, box->head + ahead[i]);
        assert_string_equal(box_check(box), "more cells are claimed than the bound allows");
        assert_int_equal(ring_claimed(&box->ring, box->head), RING_CORRUPT);
        assert_int_equal(box_claim(box, 1, &position), RING_CORRUPT);
        assert_int_equal(box_claim(box, 5, &position), RING_CORRUPT);
        assert_int_equal(ring_count(&box->ring), 0);
        assert_int_equal(atomic_load(&words->tail), box->head + ahead[i]);
    }
    box_close(box);
}

/* The stamp's length is in its lowest bits, its kind above. */
static void stamps_out_of_bounds_are_corrupt(void)
{
    struct box *box = box_open(8, 5);
    _Atomic uint64_t *stamp = box_stamp(box, 0);
    struct ring_item item;
    box_send(box, 0);
    uint64_t empty = atomic_load(stamp), kind_void = UINT64_C(1) << box->geometry.length_bits;

    atomic_store(stamp, empty | 40); /* all five cells */
    assert_int_equal(ring_look(&box->ring, 0, &item), RING_OK);
    atomic_store(stamp, empty | 41);
    assert_int_equal(ring_look(&box->ring, 0, &item), RING_CORRUPT);
    assert_int_equal(ring_count(&box->ring), 0);
    assert_false(ring_skip(&box->ring, &box->head));

    atomic_store(stamp, empty | kind_void << 1 | 8); /* taken, of a rendezvous */
    assert_int_equal(ring_look(&box->ring, 0, &item), RING_OK);
    assert_true(item.taken);
    atomic_store(stamp, empty | kind_void * 3 | 8); /* no kind that there is */
    assert_int_equal(ring_look(&box->ring, 0, &item), RING_CORRUPT);

    atomic_store(stamp, empty | kind_void | 5);
    assert_int_equal(ring_look(&box->ring, 0, &item), RING_VOID);
    atomic_store(stamp, empty | kind_void | 6);
    assert_int_equal(ring_look(&box->ring, 0, &item), RING_CORRUPT);
    assert_int_equal(ring_count(&box->ring), 0);
    atomic_store(stamp, empty | kind_void); /* of no cells: nobody must wait there for ever */
    assert_int_equal(ring_look(&box->ring, 0, &item), RING_CORRUPT);
    assert_int_equal(ring_count(&box->ring), 0);
    assert_false(ring_skip(&box->ring, &box->head));

    /* Positions that end with the numbers: a message that goes beyond them. */
    box_start_at(box, RING_CLOSED - 2);
    uint64_t last = box_send(box, 8);
    atomic_store(&box->ring.words->tail, RING_CLOSED - 1);
    _Atomic uint64_t *at = box_stamp(box, last & box->ring.mask);
    atomic_store(at, (atomic_load(at) & ~UINT64_C(8)) | 24);
    assert_in_range(ring_count(&box->ring), 0, 5);
    box_close(box);
}

/* In memory that is only as large as it must be, so that the address sanitizer sees a step outside. */
static struct box *box_exact(uint64_t message_size, uint64_t bound)
{
    struct box *box = box_made();
    struct geometry *g = &box->geometry;
    assert_status(geometry_of(message_size, bound, 0, 4096, g), MPSC_OK);
    size_t size = geometry_place(g, 0).size + g->cells * g->stride;
    box->map = (struct map){aligned_alloc(4096, size), size};
    assert_non_null(box->map.base);
    memset(box->map.base, 0, size);
    assert_true(ring_bind(&box->ring, &box->header, &box->map, g, 0));
    return box;
}

static uint64_t word_near(uint64_t *state, uint64_t near)
{
    static const uint64_t edges[] = {0, 1, 2, 5, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63};
    if (chance(state) % 4 == 0)
        return edges[chance(state) % COUNT(edges)];
    return chance(state) % 8 ? near + chance(state) % 8 - 2 : chance(state) << 16 | chance(state);
}

static void whatever_the_words_are_nobody_leaves_the_ring(void)
{
    struct box *box = box_exact(24, 5);
    const struct ring *ring = &box->ring;
    uint64_t state = 7, found = 0;
    for (unsigned long i = 0; i < scaled(200000); i++) {
        struct ring_item item;
        uint64_t head = word_near(&state, 1000), tail = word_near(&state, head);
        atomic_store(ring->head, head);
        atomic_store(&ring->words->tail, tail);
        /* The right lap half the time; then kind and length are chance. */
        uint64_t lap = (head >> ring->lap_shift) + 1;
        for (uint64_t cell = 0; cell <= ring->mask; cell++)
            atomic_store(box_stamp(box, cell), (chance(&state) % 2 ? lap << (ring->length_bits + 2)
                                                                  : word_near(&state, 0)) ^
                                                  (chance(&state) & 0x3ff));
        unsigned char *payload;
        switch (ring_look(ring, head, &item)) {
        case RING_OK:
            assert_in_range(item.length, 0, 5 * 24);
            assert_in_range(item.cells, 1, 5);
            payload = ring_payload(ring, head, item.length);
            assert_non_null(map_at(&box->map, (uint64_t)(payload - box->map.base), item.length));
            found += payload[item.length ? item.length - 1 : 0] == 0;
            break;
        case RING_VOID:
            assert_in_range(item.cells, 1, 5);
            break;
        default:
            break;
        }
        assert_in_range(ring_count(ring), 0, 5);
        (void)ring_claimed(ring, head);
        (void)box_check(box);
        box->head = head;
        ring_skip(ring, &box->head);
        ring_mark(ring, head);
        ring_withdraw(ring, tail);
        uint64_t position;
        box->seen = word_near(&state, tail);
        if (box_claim(box, 1 + chance(&state) % 5, &position) == RING_OK)
            ring_commit(ring, position, 1, 24);
    }
    assert_true(found > 0);
    free(box->map.base);
    munmap(box, sizeof *box);
}

/* ------------------------------------------------------------------ rendezvous */

static void neither_changes_what_is_done(void)
{
    struct box *box = box_open(8, 0);
    struct ring_item item;
    uint64_t at = 0;
    assert_false(ring_mark(&box->ring, at)); /* nothing there */
    assert_false(ring_withdraw(&box->ring, at));
    box_send(box, 8);
    assert_true(ring_mark(&box->ring, at));
    assert_false(ring_mark(&box->ring, at));
    assert_false(ring_withdraw(&box->ring, at));
    assert_int_equal(ring_look(&box->ring, at, &item), RING_OK);
    assert_true(item.taken);
    assert_int_equal(box_take(box), 8);
    at = box_send(box, 5);
    assert_false(ring_withdraw(&box->ring, at - 1)); /* the same cell, a lap before */
    assert_false(ring_mark(&box->ring, at + 1));
    assert_true(ring_withdraw(&box->ring, at));
    assert_false(ring_withdraw(&box->ring, at));
    assert_false(ring_mark(&box->ring, at));
    assert_int_equal(ring_look(&box->ring, at, &item), RING_VOID);
    assert_int_equal(item.cells, 1);
    box_close(box);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_ring_needs_all_its_memory),
        TEST(the_limit_is_exact),
        TEST(no_claim_is_larger_than_the_ring),
        TEST(a_head_seen_long_ago_is_looked_at_again),
        TEST(it_is_a_queue_whatever_befalls_a_claim),
        TEST(a_stamp_of_an_earlier_lap_is_never_taken),
        TEST(words_out_of_bounds_are_corrupt),
        TEST(stamps_out_of_bounds_are_corrupt),
        TEST(whatever_the_words_are_nobody_leaves_the_ring),
        TEST(neither_changes_what_is_done),
    };
    return harness_main("unit_ring", tests, sizeof tests / sizeof *tests);
}
