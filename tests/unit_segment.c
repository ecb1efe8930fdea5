/* SPDX-License-Identifier: MIT */
/* A segment as a whole (lib/segment.c, lib/view.c): made, named, opened, refused, repaired, removed. */
#include "injector.h"
#include "members.h"

#include "condvar.h"
#include "seat.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ------------------------------------------------------------------ growing */

static int cannot_be_mapped(void *unused, unsigned number)
{
    (void)unused, (void)number;
    return -ENOMEM;
}

/* Between two looks others may claim, and the receiver take, so that the head is past the tail. */
static void a_head_that_overtakes_is_no_want_of_room(void)
{
    struct segment segment;
    mpsc_options options = options_of(8, MPSC_UNBOUNDED);
    options.max_bytes = 4096;
    assert_status(segment_defaults(&options), MPSC_OK);
    assert_status(segment_create("", &options, &segment), MPSC_OK);
    struct chain chain = segment_chain(&segment);
    atomic_store(&segment.header->head, 10);
    assert_int_equal(chain_grow(&chain, 1, cannot_be_mapped, NULL), 0);
    /* A damaged one, by which the ring is full: not to and fro between the two. */
    atomic_store(&segment.header->head, -geometry_place(&segment.geometry, 0).limit);
    assert_int_not_equal(chain_grow(&chain, 1, cannot_be_mapped, NULL), 0);
    segment_close(&segment);
}

/* ------------------------------------------------------------------ made and opened */

static mpsc_options some_options(void)
{
    mpsc_options options = options_of(24, 5);
    options.type_name = "struct job";
    assert_status(segment_defaults(&options), MPSC_OK);
    return options;
}

/* A channel of that name without processes, as they leave it who are all killed. */
static void orphan_new(const char *name, struct segment *segment)
{
    mpsc_options options = some_options();
    assert_status(segment_create(name, &options, segment), MPSC_OK);
    assert_status(segment_publish(segment, name), MPSC_OK);
}

