/* SPDX-License-Identifier: MIT */
/*
 * The bias of a ring (lib/bias.c, ring_claim_at). Three senders claim one cell at a time; the first one asks for the
 * bias before each claim. Stores wait in a buffer of each processor, in order, until somebody's membarrier, an own
 * read-modify-write, a death, or chance writes them to memory; a load sees its own processor's stores. Each may die
 * before each of its steps.
 *
 * FIRST, OTHERS: claims of the first sender, of each other one; DEATHS.
 *
 * Rules to break, one at a time:
 *   LOOK_BEFORE_INTENT      the bias is looked at before the intent is stored
 *   ASKED_WITHOUT_BARRIER   who asks does not issue a membarrier
 *   ASKED_WITHOUT_LOOK      who asks does not look whether another one claims
 *   REVOKED_WITHOUT_BARRIER who revokes does not issue a membarrier
 *   REVOKED_WITHOUT_LOOK    who revokes does not wait for the owner's last claim
 *   REVOKED_BY_ONE          who finds it revoked issues no membarrier of its own
 *   WORDS_COME_AGAIN        an asking is no new generation
 *   DEAD_ARE_WAITED_FOR     an intent of the dead holds up others
 */
#ifndef FIRST
#define FIRST 1
#endif
#ifndef OTHERS
#define OTHERS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#define SENDERS 3
#define INTENT_NONE 255

#define BIAS_NONE 0
#define BIAS_ASKED 1
#define BIAS_GIVEN 2
#define BIAS_REVOKED 3
#define STATE(word) ((word) & 3)
#ifdef WORDS_COME_AGAIN
#define ASKED_ANEW(word) BIAS_ASKED
#else
#define ASKED_ANEW(word) ((((word) >> 2) + 1) << 2 | BIAS_ASKED)
#endif

/* Memory. The bias' index is always the first sender's. */
byte tail;
byte bias;
byte intent[SENDERS] = INTENT_NONE;

/* Stores that are not in memory yet. */
#define TO_INTENT 0
#define TO_TAIL 1
chan buffer[SENDERS] = [4] of { byte, byte };
byte own_tail[SENDERS]; /* the last one stored, while one is in the buffer */
byte own_tails[SENDERS];

bool dead[SENDERS];
byte deaths;
bool claimed[FIRST + 2 * OTHERS];
byte through;

inline write_one(who_)
{
    if
    :: buffer[who_] ? TO_INTENT, v -> intent[who_] = v
    :: buffer[who_] ? TO_TAIL, v ->
        assert(v == tail + 1); /* it never goes back, and no claim is written over */
        tail = v;
        own_tails[who_]--
    fi;
    v = 0
}

#define DRAIN(who_) do :: nempty(buffer[who_]) -> write_one(who_) :: empty(buffer[who_]) -> break od
#define BARRIER DRAIN(0); DRAIN(1); DRAIN(2)
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
    :: atomic { nempty(buffer[2]) -> write_one(2) }
    od
}

proctype Sender(byte who; byte most)
{
    byte tries, tail_, word, own = INTENT_NONE, v;

again:
    atomic { if :: tries == most -> goto gone :: tries < most -> skip OR_DIE fi }
    if
    :: who != 0 || own == bias -> goto claim
    :: else
    fi;

    /* bias_ask */
    atomic {
        own = INTENT_NONE;
        word = bias;
        if :: STATE(word) != BIAS_NONE -> goto claim :: STATE(word) == BIAS_NONE OR_DIE fi
    }
    atomic {
        if
        :: bias == word ->
            DRAIN(who);
            word = ASKED_ANEW(word);
            bias = word
        :: bias != word -> goto claim
        OR_DIE
        fi
    }
#ifndef ASKED_WITHOUT_BARRIER
    atomic { if :: true -> BARRIER OR_DIE fi }
#endif
#ifndef ASKED_WITHOUT_LOOK
    atomic { if :: true -> tail_ = TAIL_SEEN(who) OR_DIE fi }
    atomic { if :: IS_CLAIMING(1, tail_) -> goto in_vain :: !IS_CLAIMING(1, tail_) OR_DIE fi }
    atomic { if :: IS_CLAIMING(2, tail_) -> goto in_vain :: !IS_CLAIMING(2, tail_) OR_DIE fi }
#endif
    atomic {
        if
        :: bias == word -> DRAIN(who); bias = (word & ~3) | BIAS_GIVEN; own = bias
        :: bias != word -> skip
        OR_DIE
        fi;
        goto claim
    }
in_vain:
    atomic {
        if
        :: bias == word -> DRAIN(who); bias = word & ~3
        :: bias != word -> skip
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
    :: !(word == own && own != INTENT_NONE) && STATE(word) == BIAS_NONE ->
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
    :: STATE(word) == BIAS_NONE -> goto claim
    :: STATE(word) == BIAS_ASKED ->
        atomic {
            if
            :: bias == word -> DRAIN(who); bias = word & ~3
            :: bias != word -> skip
            OR_DIE
            fi;
            goto revoke
        }
    :: STATE(word) == BIAS_GIVEN ->
        atomic {
            if
            :: bias == word -> DRAIN(who); bias = word | BIAS_REVOKED
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
        :: !IS_CLAIMING(0, tail) || bias != word -> skip
#ifndef DEAD_ARE_WAITED_FOR
        :: IS_CLAIMING(0, tail) && dead[0] -> skip
#endif
        OR_DIE
        fi
    }
#endif
    atomic {
        if
        :: bias == word -> DRAIN(who); bias = word & ~3
        :: bias != word -> skip
        OR_DIE
        fi;
        goto revoke
    }

killed:
    /* What was stored is stored; then others can see that it is dead. */
    atomic { DRAIN(who) }
    dead[who] = true;
gone:
    through++
}

init
{
    deaths = DEATHS;
    atomic { run Memory(); run Sender(0, FIRST); run Sender(1, OTHERS); run Sender(2, OTHERS) }
    through == SENDERS
}
