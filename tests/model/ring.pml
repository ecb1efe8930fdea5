/* SPDX-License-Identifier: MIT */
/*
 * The ring (lib/ring.c), a hole's verdict (lib/recover.c, registry_covers), clearing away after the
 * dead (registry_remove) and taking the seat over. Two senders, the second of messages of one or two
 * cells, some of them shortened or cancelled; sender, heir of its endpoint and receiver may die
 * before each of their steps. One step is one access to shared memory. Waiting is a guard here: what
 * sleep.pml proves.
 *
 * LIMIT cells (2 or 3; of 3, the stamps are 4), ONES and TWOS: attempts of each sender, DEATHS.
 *
 * Rules to break, one at a time:
 *   INTENT_AFTER_CAS        the intent is stored after the tail moved
 *   INTENT_NOT_KEPT         the intent is withdrawn before the commit
 *   INTENT_KEPT             the intent is kept while its owner waits for room
 *   TAIL_AFTER_INTENTS      the receiver loads the tail after the intents
 *   STAMP_NOT_AGAIN         the receiver does not load the stamp again after the intents
 *   INTENT_NOT_AGAIN        registry_covers does not read the intent again after its owner
 *   STAMP_MODULO            stamps tell laps apart modulo two only
 *   GIVEN_AWAY_FIRST        an endpoint is free before its intent is cleared
 *   HEAD_BEFORE_SEAT        a successor reads the head before it has the seat
 *   HEAD_LAZY               the head is published for two messages at a time
 *   HEAD_BEFORE_COPY        the head is published before the message was copied
 *   COMMIT_BEFORE_COPY      the stamp is stored before the payload
 */
#ifndef LIMIT
#define LIMIT 2
#endif
#if LIMIT == 2
#define CELLS 2
#else
#define CELLS 4
#endif
#ifndef ONES
#define ONES 3
#endif
#ifndef TWOS
#define TWOS 2
#endif
#ifndef DEATHS
#define DEATHS 2
#endif

#define INTENT_NONE 255
#define MESSAGE 1
#define VOID 2

#define AT(position) ((position) % CELLS)
#ifdef STAMP_MODULO
#define LAP(position) (((position) / CELLS) % 2 + 1)
#else
#define LAP(position) ((position) / CELLS + 1)
#endif

/* What is shared. */
byte tail, head;
byte stamp_lap[CELLS], stamp_kind[CELLS], stamp_cells[CELLS];
byte intent_position[2] = INTENT_NONE;
byte intent_cells[2];
byte owner[2]; /* of an endpoint: 0 is free, else a process */
byte seat;
byte payload[CELLS];

/* Who lives. Senders are 1 + endpoint + 2 * generation, receivers RECEIVER and RECEIVER + 1. */
#define RECEIVER 14
#define LIFE(who) (1 << (who))
#define ALIVE(who) ((living >> (who)) & 1)
short living;
byte deaths;
byte left; /* senders that are through */

/* What only the assertions know. */
byte user[CELLS];      /* whose the cell is now; 0: nobody's */
byte committed[2];     /* messages, for each endpoint */
byte delivered[2];
byte over;             /* the message that a receiver was killed over */
bool finished;
byte intent_by[2];     /* who stored the intent that stands */

#define OR_DIE(who) :: deaths > 0 -> deaths--; living = living & ~LIFE(who); goto dead

/* The first receiver; its successor has to bring it to an end. */
#define OR_LEAVE_IT \
    :: deaths > 0 && who == RECEIVER -> deaths--; living = living & ~LIFE(who); goto dead

#define COVERS(e, position) \
    (intent_position[e] <= (position) && (position) - intent_position[e] < intent_cells[e])
#define COVERED(position) \
    ((COVERS(0, position) && owner[0] && ALIVE(owner[0])) || \
     (COVERS(1, position) && owner[1] && ALIVE(owner[1])))

/* What nobody looks at again; the lap stays. */
#define FORGET(cell) \
    user[cell] = 0; stamp_kind[cell] = 0; stamp_cells[cell] = 0; payload[cell] = 0

/* seq of a message: the commits of its endpoint, counted. */
#define MESSAGE_OF(who, e) ((who) << 3 | (committed[e] + 1))

