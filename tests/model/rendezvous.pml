/* SPDX-License-Identifier: MIT */
/*
 * A rendezvous (bound 0, one cell): a message that is taken by a mark or withdrawn (ring_mark,
 * ring_withdraw), and the offers by which mpsc_try_send knows that a receiver waits (lib/offer.c,
 * wait_offering in lib/receiver_look.c, claim_offered in lib/sender_claim.c, finish in lib/sender.c).
 * A blocking sender, whose sends may time out; a sender that only tries, at once or when it sees an
 * offer; a receiver, whose first TIMED calls may time out, and its successor. Each of them may die
 * before each step.
 *
 * The sleep on `arrived` is that of sleep.pml; waiting for room is a guard.
 *
 * Rules to break, one at a time:
 *   PLAIN_WITHDRAWAL      a send that gives up stores "void" without a CAS
 *   PLAIN_MARK            the receiver takes without a mark
 *   MARK_FORGOTTEN        a successor does not take what a dead receiver marked
 *   TRY_WITHOUT_OFFER     a try_send looks at the ring only
 *   OFFER_LEFT            a receiver that gives up does not close its offer
 *   GIVES_UP_ACCEPTED     a receiver gives up though its offer is accepted
 *   DONE_BEFORE_CLAIM     the accepting sender is done with the offer before it has claimed
 *   NOT_CLAIMED           a message at the head ends an offer, whoever accepted it
 *   DEAD_ACCEPTOR         nobody asks whether the accepting sender lives
 *   DONE_SILENTLY         no notify when a sender is done with an offer
 *   NO_LAST_LOOK          a receiver that gave up does not look once more when its offer is closed
 *   OFFER_NOT_LOOKED_AT   the receiver does not look again at its offer before it sleeps
 */
#ifndef SENDS
#define SENDS 1
#endif
#ifndef TRIES
#define TRIES 2
#endif
#ifndef TIMED
#define TIMED 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#define INTENT_NONE 255
#define NOTHING 0
#define MESSAGE 1
#define VOID 2
#define TAKEN 3

/* Who: the sender that blocks, the one that tries, the receiver and its successor. */
#define BLOCKING 0
#define TRYING 1
#define FIRST 2
#define SECOND 3
bool alive[4] = true;
byte deaths;
#define OR_DIE(who) :: deaths > 0 && who != SECOND -> deaths--; alive[who] = false; goto dead

/* What is shared. One cell: a stamp is a kind and the position that it is of. */
byte tail, head;
byte stamp_kind, stamp_position = INTENT_NONE;
byte intent_position[2] = INTENT_NONE;
byte left; /* senders that are gone */

/* 0, or 1 + who, or the same and CLAIMED. */
byte offer;
#define CLAIMED 16
#define OWNER(who) (1 + (who))
#define OWNER_LIVES(word) alive[((word) % CLAIMED) - 1]
#define OWNER_RECEIVES(word) ((word) == OWNER(FIRST) || (word) == OWNER(SECOND))

/* The condition variable: see sleep.pml. */
bool asleep, moved = true, in_futex;

/* What only the assertions know. */
byte payload;          /* 1 + the sender whose message is in the cell */
bool waiting;          /* a receiver is in wait_offering */
bool accepted;         /* an offer was, and neither declined nor was the cell claimed */
bool acting;           /* the same, until the commit */
bool answered;         /* that commit is in the ring */
byte committed_by[2], said_ok[2], said_timeout[2], taken_from[2]; /* messages */
bool over;             /* a receiver was killed between its copy and the head */

#define STAMPED(position) (stamp_position == (position))

inline notify_arrived(who)
{
    atomic { if :: seen = asleep OR_DIE(who) fi }
    if
    :: seen ->
        atomic { if :: asleep = false; moved = true; in_futex = false; seen = false OR_DIE(who) fi }
    :: !seen
    fi
}

/* A message that was said to be TIMEOUT is not delivered, and what was said to be OK is: each sender has
 * one message out at a time, so counting tells. */
#define COUNTS_HOLD(s) (taken_from[s] + said_timeout[s] <= committed_by[s])

