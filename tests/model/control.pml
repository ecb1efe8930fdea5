/* SPDX-License-Identifier: MIT */
/*
 * The control mutex (lib/control_futex.c): one word that says whose it is. Three processes with a slot
 * each; an owner dies holding it and is taken over, also when its slot was given away meanwhile, to a
 * process that opens the channel or to a child that is about to be forked (prepare_child).
 *
 * A sleep ends by itself only when the owner is dead as far as the sleeper can tell, or when a process
 * died between an unlock and its wake-up, or on receiving that. What is repaired is not modelled.
 *
 * Rules to break, one at a time:
 *   SLOT_BEFORE_CONTROL    fork takes the child's slot before it has the mutex
 *   OWN_SLOT_TRUSTED       an owner of one's own slot is believed to live, whatever its generation
 *   PLAIN_TAKEOVER         the mutex is taken over without a CAS
 *   TAKEOVER_UNMARKED      a takeover forgets that others may wait
 *   SLEPT_UNMARKED         who has slept forgets that others may wait
 *   SLEEP_UNMARKED         a sleeper does not say that it waits
 *   UNLOCK_UNWOKEN         an unlock does not look whether others wait
 */
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DEATHS
#define DEATHS 2
#endif

#define WAITERS 64
#define SLOT(word) ((word) & 3) /* plus 1; 0: nobody's */
#define WORD(slot, generation) ((slot) + 1 + 4 * (generation))

/* What is shared. */
byte owner;

/* The locks of the slots' bytes. A parent holds its child's until there is a child. */
bool slot_locked[3];
byte parent[3]; /* 1 + who forks into that slot */

bool in_futex[3], forgiven[3];
byte deaths;
byte inside; /* whose word has the mutex, by the rules */
bool orphaned; /* and its process is dead */
byte generations[3];

/* Instead of a step. Who was woken and dies has swallowed a wake-up: see `dead`. */
#define OR_DIE :: deaths > 0 -> deaths--; goto dead

#ifdef OWN_SLOT_TRUSTED
#define OWNER_DIED(word) (SLOT(word) != slot + 1 && !slot_locked[SLOT(word) - 1])
#else
#define OWNER_DIED(word) \
    (SLOT(word) == slot + 1 -> ((word) & ~WAITERS) != me : !slot_locked[SLOT(word) - 1])
#endif

#define FORGIVE \
    forgiven[0] = in_futex[0]; forgiven[1] = in_futex[1]; forgiven[2] = in_futex[2]

#define ENTERED(repair) \
    assert(repair -> orphaned && inside == (word & ~WAITERS) : inside == 0); \
    orphaned = false; inside = me; word = 0

#define FREE_SLOT(s) (s != slot && !slot_locked[s] && generations[s] < 2 && !parent[s])

