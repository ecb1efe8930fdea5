/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking (lib/condvar_futex.c, condvar_notify, wait_sleep) without any time-out: the
 * receiver on `arrived`, over an empty ring and over holes; two senders, of one cell and of two, on
 * `room`. They are woken by commits, by takes, by intents that are withdrawn, by the reaper, and when
 * a side leaves. A lost wake-up shows as a deadlock.
 *
 * The ring is drawn with one stamp for each position, for ring.pml proves its laps.
 *
 * Whoever dies between making a condition true and the end of condvar_wake leaves a wake-up owing.
 * Bounded sleeps are for that alone: those who were asleep or about to be then may wake once by
 * themselves. Nobody else does. Why the reaper comes at a death is not modelled (the sleeper's bound,
 * or news of the death).
 *
 * Rules to break, one at a time:
 *   INTENT_KEPT              the intent is kept while its owner waits for room
 *   WITHDRAWN_SILENTLY       no notify after an intent was withdrawn
 *   REAPED_SILENTLY          no notify after a dead sender's intent was cleared
 *   SKIPPED_SILENTLY         no notify after a hole was passed
 *   SEQUENCE_BEFORE_FLAG     a waker moves the sequence before it clears the flag
 *   TICKET_AFTER_FLAG        a sleeper reads the sequence after it set the flag
 *   NO_SECOND_LOOK           a sleeper does not look again once the flag is set
 *   SECOND_LOOK_AT_STAMP     the receiver's second look is at the stamp and the tail only
 *   NOTIFY_BEFORE_COMMIT     a sender looks for a sleeper before its commit
 *   WAKE_ONE                 only one sleeper is woken
 */
#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef ONES
#define ONES 2
#endif
#ifndef TWOS
#define TWOS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#define POSITIONS (ONES + 2 * TWOS + LIMIT + 2)

#define INTENT_NONE 255
#define RECEIVER 2
#define REAPER 3

/* What is shared. */
byte tail, head;
byte stamp[POSITIONS]; /* 0, or the cells of a message */
byte intent_position[2] = INTENT_NONE;
bool alive[4] = true;
bool owned[2] = true; /* endpoints */
byte left;            /* senders that are gone */
bool receiver_left;

#define arrived 0
#define room 1
bool asleep[2];
/* For each sleeper, whether the sequence has moved since its ticket; so it never comes round. */
bool moved[4] = true;

/* The kernel's: who sleeps, on its word. The receiver on arrived, both senders on room. */
bool in_futex[4];

/* Who has set the flag and has not awoken, and who may wake without being woken. */
bool prepared[4], forgiven[4];
bool successor; /* of the first receiver, has the seat */
byte deaths;
byte who_leaves; /* what a run is about: */
#define SENDERS_LEAVE 0
#define RECEIVER_LEAVES 1 /* at any time */
#define NOBODY_LEAVES 2   /* the receiver ends asleep over an empty ring */
byte through;             /* senders that will do nothing more */
byte user[POSITIONS]; /* 1 + endpoint: who claimed it */

#define COVERS(e) (intent_position[e] <= head_ && head_ - intent_position[e] < e + 1 && alive[e])

#define FORGIVE(sleeper) forgiven[sleeper] = forgiven[sleeper] || prepared[sleeper]
#define FORGIVE_ALL(condvar) \
    if \
    :: condvar == arrived -> FORGIVE(RECEIVER) \
    :: condvar == room -> FORGIVE(0); FORGIVE(1) \
    fi

/* Instead of a step: `me` dies; OWING: with a wake-up that it owes. */
#define DIE(me) \
    deaths > 0 && !(me == RECEIVER && successor) -> \
        deaths--; alive[me] = false; \
        in_futex[me] = false; moved[me] = true; prepared[me] = false; forgiven[me] = false
#define OR_DIE(me) :: DIE(me); goto dead
#define OR_DIE_OWING(condvar, me) :: DIE(me); FORGIVE_ALL(condvar); goto dead

inline condvar_notify(condvar, me)
{
    atomic {
        if
        :: seen = asleep[condvar]
        OR_DIE_OWING(condvar, me)
        fi
    }
    if
    :: seen -> condvar_wake(condvar, me)
    :: !seen
    fi
}

/* The sequence and the futex: whoever has a ticket of before does not fall asleep any more, and who
 * sleeps is woken. (A wake-up that comes later than the sequence wakes more, not fewer.) */
