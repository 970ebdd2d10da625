/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stress: as many leases as a machine can do, by the library that is shipped.  A run is many short rounds, each
 * with a pool drawn by the seed.  Members take and give; a conductor sees to it that in every round somebody waits,
 * somebody's time is over, and the limits change; a watchdog ends the program when a thread stands still.  No room
 * of it knows more of the pool than the public header says.
 */
#ifndef STRESS_STRESS_H
#define STRESS_STRESS_H

#include "../race/chance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define MOST_MEMBERS 32u
#define MOST_SIZE    16u
#define BOXES        6u
#define EVENT_TYPES  16u
#define LINE_BYTES   128u /* what is written by one thread stands in lines of its own */

/* Nobody stands still for so long: no hold, no timeout and no round is a tenth of it. */
#define STILL_NS (QPOOL_SEC(5) * RACE_SLOWER)

#define MUST(x)    ((x) ? (void)0 : stress_broken(__FILE__, __LINE__, "must hold: %s", #x))
#define SAME(a, b) stress_same(__FILE__, __LINE__, #a, (long long)(a), (long long)(b))

/* What a thread is at; shown by the watchdog. */
#define STRESS_DOINGS(X)                                            \
	X(STARTS, "starts")                                         \
	X(BULK, "takes and gives, without a timeout")               \
	X(BULK_TIMED, "takes and gives, with a timeout")            \
	X(BULK_AT_ONCE, "takes and gives, if there is one at once") \
	X(TIMED, "waits for a short time")                          \
	X(NESTED, "takes one beside another")                       \
	X(SEVERAL, "takes several")                                 \
	X(SLEEPER, "sleeps as a holder")                            \
	X(BOXING, "gives a lease to another thread")                \
	X(UNBOXING, "ends leases of others")                        \
	X(TWIN, "ends a lease in two threads")                      \
	X(AGAIN, "ends a lease twice")                              \
	X(SPOILER, "spoils one")                                    \
	X(DETACHER, "detaches one")                                 \
	X(ADOPTER, "has one adopted")                               \
	X(PAUSER, "pauses the pool")                                \
	X(OPERATOR, "renews, suspects, maintains")                  \
	X(LOOKER, "looks at all")                                   \
	X(READY, "waits until some are ready")                      \
	X(RESTS, "rests")                                           \
	X(CONFIGURES, "configures")                                 \
	X(HIRES, "starts or stops workers")                         \
	X(SQUEEZES, "holds all there are")                          \
	X(FILLS, "takes all there are, alone")                      \
	X(CLOSES, "closes the pool")                                \
	X(SNAPS, "does something amid the member's leases")         \
	X(MEETS, "waits for the other one to come here")            \
	X(JOINS, "waits for the members")                           \
	X(FREES, "frees the pool")                                  \
	X(ENDED, "has ended")

typedef enum doing {
#define STRESS_X_(id, text) id,
	STRESS_DOINGS(STRESS_X_)
#undef STRESS_X_
	    DOINGS
} doing;

typedef struct round round;
typedef struct member member;

/* What `holder` says when it is no member's number + 1. */
enum { NOBODY = 0, IN_STEP = 1000, IN_BOX, IS_CLOSED };

/* A resource that knows who is inside it.  Every touch of it is relaxed or plain: the order between one holder and
 * the next is the pool's to make. */
typedef struct resource {
	_Atomic uint32_t holder;
	round *of;
	uint64_t uses;    /* by its holders */
	uint64_t wear[8]; /* each is `uses` once a holder has worn it: as many stores in flight */
} resource;

/* One lease, ended by two threads at once: one of the ends counts. */
typedef struct twin {
	_Atomic uint32_t ends, won;
	_Atomic bool is_out;
} twin;

/* A lease on its way to another thread. */
enum { BOX_EMPTY, BOX_FILLING, BOX_FULL, BOX_TAKING };
typedef struct box {
	_Alignas(LINE_BYTES) _Atomic uint32_t state;
	qpool_lease lease;
	twin *of; /* or NULL: then its resource is IN_BOX */
} box;

/* members, and one more, the conductor */
struct member {
	_Alignas(LINE_BYTES) _Atomic uint64_t beat; /* odd: inside an acquire */
	_Atomic uint32_t doing;
	round *of;
	uint32_t number;
	pthread_t thread;
	chance luck;
	twin twin;
	bool is_refused; /* ECLOSED */
	/* its own; read when it has ended */
	uint64_t acquires, ends, uses, timeouts, refusals, misuses, opens_adopted;
	/* the watchdog's */
	uint64_t seen_beat;
	uint32_t seen_doing;
	int64_t seen_ns; /* since when nothing has changed */
};

/* How a round ends. */
typedef enum ending { CLOSE_AFTER, CLOSE_AMID, FREE_AMID } ending;