proctype Process(byte slot)
{
    byte me, word, rounds, child;
    bool slept;

begin:
    /* registry_claim_slot */
    atomic {
        if
        :: parent[slot] == 0 && !slot_locked[slot] -> slot_locked[slot] = true
        :: parent[slot] == 4 -> parent[slot] = 0 /* forked: its lock came with it */
        fi;
        generations[slot]++;
        me = WORD(slot, generations[slot])
    }
again:
    atomic {
        if
        :: rounds == ROUNDS -> goto leave
        :: rounds < ROUNDS -> rounds++
        OR_DIE
        fi
    }
#ifdef SLOT_BEFORE_CONTROL
    atomic {
        if
        :: FREE_SLOT(0) -> slot_locked[0] = true; parent[0] = slot + 1; child = 1
        :: FREE_SLOT(1) -> slot_locked[1] = true; parent[1] = slot + 1; child = 2
        :: FREE_SLOT(2) -> slot_locked[2] = true; parent[2] = slot + 1; child = 3
        :: true
        OR_DIE
        fi
    }
#endif
    /* control_lock: without a look at who has it */
    atomic {
        if
        :: owner == 0 -> owner = me; ENTERED(false); goto locked
        :: owner != 0
        OR_DIE
        fi
    }
attempt:
    atomic {
        if
        :: owner == 0 ->
#ifdef SLEPT_UNMARKED
            owner = me;
#else
            owner = me | WAITERS;
#endif
            ENTERED(false); slept = false; goto locked
        :: owner != 0 -> word = owner
        OR_DIE
        fi
    }
    atomic {
        if
        :: OWNER_DIED(word) -> skip
        :: !OWNER_DIED(word) -> word = 0; goto busy
        OR_DIE
        fi
    }
    atomic {
        if
#ifdef PLAIN_TAKEOVER
        :: true ->
#else
        :: owner != word -> word = 0; goto busy
        :: owner == word ->
#endif
#ifdef TAKEOVER_UNMARKED
            owner = me;
#else
            owner = me | WAITERS;
#endif
            ENTERED(true); slept = false; goto locked
        OR_DIE
        fi
    }
busy:
    atomic {
        if
        :: owner == 0 -> goto attempt
        :: owner != 0 -> word = owner
        OR_DIE
        fi
    }
#ifndef SLEEP_UNMARKED
    atomic {
        if
        :: word & WAITERS
        :: !(word & WAITERS) && owner == word -> owner = word | WAITERS; word = word | WAITERS
        :: !(word & WAITERS) && owner != word -> word = 0; goto busy
        OR_DIE
        fi
    }
#endif
    /* os_futex_wait */
    atomic {
        if
        :: in_futex[slot] = (owner == word); slept = true; word = 0
        OR_DIE
        fi
    }
    atomic {
        if
        :: !in_futex[slot] -> goto attempt
        :: in_futex[slot] && (forgiven[slot] || (owner != 0 && OWNER_DIED(owner))) ->
            in_futex[slot] = false; forgiven[slot] = false; goto attempt
        OR_DIE
        fi
    }

locked:
#ifndef SLOT_BEFORE_CONTROL
    /* prepare_child */
    atomic {
        if
        :: FREE_SLOT(0) -> slot_locked[0] = true; parent[0] = slot + 1; child = 1
        :: FREE_SLOT(1) -> slot_locked[1] = true; parent[1] = slot + 1; child = 2
        :: FREE_SLOT(2) -> slot_locked[2] = true; parent[2] = slot + 1; child = 3
        :: true
        OR_DIE
        fi
    }
#endif
    /* control_unlock */
    atomic {
        if
        ::  assert(inside == me && (owner & ~WAITERS) == me);
            word = owner;
            owner = 0;
            inside = 0
        OR_DIE
        fi
    }
    atomic {
        if
#ifdef UNLOCK_UNWOKEN
        :: true
#else
        :: !(word & WAITERS)
        :: (word & WAITERS) && in_futex[0] -> in_futex[0] = false; forgiven[0] = false
        :: (word & WAITERS) && in_futex[1] -> in_futex[1] = false; forgiven[1] = false
        :: (word & WAITERS) && in_futex[2] -> in_futex[2] = false; forgiven[2] = false
        :: (word & WAITERS) && !in_futex[0] && !in_futex[1] && !in_futex[2]
#endif
        :: deaths > 0 -> deaths--; FORGIVE; goto dead
        fi;
        word = 0;
        /* fork */
        if
        :: child -> parent[child - 1] = 4; child = 0
        :: !child
        fi;
        goto again
    }

dead:
    /* The kernel lets go of its locks, and so of a child's that is not there yet. */
    atomic {
        if
        :: slept && !in_futex[slot] -> FORGIVE
        :: !slept || in_futex[slot]
        fi;
        orphaned = orphaned || (inside == me);
        if
        :: child -> slot_locked[child - 1] = false; parent[child - 1] = 0; child = 0
        :: !child
        fi;
        in_futex[slot] = false; forgiven[slot] = false;
        slot_locked[slot] = false; me = 0; word = 0; slept = false; rounds = 0;
        if
        :: generations[slot] < 2 -> goto begin
        :: generations[slot] == 2
        fi
    }
    goto through;
leave:
    atomic { slot_locked[slot] = false; me = 0; rounds = 0 }
through:
    skip
}

init {
    atomic {
        /* How many die is settled first, so that the rest is not excused from being stuck. */
        do
        :: deaths < DEATHS -> deaths++
        :: break
        od;
        run Process(0); run Process(1); run Process(2)
    }
}