proctype Sender(byte e; byte most)
{
    byte who = 1 + e, cells = 1, needed = 1, tries, tail_, head_, i;
    bool withdrew;

ring_claim:
    atomic {
        if
        :: tries == most -> tail_ = 0; head_ = 0; cells = 1; left++; goto gone
        :: tries < most ->
            tail_ = tail;
            withdrew = false;
            if
            :: e == 1 && !(tries & 1) -> cells = 2
            :: e == 0 || (tries & 1) -> cells = 1
            fi
        OR_DIE(who)
        fi
    }
ring_fits:
    atomic {
        if
        :: tail_ + cells - head_ <= LIMIT -> goto intent_store
        :: tail_ + cells - head_ > LIMIT -> head_ = head
        OR_DIE(who)
        fi
    }
    atomic {
        if
        :: tail == tail_ ->
            assert(tail_ - head_ <= LIMIT); /* else RING_CORRUPT */
            if
            :: tail_ + cells - head_ > LIMIT -> goto ring_full
            :: else -> goto intent_store
            fi
        :: tail != tail_ -> tail_ = tail; goto ring_fits
        OR_DIE(who)
        fi
    }
ring_full:
#ifndef INTENT_KEPT
    atomic {
        if
        :: withdrew -> intent_position[e] = INTENT_NONE; intent_by[e] = who
        :: !withdrew -> skip
        OR_DIE(who)
        fi
    }
#endif
    atomic {
        if
        :: tail + cells - head <= LIMIT -> tail_ = 0; goto ring_claim
        OR_DIE(who)
        fi
    }

intent_store:
#ifndef INTENT_AFTER_CAS
    atomic {
        if
        :: intent_cells[e] != cells -> intent_cells[e] = cells
        :: intent_cells[e] == cells -> goto intent_store_position
        OR_DIE(who)
        fi
    }
intent_store_position:
    atomic {
        if
        :: intent_position[e] = tail_; intent_by[e] = who; withdrew = true
        OR_DIE(who)
        fi
    }
#endif
    /* The CAS. */
    atomic {
        if
        :: tail != tail_ -> tail_ = tail; goto ring_fits
        :: tail == tail_ ->
            tail = tail + cells;
            tries++;
            withdrew = false;
            i = 0;
            do
            :: i < cells ->
                assert(user[AT(tail_ + i)] == 0);
                user[AT(tail_ + i)] = who;
                i++
            :: i == cells -> break
            od;
            i = 0
        OR_DIE(who)
        fi
    }
#ifdef INTENT_AFTER_CAS
    atomic {
        if
        :: intent_cells[e] = cells; intent_position[e] = tail_; intent_by[e] = who; withdrew = true
        OR_DIE(who)
        fi
    }
#endif

    /* A message of all that was claimed, or of less, or none. */
    atomic {
        if
        :: needed = cells
        :: cells == 2 -> needed = 1
        :: e == 1 -> needed = 0
        OR_DIE(who)
        fi
    }
#ifndef COMMIT_BEFORE_COPY
    atomic {
        if
        :: needed == 0 -> skip
        :: needed > 0 ->
            assert(user[AT(tail_)] == who && user[AT(tail_ + needed - 1)] == who);
            payload[AT(tail_)] = MESSAGE_OF(who, e);
            payload[AT(tail_ + needed - 1)] = MESSAGE_OF(who, e)
        OR_DIE(who)
        fi
    }
#endif
#ifdef INTENT_NOT_KEPT
    intent_position[e] = INTENT_NONE;
#endif
    /* ring_commit, ring_cancel */
    atomic {
        if
        :: needed == 0 || needed == cells -> skip
        :: needed > 0 && needed < cells ->
            stamp_lap[AT(tail_ + needed)] = LAP(tail_ + needed);
            stamp_kind[AT(tail_ + needed)] = VOID;
            stamp_cells[AT(tail_ + needed)] = cells - needed
        OR_DIE(who)
        fi
    }
    atomic {
        if
        :: needed == 0 ->
            stamp_lap[AT(tail_)] = LAP(tail_);
            stamp_kind[AT(tail_)] = VOID;
            stamp_cells[AT(tail_)] = cells;
            tail_ = 0;
            goto ring_claim
        :: needed > 0 ->
            stamp_lap[AT(tail_)] = LAP(tail_);
            stamp_kind[AT(tail_)] = MESSAGE;
            stamp_cells[AT(tail_)] = needed;
            committed[e]++;
            needed = 1
#ifndef COMMIT_BEFORE_COPY
            ; tail_ = 0; goto ring_claim
#endif
        OR_DIE(who)
        fi
    }
#ifdef COMMIT_BEFORE_COPY
    payload[AT(tail_)] = MESSAGE_OF(who, e) - 1;
    payload[AT(tail_ + needed - 1)] = MESSAGE_OF(who, e) - 1;
#endif
    goto ring_claim;

dead:
    atomic { head_ = 0; tail_ = 0; withdrew = false; needed = 1; i = 0; cells = 1 }
    /* Another process gets the endpoint once it is free: registry_add. */
    atomic {
        owner[e] == 0 ->
        intent_position[e] = INTENT_NONE;
        who = who + 2;
        intent_by[e] = who;
        owner[e] = who;
        living = living | LIFE(who);
        head_ = head;
        goto ring_claim
    }
gone:
    skip
}

