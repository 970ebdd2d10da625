/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: N threads that make requests at once, for a time or until a number of them is done, and what
 * was measured.  It knows nothing of pools and databases: a request is a function.
 *
 * The measured time runs from the opening of the gate until the last thread is done: requests under way
 * at the end are finished and counted, so that a thread that starved does not vanish from the figures.
 */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include <stdatomic.h>
#include <stdint.h>

#include <queuepool.h>

#include "hist.h"

#define LOAD_THREADS_MAX 10000u

struct load_run; /* load.c's own */

/* One thread: what a request function may use. */
struct load_thread {
	unsigned index;
	uint64_t random;   /* state of load_random */
	struct hist wait;  /* the request adds how long it waited for what it needed */
	struct hist whole; /* load adds how long a served request took */
	struct load_run *run;
	_Atomic uint64_t served; /* written by this thread, read by the one that shows progress */
	uint64_t cancelled;
	_Atomic uint64_t failed;
};

enum load_outcome {
	LOAD_SERVED,
	LOAD_FAILED,    /* *error says why */
	LOAD_CANCELLED, /* load_cancelled() was heeded */
};

typedef enum load_outcome load_request_fn(struct load_thread *self, void *user, qpool_error *error);

/* For the one who watches. */
struct load_progress {
	qpool_nsec elapsed;
	uint64_t served, failed;
	double share; /* of the whole, 0 to 1 */
};

struct load_plan {
	unsigned threads;
	qpool_nsec duration; /* used when count is 0 */
	uint64_t count;      /* requests by all threads together */
	load_request_fn *request;
	void *user;
	/* On the caller's thread about ten times a second; may be NULL. */
	void (*watch)(const struct load_progress *progress, void *watch_user);
	void *watch_user;
};

struct load_result {
	struct hist wait, whole;
	uint64_t served, failed, cancelled;
	uint64_t least, most; /* served by one thread */
	qpool_nsec elapsed;
	qpool_nsec cpu; /* of the whole process meanwhile */
	qpool_error first_failure;
};

/* Run it on `plan->threads` threads of its own; the caller's waits.  A signal caught by stop.h ends it
 * early.  ESYS, ENOMEM: nothing was run, and *error says why. */
qpool_err load_execute(
    const struct load_plan *plan, struct load_result *result, qpool_error *error);

/* Has the end come so late, or so suddenly, that even the request under way must be cut short? */
bool load_cancelled(const struct load_thread *self);
/* Is no new request to be begun? */
bool load_ending(const struct load_thread *self);
/* Sleep, unless cancelled meanwhile. */
void load_sleep(const struct load_thread *self, qpool_nsec duration);
/* 0 .. below-1; each thread draws its own reproducible row of numbers. */
uint32_t load_random(struct load_thread *self, uint32_t below);

#endif