proctype Blocking()
{
    byte sends, tail_;
    bool withdrew, seen, may_give_up, gave_up;

    do
    :: atomic {
           if
           :: sends == SENDS -> goto through
           :: sends < SENDS -> may_give_up = false
           :: sends < SENDS -> may_give_up = true
           OR_DIE(BLOCKING)
           fi
       }
ring_claim:
       atomic {
           if
           :: tail - head >= 1 -> goto ring_full
           :: tail - head < 1 -> tail_ = tail; intent_position[BLOCKING] = tail_; withdrew = true
           OR_DIE(BLOCKING)
           fi
       }
       atomic {
           if
           :: tail != tail_ -> tail_ = 0; goto ring_claim
           :: tail == tail_ -> tail++; withdrew = false; goto claimed
           OR_DIE(BLOCKING)
           fi
       }
ring_full:
       if
       :: withdrew ->
           atomic { if :: intent_position[BLOCKING] = INTENT_NONE; withdrew = false OR_DIE(BLOCKING) fi }
           notify_arrived(BLOCKING)
       :: !withdrew
       fi;
       atomic { if :: tail - head < 1 -> goto ring_claim OR_DIE(BLOCKING) fi }
claimed:
       atomic {
           if
           :: payload = 1 + BLOCKING; committed_by[BLOCKING]++;
              stamp_kind = MESSAGE; stamp_position = tail_
           OR_DIE(BLOCKING)
           fi
       }
       notify_arrived(BLOCKING);
       /* sender_hand_over: until the head has passed, or a time-out, whenever it comes. */
       atomic {
           if
           :: head > tail_
           :: may_give_up -> gave_up = true
           OR_DIE(BLOCKING)
           fi
       }
       if
       :: gave_up ->
#ifdef PLAIN_WITHDRAWAL
           atomic { if :: STAMPED(tail_) && stamp_kind == MESSAGE -> skip :: else -> gave_up = false fi }
           if
           :: gave_up -> stamp_kind = VOID
           :: !gave_up
           fi
#else
           /* ring_withdraw: what the CAS finds, its load before it found. */
           atomic {
               if
               :: STAMPED(tail_) && stamp_kind == MESSAGE -> stamp_kind = VOID
               :: !(STAMPED(tail_) && stamp_kind == MESSAGE) -> gave_up = false
               OR_DIE(BLOCKING)
               fi
           }
#endif
       :: !gave_up
       fi;
       atomic {
           if
           :: gave_up -> said_timeout[BLOCKING]++
           :: else -> said_ok[BLOCKING]++
           fi;
           assert(COUNTS_HOLD(BLOCKING));
           gave_up = false; tail_ = 0; sends++
       }
    od;
dead:
    /* Whatever wake-up it owed: sleeps are bounded. */
    atomic { asleep = false; moved = true; in_futex = false };
through:
    /* It leaves, or the reaper comes: registry_remove, registry_tell. */
    atomic {
        intent_position[BLOCKING] = INTENT_NONE; left++;
        if
        :: asleep -> asleep = false; moved = true; in_futex = false
        :: !asleep
        fi;
        tail_ = 0; sends = 0; withdrew = false; seen = false; may_give_up = false; gave_up = false
    }
}

proctype Trying()
{
    byte tries, tail_, seen_offer;
    bool withdrew, seen, patient;

    do
    :: atomic {
           tries == TRIES -> goto through
       }
    :: atomic {
           if
           :: tries < TRIES -> patient = false
           :: tries < TRIES -> patient = true
           OR_DIE(TRYING)
           fi
       }
       /* At once, or when it sees an offer: a receiver that waits must make one. */
       atomic {
           if
           :: !patient || (OWNER_RECEIVES(offer) && OWNER_LIVES(offer)) -> patient = false; tries++
           OR_DIE(TRYING)
           fi
       }
#ifndef TRY_WITHOUT_OFFER
       /* offer_accept */
       atomic {
           if
           :: OWNER_RECEIVES(offer) && OWNER_LIVES(offer) -> seen_offer = offer
           :: !(OWNER_RECEIVES(offer) && OWNER_LIVES(offer)) -> goto try_full
           OR_DIE(TRYING)
           fi
       }
       atomic {
           if
           :: offer != seen_offer -> seen_offer = 0; goto try_full
           :: offer == seen_offer ->
               assert(waiting || !OWNER_LIVES(seen_offer));
               offer = OWNER(TRYING); accepted = true; acting = true; seen_offer = 0
           OR_DIE(TRYING)
           fi
       }
#endif
#ifdef DONE_BEFORE_CLAIM
       offer = 0;
#endif
ring_claim:
       atomic {
           if
           :: tail - head >= 1 -> goto ring_full
           :: tail - head < 1 -> tail_ = tail; intent_position[TRYING] = tail_; withdrew = true
           OR_DIE(TRYING)
           fi
       }
       atomic {
           if
           :: tail != tail_ -> tail_ = 0; goto ring_claim
           :: tail == tail_ -> tail++; withdrew = false; accepted = false; goto offer_claimed
           OR_DIE(TRYING)
           fi
       }
ring_full:
       if
       :: withdrew ->
           atomic { if :: intent_position[TRYING] = INTENT_NONE; withdrew = false OR_DIE(TRYING) fi }
           notify_arrived(TRYING)
       :: !withdrew
       fi;
#ifndef TRY_WITHOUT_OFFER
       /* offer_done */
       atomic { if :: offer = 0; accepted = false; acting = false OR_DIE(TRYING) fi }
#ifndef DONE_SILENTLY
       notify_arrived(TRYING);
#endif
#endif
       goto try_full;
offer_claimed:
#if !defined TRY_WITHOUT_OFFER && !defined DONE_BEFORE_CLAIM
       atomic { if :: offer = OWNER(TRYING) + CLAIMED OR_DIE(TRYING) fi }
#endif
       /* ring_commit */
       atomic {
           if
           :: payload = 1 + TRYING; committed_by[TRYING]++;
              stamp_kind = MESSAGE; stamp_position = tail_;
              acting = false; answered = true; tail_ = 0
           OR_DIE(TRYING)
           fi
       }
       notify_arrived(TRYING);
#if !defined TRY_WITHOUT_OFFER && !defined DONE_BEFORE_CLAIM
       /* offer_done */
       atomic { if :: offer = 0 OR_DIE(TRYING) fi }
#ifndef DONE_SILENTLY
       notify_arrived(TRYING);
#endif
#endif
       said_ok[TRYING]++;
try_full:
       skip
    od;
dead:
    /* Whatever wake-up it owed: sleeps are bounded. */
    atomic { asleep = false; moved = true; in_futex = false };
through:
    /* It leaves, or the reaper comes: registry_remove, registry_tell. */
    atomic {
        intent_position[TRYING] = INTENT_NONE; left++;
        if
        :: asleep -> asleep = false; moved = true; in_futex = false
        :: !asleep
        fi;
        tries = 0; tail_ = 0; seen_offer = 0; withdrew = false; seen = false; patient = false
    }
}