/* registry_reap: what a dead process left is removed, in the order of registry_remove. */
proctype Reaper()
{
    byte e;
end:
    do
    :: atomic {
           if
           :: owner[0] && !ALIVE(owner[0]) -> e = 0
           :: owner[1] && !ALIVE(owner[1]) -> e = 1
           fi
       }
#ifdef GIVEN_AWAY_FIRST
       owner[e] = 0;
       intent_position[e] = INTENT_NONE;
#else
       intent_position[e] = INTENT_NONE;
       owner[e] = 0;
#endif
       e = 0
    od
}

proctype Receiver(byte who)
{
    byte head_, cells, e, holder, by, first, now;

#ifdef HEAD_BEFORE_SEAT
    head_ = head;
#endif
    /* seat_take */
    atomic {
        if
        :: seat == 0 || !ALIVE(seat) || seat == who -> seat = who
        :: finished -> goto gone
        fi
    }
#ifndef HEAD_BEFORE_SEAT
    atomic { if :: head_ = head OR_LEAVE_IT fi }
#endif

ring_look:
    atomic {
        cells = 0; e = 0; holder = 0; by = 0; first = 0; now = 0;
        if
        :: stamp_lap[AT(head_)] == LAP(head_) ->
            cells = stamp_cells[AT(head_)];
            if
            :: stamp_kind[AT(head_)] == VOID -> goto pass
            :: else
            fi
        :: stamp_lap[AT(head_)] != LAP(head_) -> goto ring_claimed
        OR_LEAVE_IT
        fi
    }
#ifdef HEAD_BEFORE_COPY
    atomic {
        user[AT(head_)] = 0;
        user[AT(head_ + cells - 1)] = 0;
        head = head_ + cells
    }
#endif
    /* The copy. */
    atomic {
        if
        :: now = payload[AT(head_)];
#ifndef HEAD_BEFORE_COPY
            assert(user[AT(head_)] == now >> 3);
            assert(user[AT(head_ + cells - 1)] == now >> 3);
#endif
            assert(payload[AT(head_ + cells - 1)] == now);
            e = ((now >> 3) - 1) & 1;
            if
            :: (now & 7) == delivered[e] + 1 -> delivered[e]++
            :: else -> assert(now == over) /* lost, out of order, or twice */
            fi
        OR_LEAVE_IT
        fi
    }
#ifdef HEAD_BEFORE_COPY
    head_ = head_ + cells;
    goto ring_look;
#endif
pass:
    /* ring_take */
    atomic {
        if
        :: first = cells;
            do
            :: first > 0 ->
                assert(user[AT(head_)] != 0 && user[AT(head_)] == user[AT(head_ + first - 1)]);
                first--
            :: first == 0 -> break
            od;
            FORGET(AT(head_)); FORGET(AT(head_ + cells - 1));
            head_ = head_ + cells;
#ifdef HEAD_LAZY
            if
            :: head_ - head >= 2 -> head = head_
            :: else
            fi;
#else
            head = head_;
#endif
            goto ring_look
        :: deaths > 0 && who == RECEIVER ->
            over = now;
            deaths--; living = living & ~LIFE(who); goto dead
        fi
    }

ring_claimed:
#ifndef TAIL_AFTER_INTENTS
    atomic {
        if
        :: tail == head_ -> goto ring_empty
        :: tail != head_ -> assert(tail - head_ <= LIMIT) /* else RING_CORRUPT */
        OR_LEAVE_IT
        fi
    }
#endif
    /* recover_hole: registry_covers */
    e = 0;
next_endpoint:
    atomic {
        if
        :: e == 2 -> e = 0; goto ring_skip
        :: e < 2 -> first = intent_position[e]
        OR_LEAVE_IT
        fi
    }
    atomic {
        if
        :: first <= head_ && head_ - first < intent_cells[e] -> first = 0
        :: !(first <= head_ && head_ - first < intent_cells[e]) -> first = 0; e++; goto next_endpoint
        OR_LEAVE_IT
        fi
    }
    atomic {
        if
        :: owner[e] && ALIVE(owner[e]) -> holder = owner[e]
        :: !(owner[e] && ALIVE(owner[e])) -> e++; goto next_endpoint
        OR_LEAVE_IT
        fi
    }
#ifndef INTENT_NOT_AGAIN
    atomic {
        if
        :: COVERS(e, head_) ->
            /* Who is believed to live is the one who said so. */
            assert(intent_by[e] == holder);
            goto wait
        :: !COVERS(e, head_) -> holder = 0; e++; goto next_endpoint
        OR_LEAVE_IT
        fi
    }
#else
    atomic { assert(by == holder); goto wait }
#endif

ring_skip:
#ifdef TAIL_AFTER_INTENTS
    if
    :: tail == head_ -> goto ring_empty
    :: else
    fi;
#endif
#ifndef STAMP_NOT_AGAIN
    atomic {
        if
        :: stamp_lap[AT(head_)] == LAP(head_) -> goto ring_look /* RECOVER_STAMPED */
        :: stamp_lap[AT(head_)] != LAP(head_) -> skip
        OR_LEAVE_IT
        fi
    }
#endif
    atomic {
        if
        ::  /* RECOVER_PASSED: only a dead one's, and only what was not committed. */
            assert(user[AT(head_)] != 0 && !ALIVE(user[AT(head_)]));
            assert(stamp_lap[AT(head_)] != LAP(head_));
            FORGET(AT(head_));
            head_++;
            head = head_;
            goto ring_look
        OR_LEAVE_IT
        fi
    }

ring_empty:
    atomic {
#ifdef HEAD_LAZY
        head = head_;
#endif
        if
        :: tail == head_ && left == 2 ->
            /* What was committed came. */
            assert(delivered[0] == committed[0] && delivered[1] == committed[1]);
            finished = true;
            goto gone
        :: tail != head_ || left < 2
        fi
    }
wait:
    atomic {
        cells = 0; e = 0; holder = 0; by = 0; first = 0; now = 0;
#ifdef HEAD_LAZY
        head = head_;
#endif
        if
        :: stamp_lap[AT(head_)] == LAP(head_) || (tail != head_ && !COVERED(head_)) ||
            (tail == head_ && left == 2) -> goto ring_look
        OR_LEAVE_IT
        fi
    }

dead:
gone:
    atomic { head_ = 0; cells = 0; e = 0; holder = 0; by = 0; first = 0; now = 0 }
}

init {
    atomic {
        owner[0] = 1; owner[1] = 2; seat = RECEIVER;
        intent_by[0] = 1; intent_by[1] = 2;
        living = LIFE(1) | LIFE(2) | LIFE(RECEIVER) | LIFE(RECEIVER - 1);
        /* How many die is settled first, so that the rest is not excused from being stuck. */
        do
        :: deaths < DEATHS -> deaths++
        :: break
        od;
        run Sender(0, ONES); run Sender(1, TWOS); run Reaper();
        run Receiver(RECEIVER); run Receiver(RECEIVER - 1)
    }
}