inline move_sequence(condvar)
{
    if
    :: condvar == arrived -> moved[RECEIVER] = true; in_futex[RECEIVER] = false
    :: condvar == room -> moved[0] = true; moved[1] = true;
#ifdef WAKE_ONE
        if
        :: in_futex[0] -> in_futex[0] = false
        :: in_futex[1] -> in_futex[1] = false
        :: !in_futex[0] && !in_futex[1]
        fi
#else
        in_futex[0] = false; in_futex[1] = false
#endif
    fi
}

inline condvar_wake(condvar, me)
{
#ifdef SEQUENCE_BEFORE_FLAG
    atomic { if :: move_sequence(condvar) OR_DIE_OWING(condvar, me) fi }
    atomic { if :: asleep[condvar] = false; seen = false OR_DIE_OWING(condvar, me) fi }
#else
    atomic { if :: asleep[condvar] = false OR_DIE_OWING(condvar, me) fi }
    atomic { if :: move_sequence(condvar); seen = false OR_DIE_OWING(condvar, me) fi }
#endif
}

inline condvar_prepare(condvar, me)
{
#ifdef TICKET_AFTER_FLAG
    atomic { if :: asleep[condvar] = true; prepared[me] = true OR_DIE(me) fi }
    atomic { if :: moved[me] = false OR_DIE(me) fi }
#else
    atomic { if :: moved[me] = false OR_DIE(me) fi }
    atomic { if :: asleep[condvar] = true; prepared[me] = true OR_DIE(me) fi }
#endif
}

/* Forgets its ticket: awake. */
#define AWAKE(me) moved[me] = true; prepared[me] = false; forgiven[me] = false

inline condvar_sleep(me)
{
    atomic {
        if
        :: moved[me] -> AWAKE(me)
        :: !moved[me] -> in_futex[me] = true
        OR_DIE(me)
        fi
    }
    atomic {
        if
        :: !in_futex[me] || forgiven[me] -> in_futex[me] = false; AWAKE(me)
        :: me == RECEIVER && who_leaves == NOBODY_LEAVES && through == 2 && tail == head ->
            in_futex[me] = false; AWAKE(me); goto through_with_it
        OR_DIE(me)
        fi
    }
}

proctype Sender(byte e; byte most)
{
    byte tries, tail_;
    bool withdrew, seen;

ring_claim:
    atomic {
        if
        :: tries == most || receiver_left ->
            if
            :: who_leaves == NOBODY_LEAVES -> goto dead
            :: else -> goto close
            fi
        :: tries < most && !receiver_left ->
            /* ring_fits */
            if
            :: tail + e + 1 - head > LIMIT -> goto ring_full
            :: tail + e + 1 - head <= LIMIT -> tail_ = tail
            fi
        OR_DIE(e)
        fi
    }
    atomic { if :: intent_position[e] = tail_; withdrew = true OR_DIE(e) fi }
    /* The CAS. */
    atomic {
        if
        :: tail != tail_ -> tail_ = 0; goto ring_claim
        :: tail == tail_ ->
            withdrew = false;
            user[tail] = 1 + e;
            user[tail + e] = 1 + e;
            tail = tail + e + 1;
            tries++
        OR_DIE(e)
        fi
    }
#ifdef NOTIFY_BEFORE_COMMIT
    condvar_notify(arrived, e);
#endif
    /* ring_commit */
    atomic { if :: stamp[tail_] = e + 1; tail_ = 0 OR_DIE(e) fi }
#ifndef NOTIFY_BEFORE_COMMIT
    condvar_notify(arrived, e);
#endif
    goto ring_claim;

ring_full:
#ifndef INTENT_KEPT
    if
    :: withdrew ->
        atomic { if :: intent_position[e] = INTENT_NONE; withdrew = false OR_DIE(e) fi }
#ifndef WITHDRAWN_SILENTLY
        condvar_notify(arrived, e)
#endif
    :: !withdrew
    fi;
#endif
    condvar_prepare(room, e);
#ifndef NO_SECOND_LOOK
    /* ready_to_sleep */
    atomic {
        if
        :: receiver_left || tail + e + 1 - head <= LIMIT -> AWAKE(e); goto ring_claim
        :: !receiver_left && tail + e + 1 - head > LIMIT
        OR_DIE(e)
        fi
    }
#endif
    condvar_sleep(e);
    goto ring_claim;

close:
    /* registry_remove, registry_tell */
    atomic { if :: intent_position[e] = INTENT_NONE OR_DIE(e) fi }
    atomic { if :: owned[e] = false; left++ OR_DIE(e) fi }
    condvar_notify(arrived, e);
through_with_it:
dead:
    atomic { through++; tail_ = 0; withdrew = false; seen = false; tries = 0 }
}

