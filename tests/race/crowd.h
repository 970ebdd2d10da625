/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crowd: many threads that do anything to one pool.  A member draws verbs; a boss changes how the peer
 * behaves and how many workers there are; a rival ends copies of leases at the same moment as their holder;
 * a watchdog looks whether anybody waits for what is there.
 */
#ifndef RACE_CROWD_H
#define RACE_CROWD_H

#include "actor.h"
#include "cell.h"
#include "chance.h"
#include "fake.h"

#include <pthread.h>

#define MEMBERS     8u
#define MOST_HELD   3u
#define EVENT_TYPES 16u

/* What a run is like. */
typedef struct weather {
	const char *name;
	bool plain;       /* no peek, check, reset */
	bool any;         /* all options drawn by the seed */
	unsigned fail;    /* one callback in so many fails; 0: none */
	unsigned workers; /* at most so many at a time; 0: none ever */
	qpool_options options;
} weather;

enum { LOAD, QUIET };

typedef struct crowd crowd;

typedef struct member {
	crowd *of;
	unsigned number;
	pthread_t thread;
	chance luck;
	qpool_lease held[MOST_HELD];
	unsigned holds;
	unsigned quiet;        /* atomic: it only takes and gives from now on */
	unsigned done;         /* atomic: through with the quiet phase */
	int64_t waiting_since; /* atomic: in an acquire that may take for ever; 0: not */
	uint64_t acquires;
	qpool_stats seen;
} member;

/* One copy of a lease, for the rival to end when `go` is said. */
typedef struct duel {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool taken; /* somebody has it; guarded by mutex, like posted and over */
	bool posted, over;
	unsigned armed, go; /* atomic */
	qpool_lease copy;
	unsigned how;
	bool won;
} duel;

struct crowd {
	const weather *in;
	uint64_t seed;
	qpool_options options;
	fake *peer, *side_peer;
	qpool *pool, *side; /* side: nested acquires */
	int sink;           /* for dumps nobody reads */
	member members[MEMBERS];
	pthread_t boss, rival, watchdog;
	unsigned phase; /* atomic */
	unsigned over;  /* atomic: watchdog and rival leave */
	pthread_mutex_t mutex;
	pthread_cond_t turned;        /* phase or over was set */
	uint64_t events[EVENT_TYPES]; /* atomic */
	uint64_t adopted;             /* atomic */
	duel duel;
};

/* ---- from end to end ---- */

/* Run one weather with one seed. */
void crowd_run(const weather *in, uint64_t seed, unsigned seconds);

/* ---- rooms of it ---- */

void *member_live(void *argument);
void *boss_live(void *argument);
void *rival_live(void *argument);
void *watchdog_live(void *argument);
/* End it twice, here and on the rival's thread; exactly one end counts. */
void rival_duel(member *m, qpool_lease *lease);
/* One of the ways to end a lease; true: it was the lease's end. */
bool member_end_somehow(crowd *c, qpool_lease *lease, unsigned how);
/* Until *flag is set, at most that long. */
void crowd_rest(crowd *c, const unsigned *flag, int64_t span_ns);
/* Stats that add up and only grow. */
qpool_stats member_looks(member *m);
void crowd_show(const crowd *c, const qpool_stats *s);

#endif
