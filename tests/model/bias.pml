/* SPDX-License-Identifier: MIT */
/*
 * The bias of a ring (lib/bias.c, ring_claim_at). Senders come, ask for the bias before each claim, claim one cell at a
 * time, and leave; then another one may come with the same index. Stores wait in a buffer of each processor, in order,
 * until somebody's membarrier, an own read-modify-write or fence, a death, or chance writes them to memory; a load sees
 * its own processor's stores. Each may die before each of its steps, and is reaped some time or never.
 *
 * SENDERS: 2 or 3 at a time; LIVES: senders of one index, one after the other; CLAIMS of each; DEATHS.
 *
 * Rules to break, one at a time:
 *   LOOK_BEFORE_INTENT       the bias is looked at before the intent is stored
 *   ASKED_WITHOUT_LOOK       who asks does not look at the count of senders
 *   ASKED_WITHOUT_FENCE      who asks looks at it before the change is to be seen
 *   COUNTED_WITHOUT_FENCE    who comes looks at the bias before its count is to be seen
 *   LEFT_BEFORE_LAST_CLAIM   who leaves is not counted while it claims for the last time
 *   REVOKED_WITHOUT_BARRIER  who revokes does not issue a membarrier
 *   REVOKED_WITHOUT_LOOK     who revokes does not wait for the owner's last claim
 *   REVOKED_BY_ONE           who finds it revoked issues no membarrier of its own
 *   DEAD_ARE_WAITED_FOR      an intent of the dead holds up others
 */
#ifndef SENDERS
#define SENDERS 3
#endif
#ifndef LIVES
#define LIVES 1
#endif
#ifndef CLAIMS
#define CLAIMS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#define INTENT_NONE 255

#define BIAS_NONE 0
#define BIAS_GIVEN 1
#define BIAS_REVOKED 2
#define INDEX(word) ((word) >> 2)
#define STATE(word) ((word) & 3)
#define WORD(index, state) ((index) << 2 | (state))

/* Memory. */
byte tail;
byte bias;
byte senders;
byte intent[SENDERS] = INTENT_NONE;

/* Stores that are not in memory yet. */
#define TO_INTENT 0
#define TO_TAIL 1
#define TO_SENDERS 2 /* one more, under the control mutex: others' are never overwritten */
chan buffer[SENDERS] = [4] of { byte, byte };
byte own_tail[SENDERS]; /* the last one stored, while one is in the buffer */
byte own_tails[SENDERS];

bool dead[SENDERS];
byte deaths;
bool claimed[SENDERS * LIVES * CLAIMS];
byte through;

inline write_one(who_)
{
    if
    :: buffer[who_] ? TO_INTENT, v -> intent[who_] = v
    :: buffer[who_] ? TO_TAIL, v ->
        assert(v == tail + 1); /* it never goes back, and no claim is written over */
        tail = v;
        own_tails[who_]--
    :: buffer[who_] ? TO_SENDERS, v -> senders++
    fi;
    v = 0
}

#define DRAIN(who_) do :: nempty(buffer[who_]) -> write_one(who_) :: empty(buffer[who_]) -> break od
#if SENDERS == 3
#define BARRIER DRAIN(0); DRAIN(1); DRAIN(2)
#else
#define BARRIER DRAIN(0); DRAIN(1)
#endif
#define OR_DIE :: deaths > 0 -> deaths--; goto killed

#define TAIL_SEEN(who_) (own_tails[who_] -> own_tail[who_] : tail)
#define IS_CLAIMING(e, tail_) (intent[e] != INTENT_NONE && intent[e] >= (tail_))

#define CLAIM(position) assert(!claimed[position]); claimed[position] = true

proctype Memory()
{
    byte v;
end:
    do
    :: atomic { nempty(buffer[0]) -> write_one(0) }
    :: atomic { nempty(buffer[1]) -> write_one(1) }
#if SENDERS == 3
    :: atomic { nempty(buffer[2]) -> write_one(2) }
#endif
    od
}

