/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage: a pool of fakes in virtual time on which one thread stands inside one callback.  A place says which
 * callback and how a thread comes to it; what is done meanwhile is the test's.  The gates matrix leaves the
 * thread standing and acts from outside; the re-entry matrix acts from inside.
 */
#ifndef GATES_STAGE_H
#define GATES_STAGE_H

#include "cell.h"
#include "fake.h"

#include <pthread.h>

/* What is peculiar about a place. */
enum {
	ON_WORKER = 1 << 0, /* a worker is inside; else the subject's own thread */
	WAITS = 1 << 1,     /* the subject stands in line meanwhile */
	NO_KEPT = 1 << 2,   /* no other lease may be out */
	NO_LINE = 1 << 3,   /* nobody can join the line: the pool is closing, down or full */
	CLOSING = 1 << 4,   /* the subject is in qpool_close */
	ASKS = 1 << 5,      /* the subject acquires, so its time may run out */
	TIMED = 1 << 6,     /* ... and so it does on the way to this place */
	RETURNED = 1 << 7,  /* the subject has returned already: only a worker is inside */
	COVERS = 1 << 8,    /* the open that is under way counts as the one for whoever waits */
	FULL = 1 << 9,      /* is reached only while every slot is lent */
	IDLE_ONE = 1 << 10, /* one is idle meanwhile: who comes is served */
};

typedef struct stage stage;

/* A thread of the test that calls one verb. */
typedef struct hand {
	stage *on;
	void (*verb)(struct hand *self);
	pthread_t thread;
	unsigned done; /* atomic */
	bool joined;
	qpool_nsec timeout;
	unsigned cancel; /* atomic: what its interrupt hook answers */
	qpool_nsec hook_every;
	qpool_err err;
	qpool_error error;
	qpool_lease lease, second; /* the second of one that asked for several */
	size_t count;
} hand;

typedef struct place {
	const char *name;
	fake_step step;         /* the callback, or FAKE_STEPS */
	qpool_event_type event; /* else this event, or 0: the interrupt hook */
	unsigned traits;
	unsigned skip;    /* so many arrivals pass first */
	unsigned workers; /* started before prepare */
	uint32_t max_size;
	void (*options)(qpool_options *o);
	void (*prepare)(stage *s);   /* before anybody is stopped */
	void (*verb)(hand *subject); /* leads into the callback */
	void (*push)(stage *s);      /* what it takes besides */
	qpool_err outcome;           /* of the verb, when nothing disturbs */
	qpool_err late;              /* of an acquire whose time ran out meanwhile */
	size_t state;                /* where in qpool_stats its slot is counted; 0: it has none */
} place;

extern const place places[];
extern const size_t places_count;

#define MOST_HANDS 6u

struct stage {
	const place *at;
	fake *peer;
	qpool *pool;
	qpool_lease kept;       /* somebody else's lease, out all the time unless NO_KEPT */
	qpool_lease given;      /* for the subject to end, or so that all are out */
	qpool_lease stale;      /* ended already */
	hand hands[MOST_HANDS]; /* the first is the subject */
	unsigned hired;
	hand *awaited;
	hand *served[2]; /* once all is over these must have been */
	bool closed, freed;
	uint32_t spare; /* slots beyond what the place needs */
	void *user;
	/* guarded by mutex */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool armed, arrived, open;
	unsigned skip;
	void (*inside)(stage *s); /* runs in the callback; NULL: stand until the gate opens */
};

/* ---- a cell from end to end ---- */

/* Pool, leases, workers, as the place wants; nobody is stopped yet. */
void stage_set(stage *s, const place *at, uint32_t spare);
/* The subject goes; returns when it (or the worker) stands inside the callback. */
void stage_begin(stage *s);
/* Let the one inside go on. */
void stage_open_gate(stage *s);
/* Open, end every hand and lease, look that nothing was lost and nothing is left. */
void stage_end(stage *s);

/* ---- hands and time ---- */

hand *stage_subject(stage *s);
/* Another thread. */
hand *stage_hire(stage *s, void (*verb)(hand *self), qpool_nsec timeout);
bool hand_is_done(hand *h);
void hand_join(hand *h);
/* Until all that can move have come to rest: parked in virtual time, or at the gate. */
void stage_still(stage *s);
/* Let time pass, from deadline to deadline. */
void stage_elapse(stage *s, qpool_nsec span);
/* ... until this one is done, at most that long. */
void stage_elapse_until(stage *s, hand *h, qpool_nsec most);
/* An acquire that has come to stand in line. */
hand *stage_waiter(stage *s, qpool_nsec timeout);
/* One of two at once: the first to ask stands in line, others at the gate. */
hand *stage_several(stage *s, qpool_nsec timeout);
/* They add up. */
qpool_stats stage_stats(stage *s);

/* ---- verbs for hands ---- */

void verb_acquire(hand *h);
void verb_acquire_several(hand *h);
void verb_close(hand *h);
void verb_free(hand *h);
void verb_maintain(hand *h);
void verb_stop(hand *h);
void verb_start(hand *h);
void verb_release_given(hand *h);
void verb_discard_given(hand *h);
void verb_release_stale(hand *h);
void verb_nothing(hand *h);

#endif