/* There is a message at the head, marked or not. */
#ifdef MARK_FORGOTTEN
#define MESSAGE_AT_HEAD (STAMPED(head_) && stamp_kind == MESSAGE)
#else
#define MESSAGE_AT_HEAD (STAMPED(head_) && (stamp_kind == MESSAGE || stamp_kind == TAKEN))
#endif
#ifdef OFFER_NOT_LOOKED_AT
#define OFFER_STANDS true
#else
#define OFFER_STANDS (offer != 0)
#endif
#define COVERS(e) (intent_position[e] == head_ && alive[e])

/* offer_close would say so now. */
#ifdef DEAD_ACCEPTOR
#define ABANDONED false
#else
#define ABANDONED !OWNER_LIVES(offer)
#endif
#ifdef NOT_CLAIMED
#define ANSWERED delivered
#else
#define ANSWERED (delivered && offer >= CLAIMED)
#endif
#define CLOSABLE (offer == 0 || offer == OWNER(who) || ANSWERED || ABANDONED)

proctype Receiver()
{
    byte who = FIRST, calls, head_, seen_offer;
    bool timed, moment, delivered, disconnected, gone, seen;

    /* delivered: wait_offering has MPSC_OK. moment: it waits for an offer to be settled. */
take_seat:
    head_ = head;
call:
    atomic {
        if
        :: calls < TIMED -> calls++; timed = true
        :: timed = false
        OR_DIE(who)
        fi
    }
next:
    /* Without an offer, if there is one already. */
    atomic { if :: MESSAGE_AT_HEAD -> goto mark :: !MESSAGE_AT_HEAD -> waiting = true OR_DIE(who) fi }
attempt:
    /* offer_open */
    atomic { if :: seen_offer = offer OR_DIE(who) fi }
    atomic {
        if
        :: offer == seen_offer && (offer == 0 || (offer != OWNER(who) && !OWNER_LIVES(offer))) ->
            offer = OWNER(who)
        :: else
        fi;
        seen_offer = 0
    }
look:
    atomic {
        gone = false;
        if
        :: MESSAGE_AT_HEAD -> delivered = true; goto offer_close
        :: STAMPED(head_) && stamp_kind == VOID -> /* pass */
            head_++; head = head_; goto look
        :: !STAMPED(head_)
        OR_DIE(who)
        fi
    }
    atomic { if :: gone = (left == 2) OR_DIE(who) fi }
    atomic {
        if
        :: tail == head_ && gone -> disconnected = true; goto offer_close
        :: tail == head_ && !gone -> goto wait_sleep
        :: tail != head_
        OR_DIE(who)
        fi
    }
    /* recover_hole */
    atomic {
        if
        :: COVERS(0) || COVERS(1) -> goto wait_sleep
        :: !COVERS(0) && !COVERS(1) ->
            if
            :: STAMPED(head_)
            :: !STAMPED(head_) -> head_++; head = head_
            fi;
            goto look
        OR_DIE(who)
        fi
    }

wait_sleep:
    atomic {
        gone = false;
        if
        :: timed && !moment -> goto offer_close /* MPSC_TIMEOUT */
        :: moved = false; asleep = true /* condvar_prepare */
        OR_DIE(who)
        fi
    }
    atomic {
        /* ready_to_sleep */
        if
        :: STAMPED(head_) || left == 2 -> goto awake
        :: tail != head_ && !COVERS(0) && !COVERS(1) -> goto awake
        :: !OFFER_STANDS -> goto awake
        :: !STAMPED(head_) && left < 2 && (tail == head_ || COVERS(0) || COVERS(1)) && OFFER_STANDS
        OR_DIE(who)
        fi
    }
    atomic { if :: in_futex = !moved OR_DIE(who) fi }
    atomic {
        if
        :: !in_futex -> goto awake
        :: timed && !moment -> goto awake /* and MPSC_TIMEOUT, or it looks once more */
        :: moment && CLOSABLE -> in_futex = false; moved = true; goto offer_close
        OR_DIE(who)
        fi
    }
awake:
    atomic { in_futex = false; moved = true; goto attempt }

offer_close:
    atomic {
        gone = false;
#ifdef OFFER_LEFT
        goto closed;
#endif
        if
        :: offer == OWNER(who) -> offer = 0; goto closed
        :: offer == 0 -> goto closed
        :: offer != 0 && offer != OWNER(who) -> seen_offer = offer
        OR_DIE(who)
        fi
    }
#ifdef GIVES_UP_ACCEPTED
    seen_offer = 0; goto closed;
#endif
    atomic {
        if
        :: delivered && (seen_offer >= CLAIMED
#ifdef NOT_CLAIMED
                         || true
#endif
           ) -> seen_offer = 0; goto closed
        :: else
        fi
    }
    atomic {
        if
#ifndef DEAD_ACCEPTOR
        :: !OWNER_LIVES(seen_offer) ->
            if
            :: offer == seen_offer -> offer = 0; seen_offer = 0; goto closed
            :: else -> seen_offer = 0; goto again
            fi
        :: OWNER_LIVES(seen_offer)
#else
        :: true
#endif
            -> seen_offer = 0; goto again
        OR_DIE(who)
        fi
    }
again:
    /* Somebody is at it: its message comes within a moment, or its refusal. */
    atomic {
        if
        :: delivered -> (CLOSABLE || !MESSAGE_AT_HEAD)
        :: !delivered
        OR_DIE(who)
        fi;
        moment = true;
        goto attempt
    }
closed:
#ifndef NO_LAST_LOOK
    /* The offer may have been answered, and settled, since the last look. */
    atomic { if :: !delivered && MESSAGE_AT_HEAD -> delivered = true :: delivered || !MESSAGE_AT_HEAD OR_DIE(who) fi }
#endif
    atomic {
        waiting = false; moment = false;
        if
        :: delivered ->
            assert(!(accepted && alive[TRYING]));
            delivered = false; disconnected = false; goto mark
        :: !delivered ->
            /* MPSC_TIMEOUT or MPSC_DISCONNECTED: nobody acts on its offer, nobody's answer is left. */
            assert(!(acting && alive[TRYING]));
            assert(!answered);
            if
            :: disconnected -> goto through
            :: !disconnected -> goto call
            fi
        OR_DIE(who)
        fi
    }
mark:
#ifndef PLAIN_MARK
    atomic {
        if
        :: STAMPED(head_) && stamp_kind == TAKEN -> skip
        :: STAMPED(head_) && stamp_kind == MESSAGE -> stamp_kind = TAKEN
        :: !(STAMPED(head_) && (stamp_kind == MESSAGE || stamp_kind == TAKEN)) -> goto next
        OR_DIE(who)
        fi
    }
#endif
    /* The copy. */
    atomic {
        if
        :: over -> over = false
        :: !over -> taken_from[payload - 1]++
        OR_DIE(who)
        fi;
        assert(COUNTS_HOLD(payload - 1))
    }
    atomic {
        if
        :: answered = answered && payload != 1 + TRYING;
           stamp_kind = NOTHING; payload = 0; head_++; head = head_; goto call
        :: deaths > 0 && who == FIRST -> deaths--; alive[FIRST] = false; over = true
        fi
    }

dead:
    atomic {
        who = SECOND;
        waiting = false; moment = false; delivered = false; disconnected = false; gone = false;
        seen_offer = 0; in_futex = false; moved = true;
        goto take_seat
    }
through:
    assert(tail == head && said_ok[0] <= taken_from[0] && said_ok[1] <= taken_from[1])
}

init {
    atomic {
        /* How many die is settled first, so that the rest is not excused from being stuck. */
        do
        :: deaths < DEATHS -> deaths++
        :: break
        od;
        run Blocking(); run Trying(); run Receiver()
    }
}