static int reopened(const struct segment *segment, int flags)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", segment->fd);
    int fd = open(path, flags | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void what_is_left_open_becomes_definite(void)
{
    mpsc_options options = MPSC_OPTIONS_INIT;
    assert_status(segment_defaults(&options), MPSC_OK);
    assert_int_equal(options.message_size, 64);
    assert_true(options.bound == MPSC_UNBOUNDED);
    assert_int_equal(options.permissions, 0600);
    options = options_of(8, 0);
    options.permissions = 0640;
    assert_status(segment_defaults(&options), MPSC_OK);
    assert_int_equal(options.message_size, 8);
    assert_int_equal(options.bound, 0);
    assert_int_equal(options.permissions, 0640);
    options.durable = 1; /* a rendezvous keeps nothing */
    assert_status(segment_defaults(&options), MPSC_INVALID);
}

/* All else follows from these four, and there is padding between them. */
static void assert_same_geometry(const struct geometry *one, const struct geometry *other)
{
    assert_int_equal(one->message_size, other->message_size);
    assert_int_equal(one->bound, other->bound);
    assert_int_equal(one->max_bytes, other->max_bytes);
    assert_int_equal(one->page_size, other->page_size);
}

static void what_was_made_can_be_opened(void)
{
    const char *name = channel_name();
    struct segment made, opened;
    mpsc_options options = some_options();
    struct os_file file;
    options.permissions = 0640;
    assert_status(segment_create(name, &options, &made), MPSC_OK);
    assert_null(segment_check(&made));
    assert_false(name_exists(name));
    assert_status(segment_open(name, false, &opened), MPSC_NOT_FOUND);
    assert_status(segment_publish(&made, name), MPSC_OK);
    assert_status(segment_publish(&made, name), MPSC_EXISTS);
    assert_status(segment_open(name, false, &opened), MPSC_OK);
    assert_null(segment_check(&opened));
    assert_memory_equal(&opened.identity, &made.identity, sizeof made.identity);
    assert_memory_equal(&opened.identity, opened.header, sizeof opened.identity);
    assert_same_geometry(&opened.geometry, &made.geometry);
    assert_string_equal(opened.identity.name, name);
    assert_string_equal(opened.identity.type_name, "struct job");
    assert_int_equal(opened.identity.message_size, 24);
    assert_int_equal(opened.identity.bound, 5);
    assert_int_equal(opened.identity.creator, getpid());
    assert_false(registry_is_durable(&opened.registry));
    assert_int_equal(os_file_status(made.fd, &file), 0);
    assert_int_equal(file.permissions, 0640);
    assert_int_equal(file.size, geometry_place(&made.geometry, 0).offset +
                                    geometry_place(&made.geometry, 0).size);
    segment_close(&opened);
    segment_close(&made);
    assert_int_equal(os_shm_unlink(name), 0);
}

/* What is written through one mapping is read through the other, also over the ring's end. */
static void both_mappings_are_one_ring(void)
{
    const char *name = channel_name();
    struct segment made, opened;
    struct intent intent = {0};
    uint64_t seen = 0, head = 0, position;
    mpsc_options options = options_of(1000, 5);
    options.permissions = 0600;
    assert_status(segment_create(name, &options, &made), MPSC_OK);
    assert_status(segment_publish(&made, name), MPSC_OK);
    assert_status(segment_open(name, false, &opened), MPSC_OK);
    intent_none(&intent);
    for (uint64_t i = 0; i < 50; i++) {
        bool withdrew;
        struct ring_item item;
        uint64_t length = i % 5 * 1000 + 1 + i % 1000, cells = ring_cells(&made.ring, length);
        assert_int_equal(ring_claim(&made.ring, &intent, cells, &seen, &position, &withdrew),
                         RING_OK);
        pattern_fill(ring_payload(&made.ring, position, length), length, i);
        ring_commit(&made.ring, position, cells, length);
        assert_int_equal(ring_look(&opened.ring, head, &item), RING_OK);
        assert_int_equal(item.length, length);
        const unsigned char *payload = ring_payload(&opened.ring, head, length);
        assert_true((uintptr_t)payload % 16 == 0);
        pattern_check(payload, length, i);
        ring_take(&opened.ring, &head, item.cells);
    }
    segment_close(&opened);
    segment_close(&made);
    assert_int_equal(os_shm_unlink(name), 0);
}

static void what_cannot_be_made_leaves_nothing(void)
{
    struct segment segment;
    mpsc_options options = options_of(0, 4);
    assert_status(segment_create("", &options, &segment), MPSC_INVALID);
    options = options_of(SIZE_MAX / 2, 4);
    assert_status(segment_create("", &options, &segment), MPSC_LIMIT);
    options = some_options();
    struct rlimit before, none = {0, 0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    mpsc_status status = segment_create("", &options, &segment);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_status(status, MPSC_LIMIT);
}

static void options_agree_or_not(void)
{
    struct segment segment;
    mpsc_options made = some_options();
    made.max_bytes = 1000;
    assert_status(segment_create("", &made, &segment), MPSC_OK);
    mpsc_options options = MPSC_OPTIONS_INIT;
    assert_status(segment_agrees(&segment, &options), MPSC_OK);
    assert_status(segment_agrees(&segment, &made), MPSC_OK);
#define MUST_DIFFER(field, value)                                                                  \
    options = made;                                                                                \
    options.field = value;                                                                         \
    assert_status(segment_agrees(&segment, &options), MPSC_MISMATCH)
    MUST_DIFFER(message_size, 23);
    MUST_DIFFER(bound, 4);
    MUST_DIFFER(bound, 0);
    MUST_DIFFER(bound, MPSC_UNBOUNDED);
    MUST_DIFFER(max_bytes, 1001);
    MUST_DIFFER(durable, 1);
    MUST_DIFFER(type_name, "struct jo");
    MUST_DIFFER(type_name, "struct jobs");
    MUST_DIFFER(permissions, 0644);
    segment_close(&segment);
}

/* ------------------------------------------------------------------ refused */

/* Also takes the descriptor away. */
static void must_refuse(const struct segment *segment, mpsc_status status)
{
    struct segment opened, before;
    int fd = reopened(segment, O_RDWR);
    memset(&opened, 0x5a, sizeof opened);
    memcpy(&before, &opened, sizeof opened);
    assert_status(segment_adopt(fd, false, &opened), status);
    assert_memory_equal(&opened, &before, sizeof opened);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void must_accept(const struct segment *segment)
{
    struct segment opened;
    assert_status(segment_adopt(reopened(segment, O_RDWR), false, &opened), MPSC_OK);
    segment_close(&opened);
}

static void must_name(const struct segment *segment, const char *rule)
{
    assert_non_null(segment_check(segment));
    assert_string_equal(segment_check(segment), rule);
    must_refuse(segment, MPSC_CORRUPT);
}

static void short_must_name(const struct segment *segment, atomic_uint *word, unsigned value,
                            const char *rule)
{
    unsigned sound = atomic_exchange(word, value);
    must_name(segment, rule);
    atomic_store(word, sound);
    must_accept(segment);
}

static void long_must_name(const struct segment *segment, _Atomic uint64_t *word, uint64_t value,
                           const char *rule)
{
    uint64_t sound = atomic_exchange(word, value);
    must_name(segment, rule);
    atomic_store(word, sound);
    must_accept(segment);
}

static void each_broken_rule_is_named(void)
{
    static const char processes[] = "more processes than there are slots";
    static const char endpoints[] = "more endpoints than there are slots";
    static const char kind[] = "an endpoint of an unknown kind";
    static const char slot[] = "an endpoint of a process that has no slot";
    static const char claimed[] = "more cells are claimed than the bound allows";
    struct segment s;
    mpsc_options options = some_options();
    assert_status(segment_create("", &options, &s), MPSC_OK);
    struct ring_words *words = s.ring.words;
    _Atomic uint64_t *owner = &s.registry.endpoints[7].owner;
    unsigned high = atomic_load(&s.header->process_high);
    short_must_name(&s, &s.header->process_high, MPSC_MAX_PROCESSES + 1, processes);
    short_must_name(&s, &s.header->process_high, UINT32_MAX, processes);
    short_must_name(&s, &s.header->endpoint_high, ENDPOINTS_MOST + 1, endpoints);
    short_must_name(&s, &s.header->endpoint_high, UINT32_MAX, endpoints);
    short_must_name(&s, &s.header->state, 2, "an unknown state");
    long_must_name(&s, owner, 1, kind);
    long_must_name(&s, owner, owner_word((enum owner_kind)3, 0, 1), kind);
    long_must_name(&s, owner, owner_word(OWNER_SENDER, high, 1), slot);
    long_must_name(&s, owner, owner_word(OWNER_RECEIVER, 0xffff, 1), slot);
    long_must_name(&s, &s.header->head, 1, "the ring's head is past its tail");
    long_must_name(&s, &words->tail, 6, claimed);
    long_must_name(&s, &words->tail, RING_CLOSED - 1, claimed);
    long_must_name(&s, &words->tail, RING_CLOSED, "the only ring is closed");
    short_must_name(&s, &s.header->oldest, 1, "a ring that cannot be");
    short_must_name(&s, &s.header->newest, 1, "a ring that cannot be");
    segment_close(&s);
}

static void write_identity(const struct segment *segment, struct identity *identity, bool sum)
{
    if (sum)
        identity->checksum = map_checksum(identity, offsetof(struct identity, checksum));
    memcpy(segment->header, identity, sizeof *identity);
}

/* Those who know the checksum may say what they like: sizes and names are looked at. */
static void an_identity_that_is_not_ours_is_refused(void)
{
    struct segment segment;
    orphan_new(channel_name(), &segment);
    struct identity sound = segment.identity, bad;
#define MUST_REFUSE(field, value, status)                                                          \
    bad = sound;                                                                                   \
    bad.field = value;                                                                             \
    write_identity(&segment, &bad, true);                                                          \
    must_refuse(&segment, status)
    MUST_REFUSE(magic, 0, MPSC_CORRUPT);
    MUST_REFUSE(magic, LAYOUT_MAGIC ^ 1, MPSC_CORRUPT);
    MUST_REFUSE(version, LAYOUT_VERSION + 1, MPSC_MISMATCH);
    MUST_REFUSE(version, 0, MPSC_MISMATCH);
    MUST_REFUSE(abi, LAYOUT_ABI ^ 0x100, MPSC_MISMATCH);
    MUST_REFUSE(page_size, 2048, MPSC_MISMATCH);
    MUST_REFUSE(page_size, 0, MPSC_CORRUPT);
    MUST_REFUSE(page_size, 0x80000000u, MPSC_CORRUPT);
    MUST_REFUSE(page_size, sound.page_size * 2, MPSC_CORRUPT); /* the file is too small */
    MUST_REFUSE(message_size, 0, MPSC_CORRUPT);
    MUST_REFUSE(message_size, UINT64_MAX, MPSC_CORRUPT);
    MUST_REFUSE(message_size, 100000, MPSC_CORRUPT);
    MUST_REFUSE(bound, 1000, MPSC_CORRUPT);
    MUST_REFUSE(bound, UINT64_MAX - 1, MPSC_CORRUPT);
    MUST_REFUSE(name[MPSC_MAX_NAME], 'x', MPSC_CORRUPT);
    MUST_REFUSE(type_name[MPSC_MAX_TYPE_NAME], 'x', MPSC_CORRUPT);
    for (size_t byte = 0; byte < sizeof sound; byte++) {
        bad = sound;
        ((unsigned char *)&bad)[byte] ^= 0x10;
        write_identity(&segment, &bad, false);
        bool other = byte >= offsetof(struct identity, version) &&
                     byte < offsetof(struct identity, message_size);
        bool page = byte / 4 == offsetof(struct identity, page_size) / 4;
        must_refuse(&segment, other || (page && bad.page_size % sound.page_size) ? MPSC_MISMATCH
                                                                                 : MPSC_CORRUPT);
    }
    write_identity(&segment, &sound, true);
    must_accept(&segment);
    assert_int_equal(segment_remove_name(&segment, segment.identity.name, true), 0);
    segment_close(&segment);
}

static void a_file_of_another_size_is_refused(void)
{
    struct segment segment;
    mpsc_options options = some_options();
    assert_status(segment_create("", &options, &segment), MPSC_OK);
    struct ring_place place = geometry_place(&segment.geometry, 0);
    uint64_t size = place.offset + place.size;
    const uint64_t sizes[] = {size - 1, size + 1, size + 4096, size * 2, 0,
                              1,        391,      392,         4096,     size};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        assert_int_equal(os_shm_resize(segment.fd, sizes[i]), 0);
        must_refuse(&segment, MPSC_CORRUPT); /* at the end its words are gone */
    }
    segment_close(&segment);
}

static void what_is_no_file_is_refused(void)
{
    struct segment segment;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_status(segment_adopt(fds[0], true, &segment), MPSC_CORRUPT);
    assert_status(segment_adopt(fds[1], true, &segment), MPSC_CORRUPT);
    assert_status(segment_adopt(open("/dev/zero", O_RDWR), true, &segment), MPSC_CORRUPT);
    assert_status(segment_adopt(open("/", O_RDONLY), true, &segment), MPSC_CORRUPT);
    assert_status(segment_adopt(-1, true, &segment), MPSC_DENIED);
    const char *name = channel_name();
    assert_int_equal(mkdir(channel_path(name), 0700), 0);
    assert_status(segment_open(name, true, &segment), MPSC_CORRUPT);
    assert_int_equal(rmdir(channel_path(name)), 0);
    assert_int_equal(mkfifo(channel_path(name), 0600), 0);
    assert_status(segment_open(name, true, &segment), MPSC_CORRUPT);
    assert_int_equal(unlink(channel_path(name)), 0);
    assert_int_equal(symlink("/dev/null", channel_path(name)), 0);
    assert_status(segment_open(name, true, &segment), MPSC_CORRUPT);
    assert_int_equal(unlink(channel_path(name)), 0);
}

static void a_stranger_s_is_refused(void)
{
    struct segment segment, opened;
    if (geteuid() != 0)
        harness_skip("only root can give a file away");
    mpsc_options options = some_options();
    assert_status(segment_create("", &options, &segment), MPSC_OK);
    assert_int_equal(fchown(segment.fd, 12345, (gid_t)-1), 0);
    must_refuse(&segment, MPSC_DENIED);
    assert_status(segment_adopt(reopened(&segment, O_RDWR), true, &opened), MPSC_OK);
    segment_close(&opened);
    segment_close(&segment);
}

/* ------------------------------------------------------------------ a look */

static void a_view_reads_and_does_nothing_else(void)
{
    struct segment *segment = segment_new(5);
    struct member living = member_new(segment), dead = member_new(segment);
    unsigned tx = member_add(&living, OWNER_SENDER), gone = member_add(&dead, OWNER_SENDER);
    unsigned rx = member_add(&living, OWNER_RECEIVER);
    assert_int_equal(seat_take(&living.registry, rx, 0), SEAT_TAKEN);
    atomic_store(&endpoint_of(segment, tx)->messages, 11);
    atomic_store(&endpoint_of(segment, tx)->blocked_since, 12);
    uint64_t head = 0, position;
    bool withdrew;
    assert_int_equal(ring_claim(&segment->ring, &endpoint_of(segment, tx)->intent, 1, &head,
                                &position, &withdrew),
                     RING_OK);
    ring_commit(&segment->ring, position, 1, 8);
    atomic_store(&segment->header->received, 4);
    member_end(&dead);
    size_t tables = segment->tables.size;
    unsigned char *before = malloc(tables);
    assert_non_null(before);
    memcpy(before, segment->tables.base, tables);

    struct view view;
    struct view_endpoint endpoint;
    mpsc_stats stats;
    assert_status(view_adopt(reopened(segment, O_RDONLY), &view, NULL), MPSC_OK);
    assert_null(view_check(&view));
    view_stats(&view, &stats);
    assert_int_equal(stats.message_size, 8);
    assert_int_equal(stats.bound, 5);
    assert_int_equal(stats.queued, 1);
    assert_int_equal(stats.sent, 5);
    assert_int_equal(stats.senders, 1);
    assert_int_equal(stats.receivers, 1);
    assert_int_equal(stats.processes, 1);
    assert_int_equal(stats.receiver_pid, getpid());
    assert_false(stats.linked);
    assert_true(view_endpoints(&view) > rx);
    assert_true(view_endpoint(&view, tx, &endpoint));
    assert_true(endpoint.kind == OWNER_SENDER && endpoint.alive && !endpoint.seated);
    assert_int_equal(endpoint.pid, getpid());
    assert_int_equal(endpoint.messages, 11);
    assert_int_equal(endpoint.blocked_since, 12);
    assert_true(view_endpoint(&view, gone, &endpoint));
    assert_false(endpoint.alive);
    assert_true(view_endpoint(&view, rx, &endpoint));
    assert_true(endpoint.kind == OWNER_RECEIVER && endpoint.alive && endpoint.seated);
    assert_false(view_endpoint(&view, rx + 1, &endpoint));
    view_close(&view);
    assert_memory_equal(segment->tables.base, before, tables);
    atomic_store(&segment->header->head, 9);
    assert_status(view_adopt(reopened(segment, O_RDONLY), &view, NULL), MPSC_CORRUPT);
    free(before);
    member_end(&living);
    segment_end(segment);
}

/* ------------------------------------------------------------------ a walk along the messages */

/* Sends `value` as far as its last step: the stamp. */
static uint64_t write_unsent(struct segment *segment, struct endpoint *sender, uint64_t value)
{
    uint64_t end = 0, position;
    bool withdrew;
    assert_int_equal(ring_claim(&segment->ring, &sender->intent, 1, &end, &position, &withdrew),
                     RING_OK);
    memcpy(ring_payload(&segment->ring, position, sizeof value), &value, sizeof value);
    return position;
}

static void write_message(struct segment *segment, struct endpoint *sender, uint64_t value)
{
    ring_commit(&segment->ring, write_unsent(segment, sender, value), 1, sizeof value);
    intent_none(&sender->intent);
}

static void must_walk_to(const struct view *view, struct view_walk *walk, uint64_t value,
                         bool taken)
{
    struct view_message message;
    uint64_t seen = 0;
    assert_int_equal(view_walk_next(view, walk, &seen, sizeof seen, &message), VIEW_MESSAGE);
    assert_int_equal(seen, value);
    assert_int_equal(message.length, sizeof value);
    assert_int_equal(message.taken, taken);
}

/* 5 messages at a time in 8 cells: what was taken can be seen until its cell is claimed anew, and from
 * then on not, though its stamp still stands. */
static void a_walk_gives_no_message_whose_room_is_used_again(void)
{
    struct segment *segment = segment_new(5);
    struct member member = member_new(segment);
    struct endpoint *sender = endpoint_of(segment, member_add(&member, OWNER_SENDER));
    struct view view;
    struct view_walk walk;
    struct view_message message;
    uint64_t head = 0, seen;
    for (uint64_t i = 0; i < 5; i++)
        write_message(segment, sender, i);
    assert_status(view_adopt(reopened(segment, O_RDONLY), &view, NULL), MPSC_OK);
    view_walk_begin(&view, &walk);
    assert_int_equal(walk.end - walk.position, 5);
    must_walk_to(&view, &walk, 0, false);
    ring_take(&segment->ring, &head, 5);
    must_walk_to(&view, &walk, 1, true);
    for (uint64_t i = 5; i < 9; i++) /* the last one where the first was */
        write_message(segment, sender, i);
    struct view_walk kept = walk;
    must_walk_to(&view, &walk, 2, true);
    assert_int_equal(write_unsent(segment, sender, 9) % 8, 1);
    walk = kept;
    walk.position = 1;
    assert_int_equal(view_walk_next(&view, &walk, &seen, sizeof seen, &message), VIEW_LOST);
    assert_int_equal(walk.position, head);
    for (uint64_t i = 5; i < 9; i++)
        must_walk_to(&view, &walk, i, false);
    assert_int_equal(view_walk_next(&view, &walk, &seen, sizeof seen, &message), VIEW_UNSENT);
    view_close(&view);
    member_end(&member);
    segment_end(segment);
}

/* ------------------------------------------------------------------ repaired, unlinked */

static void a_repair_makes_anew_what_follows_from_the_tables(void)
{
    struct segment *segment = segment_new(5);
    struct member member = member_new(segment);
    struct header *header = segment->header;
    member_add(&member, OWNER_SENDER);
    member_add(&member, OWNER_SENDER);
    unsigned rx = member_add(&member, OWNER_RECEIVER);
    /* The owner died between a table and its count, and told nobody. */
    atomic_store(&segment->registry.endpoints[rx].owner, 0);
    atomic_store(&header->senders, 1);
    unsigned room = condvar_prepare(&header->room);
    segment_repair(segment);
    assert_counts_are(segment, 2, 0);
    assert_int_equal(atomic_load(&header->left), SIDE_RECEIVER);
    assert_int_not_equal(atomic_load(&header->room.sequence), room);
    assert_int_equal(atomic_load(&header->repairs), 1);
    assert_null(segment_check(segment));
    member_end(&member);
    segment_end(segment);
}

static void an_unlinked_channel_is_durable_no_more(void)
{
    struct segment segment;
    mpsc_options options = some_options();
    options.durable = 1;
    const char *name = channel_name();
    assert_status(segment_create(name, &options, &segment), MPSC_OK);
    assert_status(segment_publish(&segment, name), MPSC_OK);
    assert_true(registry_is_durable(&segment.registry));
    unsigned arrived = condvar_prepare(&segment.header->arrived);
    unsigned room = condvar_prepare(&segment.header->room);
    atomic_store(&segment.header->seen, SIDE_SENDER | SIDE_RECEIVER); /* and went */
    assert_status(mpsc_unlink(name), MPSC_OK);
    assert_false(registry_is_durable(&segment.registry));
    /* All who sleep are told. */
    assert_int_equal(atomic_load(&segment.header->left), SIDE_SENDER | SIDE_RECEIVER);
    assert_int_not_equal(atomic_load(&segment.header->arrived.sequence), arrived);
    assert_int_not_equal(atomic_load(&segment.header->room.sequence), room);
    segment_close(&segment);
}

static void a_newer_channel_keeps_its_name(void)
{
    const char *name = channel_name();
    struct segment older, newer;
    orphan_new(name, &older);
    assert_int_equal(segment_remove_name(&older, name, true), 0);
    assert_false(name_exists(name));
    assert_int_equal(segment_remove_name(&older, name, true), 0); /* there is none */
    orphan_new(name, &newer);
    assert_int_equal(segment_remove_name(&older, name, true), 0);
    assert_true(name_exists(name));
    int fd = reopened(&newer, O_RDWR);
    assert_int_equal(os_lock_try(fd, LOCK_UNLINK), 0);
    assert_int_equal(segment_remove_name(&newer, name, false),
                     -EAGAIN); /* somebody else is at it */
    assert_true(name_exists(name));
    os_close(fd);
    assert_int_equal(segment_remove_name(&newer, name, true), 0);
    assert_false(name_exists(name));
    segment_close(&older);
    segment_close(&newer);
}

static int removes_a_name(void *argument)
{
    return segment_remove_name(argument, ((const struct segment *)argument)->identity.name, true);
}

static int is_about_to_remove(void *argument)
{
    int fd = reopened(argument, O_RDWR);
    assert_int_equal(os_lock_try(fd, LOCK_UNLINK), 0);
    pause();
    return 1;
}

static bool somebody_is_about_to(void *segment)
{
    return os_lock_held(((const struct segment *)segment)->fd, LOCK_UNLINK) == 1;
}

/* One who waits for another remover does not rely on it. Not in a thread: valgrind runs one at a time, and
 * does not know that this call waits. */
static void a_remover_that_dies_is_replaced(enum mode mode)
{
    struct segment segment;
    orphan_new(channel_name(), &segment);
    worker first = worker_start(PROCESSES, is_about_to_remove, &segment);
    wait_until(somebody_is_about_to, &segment);
    worker second = worker_start(mode, removes_a_name, &segment);
    wait_asleep(second);
    assert_true(name_exists(segment.identity.name));
    kill(worker_pid(first), SIGKILL);
    assert_int_equal(worker_join(second), 0);
    assert_false(name_exists(segment.identity.name));
    assert_int_equal(worker_join(first), 128 + SIGKILL);
    segment_close(&segment);
}

/* ------------------------------------------------------------------ two who find an orphan */

struct rally {
    const char *name;
    unsigned rounds;
    atomic_uint round, opened, received, closed;
};

static int finds_an_orphan_and_sends(void *argument)
{
    struct rally *rally = argument;
    for (unsigned round = 1; round <= rally->rounds; round++) {
        wait_for_turn(&rally->round, round);
        mpsc_sender *tx = open_tx(rally->name, 24, 5);
        atomic_fetch_add(&rally->opened, 1);
        wait_for_turn(&rally->opened, round * 2);
        send_number(tx, round);
        wait_for_turn(&rally->received, round);
        mpsc_sender_close(tx);
        atomic_fetch_add(&rally->closed, 1);
    }
    return 0;
}

static int finds_an_orphan_and_receives(void *argument)
{
    struct rally *rally = argument;
    for (unsigned round = 1; round <= rally->rounds; round++) {
        wait_for_turn(&rally->round, round);
        mpsc_receiver *rx = open_rx(rally->name, 24, 5);
        atomic_fetch_add(&rally->opened, 1);
        wait_for_turn(&rally->opened, round * 2);
        uint64_t number = 0;
        assert_status(mpsc_recv_timeout(rx, &number, sizeof number, NULL, 10 * SECONDS), MPSC_OK);
        assert_int_equal(number, round);
        atomic_store(&rally->received, round);
        mpsc_receiver_close(rx);
        atomic_fetch_add(&rally->closed, 1);
    }
    return 0;
}

static void two_that_find_an_orphan_meet(enum mode mode)
{
    struct rally *rally = shared_memory(sizeof *rally);
    rally->name = channel_name();
    rally->rounds = (unsigned)scaled(1000);
    worker sender = worker_start(mode, finds_an_orphan_and_sends, rally);
    worker receiver = worker_start(mode, finds_an_orphan_and_receives, rally);
    for (unsigned round = 1; round <= rally->rounds; round++) {
        struct segment orphan;
        orphan_new(rally->name, &orphan);
        if (round % 2) { /* with entries of one who was killed */
            assert_int_equal(registry_attach(&orphan.registry, round % 3, 9), 0);
            assert_int_equal(registry_add(&orphan.registry, OWNER_SENDER, round % 3, 9), 0);
        }
        segment_close(&orphan);
        atomic_store(&rally->round, round);
        wait_for_turn(&rally->closed, round * 2);
        assert_false(name_exists(rally->name));
    }
    assert_int_equal(worker_join(sender), 0);
    assert_int_equal(worker_join(receiver), 0);
}

/* ------------------------------------------------------------------ one who is late */

/* It has found that the channel has ended, and is about to remove its name. */
struct latecomer {
    struct injector injector;
    const char *name;
};

static int opens_late(void *argument)
{
    struct latecomer *late = argument;
    injector_begin(&late->injector);
    mpsc_sender *tx = open_tx(late->name, 24, 5);
    injector_end(&late->injector, false);
    send_number(tx, 7);
    mpsc_sender_close(tx);
    return 0;
}

static int unlinks_late(void *argument)
{
    struct latecomer *late = argument;
    injector_begin(&late->injector);
    mpsc_status status = mpsc_unlink(late->name);
    injector_end(&late->injector, false);
    assert_status(status, MPSC_OK);
    return 0;
}

static int closes_late(void *argument)
{
    struct latecomer *late = argument;
    mpsc_sender *tx = open_tx(late->name, 24, 5);
    injector_begin(&late->injector);
    mpsc_sender_close(tx);
    injector_end(&late->injector, false);
    return 0;
}

static bool waits_for_a_lock(const struct system_call *call)
{
    return call->number == SYS_fcntl && call->arguments[1] == F_OFD_SETLKW;
}

static bool tries_a_lock(const struct system_call *call)
{
    return call->number == SYS_fcntl && call->arguments[1] == F_OFD_SETLK;
}

/* Between its first look at the name and its lock on what that meant then, another replaces the orphan. */
static mpsc_receiver *replaced_meanwhile(struct latecomer *late, int (*body)(void *),
                                         injector_filter *locks)
{
    struct system_call call;
    worker w = injector_start(&late->injector, body, late);
    pid_t pid = worker_pid(w);
    assert_true(injector_go(&late->injector, locks, 0, &pid, &call));
    mpsc_receiver *rx = open_rx(late->name, 24, 5);
    assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    assert_int_equal(worker_join(w), 0);
    assert_true(name_exists(late->name));
    return rx;
}

static void who_is_late_removes_no_newer_channel(void)
{
    struct latecomer *late = shared_memory(sizeof *late);
    struct segment orphan;
    late->name = channel_name();

    orphan_new(late->name, &orphan);
    segment_close(&orphan);
    mpsc_receiver *rx = replaced_meanwhile(late, opens_late, waits_for_a_lock);
    assert_int_equal(recv_number(rx), 7); /* both are on the newer one */
    mpsc_receiver_close(rx);

    orphan_new(late->name, &orphan);
    segment_close(&orphan);
    mpsc_receiver_close(replaced_meanwhile(late, unlinks_late, waits_for_a_lock));

    mpsc_receiver_close(replaced_meanwhile(late, closes_late, tries_a_lock));
    assert_false(name_exists(late->name));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(a_head_that_overtakes_is_no_want_of_room),
        TEST(what_is_left_open_becomes_definite),
        TEST(what_was_made_can_be_opened),
        TEST(both_mappings_are_one_ring),
        TEST(what_cannot_be_made_leaves_nothing),
        TEST(options_agree_or_not),
        TEST(each_broken_rule_is_named),
        TEST(an_identity_that_is_not_ours_is_refused),
        TEST(a_file_of_another_size_is_refused),
        TEST(what_is_no_file_is_refused),
        TEST(a_stranger_s_is_refused),
        TEST(a_view_reads_and_does_nothing_else),
        TEST(a_walk_gives_no_message_whose_room_is_used_again),
        TEST(a_repair_makes_anew_what_follows_from_the_tables),
        TEST(an_unlinked_channel_is_durable_no_more),
        TEST(a_newer_channel_keeps_its_name),
        TEST_PROCESSES(a_remover_that_dies_is_replaced),
        TEST_PROCESSES(two_that_find_an_orphan_meet),
        TEST(who_is_late_removes_no_newer_channel),
    };
    return harness_main("unit_segment", tests, sizeof tests / sizeof *tests);
}