/* A process that clears away. When it dies, another goes on. */
proctype Reaper()
{
    byte e;
    bool seen;
dead:
    alive[REAPER] = true; e = 0; seen = false;
end:
    atomic {
        if
        :: !alive[0] && owned[0] -> e = 0
        :: !alive[1] && owned[1] -> e = 1
        fi
    }
    atomic { if :: intent_position[e] = INTENT_NONE OR_DIE(REAPER) fi }
    atomic { if :: owned[e] = false; left++ OR_DIE_OWING(arrived, REAPER) fi }
#ifndef REAPED_SILENTLY
    condvar_notify(arrived, REAPER);
#endif
    goto dead
}

proctype Receiver()
{
    byte head_, cells;
    bool seen, gone;

take_seat:
    head_ = head;
ring_look:
    atomic {
        gone = false;
        if
        :: stamp[head_] -> cells = stamp[head_]
        :: !stamp[head_] -> goto look_behind
        :: who_leaves == RECEIVER_LEAVES -> goto close
        OR_DIE(RECEIVER)
        fi
    }
pass:
    atomic {
        if
        ::  assert(user[head_]);
            user[head_] = 0; user[head_ + cells - 1] = 0; stamp[head_] = 0;
            head_ = head_ + cells;
            head = head_;
            cells = 0
        OR_DIE(RECEIVER)
        fi
    }
    condvar_notify(room, RECEIVER);
    goto ring_look;

look_behind:
    atomic { if :: gone = (left == 2) OR_DIE(RECEIVER) fi }
    /* ring_claimed */
    atomic {
        if
        :: tail == head_ && gone -> goto close
        :: tail == head_ && !gone -> goto wait_sleep
        :: tail != head_
        OR_DIE(RECEIVER)
        fi
    }
    /* recover_hole */
    atomic { if :: COVERS(0) -> goto wait_sleep :: !COVERS(0) OR_DIE(RECEIVER) fi }
    atomic { if :: COVERS(1) -> goto wait_sleep :: !COVERS(1) OR_DIE(RECEIVER) fi }
    atomic { if :: stamp[head_] -> goto ring_look :: !stamp[head_] OR_DIE(RECEIVER) fi }
    atomic {
        if
        ::  assert(user[head_] && !alive[user[head_] - 1] && !stamp[head_]);
            user[head_] = 0;
            head_++;
            head = head_
        OR_DIE(RECEIVER)
        fi
    }
#ifndef SKIPPED_SILENTLY
    condvar_notify(room, RECEIVER);
#endif
    goto ring_look;

wait_sleep:
    condvar_prepare(arrived, RECEIVER);
#ifndef NO_SECOND_LOOK
    /* ready_to_sleep */
    atomic {
        if
        :: stamp[head_] || left == 2 -> goto again
        :: !stamp[head_] && left < 2
        OR_DIE(RECEIVER)
        fi
    }
#ifndef SECOND_LOOK_AT_STAMP
    atomic { if :: tail == head_ -> goto fall_asleep :: tail != head_ OR_DIE(RECEIVER) fi }
    atomic { if :: COVERS(0) -> goto fall_asleep :: !COVERS(0) OR_DIE(RECEIVER) fi }
    atomic { if :: COVERS(1) -> goto fall_asleep :: !COVERS(1) OR_DIE(RECEIVER) fi }
    goto again;
#endif
#endif
fall_asleep:
    condvar_sleep(RECEIVER);
    goto ring_look;
again:
    atomic { AWAKE(RECEIVER); goto ring_look }

close:
    /* The successor of one that died here finds it done, or does it. */
    atomic { if :: receiver_left = true OR_DIE(RECEIVER) fi }
    condvar_notify(room, RECEIVER);
    goto through_with_it;
dead:
    atomic {
        successor = true; alive[RECEIVER] = true; cells = 0; seen = false; gone = false;
        goto take_seat
    }
through_with_it:
    atomic { head_ = 0; gone = false; seen = false }
}

init {
    atomic {
        /* How many die is settled first, so that the rest is not excused from being stuck. */
        do
        :: deaths < DEATHS -> deaths++
        :: break
        od;
        if
        :: who_leaves = SENDERS_LEAVE
        :: who_leaves = RECEIVER_LEAVES
        :: who_leaves = NOBODY_LEAVES
        fi;
        run Sender(0, ONES); run Sender(1, TWOS); run Reaper(); run Receiver()
    }
}