proctype Sender(byte who)
{
    byte lives, tries, tail_, word, own, v;
    bool alone, counted;

    /* registry_add */
life:
    atomic {
        if
        :: lives == LIVES -> goto gone
        :: lives < LIVES -> lives++; tries = 0; own = INTENT_NONE; dead[who] = false
        fi
    }
    atomic { if :: true -> buffer[who] ! TO_SENDERS, 0; counted = true OR_DIE fi }
#ifndef COUNTED_WITHOUT_FENCE
    atomic { if :: true -> DRAIN(who) OR_DIE fi }
#endif

again:
    atomic {
        if
        :: tries == CLAIMS -> goto leave
        :: tries < CLAIMS -> skip
        OR_DIE
        fi
    }
#ifdef LEFT_BEFORE_LAST_CLAIM
    if
    :: tries == CLAIMS - 1 -> atomic { DRAIN(who); senders--; counted = false }
    :: else
    fi;
#endif
    if
    :: own == bias -> goto claim
    :: else
    fi;

    /* bias_consider, bias_ask */
    atomic {
        own = INTENT_NONE;
        if
        :: senders != 1 -> goto claim
        :: senders == 1 -> alone = true
        OR_DIE
        fi
    }
#ifdef ASKED_WITHOUT_FENCE
    atomic { if :: true -> alone = (senders == 1) OR_DIE fi }
#endif
    atomic {
        if
        :: bias == BIAS_NONE -> DRAIN(who); word = WORD(who, BIAS_GIVEN); bias = word
        :: bias != BIAS_NONE -> goto claim
        OR_DIE
        fi
    }
#if !defined(ASKED_WITHOUT_LOOK) && !defined(ASKED_WITHOUT_FENCE)
    atomic { if :: true -> alone = (senders == 1) OR_DIE fi }
#endif
    atomic {
        if
        :: alone -> own = word
        :: !alone && bias == word -> DRAIN(who); bias = BIAS_NONE
        :: !alone && bias != word -> skip
        OR_DIE
        fi
    }

claim:
    atomic { if :: true -> tail_ = TAIL_SEEN(who) OR_DIE fi }
#ifdef LOOK_BEFORE_INTENT
    atomic { if :: true -> word = bias OR_DIE fi }
    atomic { if :: nfull(buffer[who]) -> buffer[who] ! TO_INTENT, tail_ OR_DIE fi }
#else
    atomic { if :: nfull(buffer[who]) -> buffer[who] ! TO_INTENT, tail_ OR_DIE fi }
    atomic { if :: true -> word = bias OR_DIE fi }
#endif
    if
    :: word == own && own != INTENT_NONE ->
        atomic {
            if
            :: nfull(buffer[who]) ->
                buffer[who] ! TO_TAIL, tail_ + 1;
                own_tail[who] = tail_ + 1;
                own_tails[who]++;
                CLAIM(tail_);
                tries++;
                goto again
            OR_DIE
            fi
        }
    :: !(word == own && own != INTENT_NONE) && word == BIAS_NONE ->
        atomic {
            if
            :: true ->
                DRAIN(who);
                if
                :: tail == tail_ -> tail++; CLAIM(tail_); tries++; goto again
                :: tail != tail_ -> goto claim
                fi
            OR_DIE
            fi
        }
    :: else
    fi;

    /* bias_revoke: the intent is withdrawn first */
    atomic { if :: nfull(buffer[who]) -> buffer[who] ! TO_INTENT, INTENT_NONE OR_DIE fi }
revoke:
    atomic { if :: true -> word = bias OR_DIE fi }
    if
    :: word == BIAS_NONE -> goto claim
    :: STATE(word) == BIAS_GIVEN ->
        atomic {
            if
            :: bias == word -> DRAIN(who); bias = WORD(INDEX(word), BIAS_REVOKED)
            :: bias != word -> skip
            OR_DIE
            fi
        }
#ifdef REVOKED_BY_ONE
#ifndef REVOKED_WITHOUT_BARRIER
        atomic { if :: true -> BARRIER OR_DIE fi };
#endif
#endif
        goto revoke
    :: STATE(word) == BIAS_REVOKED
    fi;
#ifndef REVOKED_BY_ONE
#ifndef REVOKED_WITHOUT_BARRIER
    atomic { if :: true -> BARRIER OR_DIE fi }
#endif
#endif
#ifndef REVOKED_WITHOUT_LOOK
    atomic { if :: true -> tail_ = TAIL_SEEN(who) OR_DIE fi }
    /* Waiting is a guard here: until it is withdrawn, the tail has passed it, or it is one of the dead. */
    atomic {
        if
        :: !IS_CLAIMING(INDEX(word), tail) || bias != word -> skip
#ifndef DEAD_ARE_WAITED_FOR
        :: IS_CLAIMING(INDEX(word), tail) && dead[INDEX(word)] -> skip
#endif
        OR_DIE
        fi
    }
#endif
    atomic {
        if
        :: bias == word -> DRAIN(who); bias = BIAS_NONE
        :: bias != word -> skip
        OR_DIE
        fi;
        goto revoke
    }

leave: /* registry_remove */
    atomic { if :: nfull(buffer[who]) -> buffer[who] ! TO_INTENT, INTENT_NONE OR_DIE fi }
#ifndef LEFT_BEFORE_LAST_CLAIM
    atomic { if :: true -> DRAIN(who); senders--; counted = false OR_DIE fi }
#endif
    goto life;

killed:
    /* What was stored is stored; then others can see that it is dead. Its index may be given away once it is reaped. */
    atomic { DRAIN(who) }
    dead[who] = true;
    if
    :: true -> atomic {
            intent[who] = INTENT_NONE;
            senders = senders - (counted -> 1 : 0);
            counted = false;
            goto life
        }
    :: true
    fi;
gone:
    through++
}

init
{
    deaths = DEATHS;
    atomic {
        run Memory(); run Sender(0); run Sender(1)
#if SENDERS == 3
        ; run Sender(2)
#endif
    }
    through == SENDERS
}