/* One pool for one moment. */
typedef enum snap_deed {
	SNAP_WAIT,
	SNAP_TIMED,
	SNAP_AT_ONCE,
	SNAP_COMMAND,
	SNAP_TWIN,
	SNAP_CLOSE,
	SNAP_FREE,
	SNAP_FREE_IDLE
} snap_deed;

typedef struct snap {
	/* drawn before the two meet */
	snap_deed deed;
	uint32_t pairs, lines;
	qpool_lease copy; /* for the other one to end */
	_Alignas(LINE_BYTES) _Atomic uint32_t met;
	_Alignas(LINE_BYTES) _Atomic uint32_t said;
} snap;

struct round {
	uint64_t seed, number;
	/* drawn */
	qpool_options options;
	qpool_ops ops;
	uint32_t members,
	    busy; /* busy: so many take and give all the time, the others rest between two deeds */
	uint32_t workers;
	uint32_t burst_bits; /* leases in a row: up to 1 << that */
	int64_t gap_ns;      /* between two deeds of the others, and of the conductor: up to that */
	int64_t span_ns;
	bool is_snaps;   /* a pool for each moment, and one member */
	bool is_counted; /* holders are, which costs a line that all write */
	ending ends_by;
	uint64_t waits; /* known when it is over */
	uint64_t pools;
	/* while it runs */
	qpool *pool;
	int sink;
	pthread_mutex_t mutex;
	pthread_cond_t turned, ended; /* is_over was set; a member has ended */
	pthread_barrier_t barrier;
	_Atomic bool is_over, is_closing;
	/* times 65,536: how often max_size in force was changed; below: no more resources than that.  Odd times:
	 * it is being changed. */
	_Alignas(LINE_BYTES) _Atomic uint64_t bound;
	_Alignas(LINE_BYTES) _Atomic uint32_t holders;
	_Alignas(LINE_BYTES) _Atomic int64_t live;
	_Atomic uint64_t opens, closes, detached, uses, steps, misuses, destroys;
	_Atomic uint64_t told[EVENT_TYPES];
	box boxes[BOXES];
	snap snap;
	member all[MOST_MEMBERS + 1];
};

/* Of all rounds. */
typedef struct totals {
	uint64_t rounds, pools, leases, ends, waits, timeouts, refusals, misuses, opens;
} totals;

/* ---- peer.c: resources ---- */

void peer_fill(qpool_ops *ops, bool peeks, bool checks, bool resets);
/* The holder goes in, and out again. */
void peer_enter(member *m, const qpool_lease *lease);
void peer_leave(member *m, const qpool_lease *lease);
/* From one that may be inside to the other; anything else is broken. */
void peer_hand(const qpool_lease *lease, uint32_t from, uint32_t to);
resource *peer_make(round *r);
void peer_unmake(resource *it, uint32_t from);
/* Free what was closed: it is kept a while, so that a touch of it is seen. */
void peer_bury_all(void);

/* ---- member.c, deeds.c: threads ---- */

void *member_live(void *argument);
void member_deed(member *m);
void member_empty_boxes(member *m);
/* Acquire, and look whether it ended as it may. */
qpool_err member_acquire(member *m, qpool_nsec timeout, qpool_lease *lease);
/* The same for what another verb of the same rules said, begun at since_ns. */
void member_judge(member *m, qpool_err err, qpool_nsec timeout, int64_t since_ns);
/* Release what is used no more; or end it in some way. */
void member_release(member *m, qpool_lease *lease);
void member_end(member *m, qpool_lease *lease);
/* Of two ends of one lease one counts. */
void member_begin_twin(twin *of);
void member_end_twin(member *m, qpool_lease *lease, twin *of);
/* Write to so many lines that are far away: what is stored next is seen late. */
void member_press(member *m, uint32_t lines);
void member_spin(chance *luck, uint32_t most);
/* Until the round is over, at most that long. */
void member_rest(member *m, int64_t span_ns);

static inline void
member_beat(member *m)
{
	atomic_store_explicit(&m->beat, atomic_load_explicit(&m->beat, memory_order_relaxed) + 1,
	    memory_order_relaxed);
}

static inline void
member_does(member *m, doing what)
{
	atomic_store_explicit(&m->doing, what, memory_order_relaxed);
}

/* ---- conductor.c, snap.c: what is done in a round; round.c: one from end to end; options.c: what it is like ---- */

void conductor_bound(round *r, uint32_t most);
void conductor_lead(round *r);
void *snap_live(void *argument);
void snap_lead(round *r);
void round_draw(round *r);
void round_run(round *r, uint64_t seed, uint64_t number, totals *all);
/* Nobody else is here: all there are can be lent at once.  That finds what lies where nobody looks. */
void round_lend_all(round *r);
void round_show(const round *r, FILE *to);

/* ---- watchdog.c ---- */

void watchdog_start(void);
/* This round from now on; NULL: none. */
void watchdog_watch(round *r);
void watchdog_end(void);
void stress_broken(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void stress_same(const char *file, int line, const char *what, long long is, long long should_be);

#endif
