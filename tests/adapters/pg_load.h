/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_load: a pool as a program makes one, and threads that use it as a program does while a test takes the
 * server away.  Each try is counted by what became of it.  Tests come in, from their own thread; what
 * the threads find is judged by the test, from the counts.
 */
#ifndef PG_LOAD_H
#define PG_LOAD_H

#include <queuepool/postgres.h>

#include "../race/chance.h"
#include "pg_kit.h"

/* So much later than its deadline may a call end on a busy machine. */
#define LOAD_TOLERANCE (QPOOL_MSEC(500) * RACE_SLOWER)

/* ---- a pool ---- */

/* Fails the test when it cannot be made.  workers 0: callers open. */
qpool *load_pool(const char *conninfo, const qpool_pg_options *pg, const qpool_options *options,
    unsigned workers);
/* Close and free it; every slot must be empty then, and every resource that was opened closed. */
void load_pool_end(qpool *pool);
qpool_stats load_stats(const qpool *pool);
/* Within 60 s; fails the test. */
qpool_lease load_take(qpool *pool);
void load_put(qpool_lease *lease);
/* The first column of the first row, by the helpers. */
int64_t load_number(qpool_lease *lease, const char *sql);
/* The backend behind the lease, as the server knows it. */
int load_pid(qpool_lease *lease);
/* So many at once, all of which answer; then all back.  What a pool whose capacity is whole can do. */
void load_take_all(qpool *pool, unsigned count);
/* Milliseconds, to print. */
double load_msec(int64_t ns);

/* ---- threads ---- */

/* A lease's work; OK or the failure of a helper. */
typedef qpool_err load_job(void *of, unsigned who, qpool_lease *lease, qpool_error *error);

typedef struct load_options {
	unsigned threads;
	qpool_nsec timeout; /* of acquires */
	load_job *job;      /* NULL: SELECT 1 */
	void *of;
} load_options;

typedef struct load_count {
	uint64_t leases, refusals;              /* acquires that gave one, that failed */
	uint64_t told_since;                    /* of the latter, whose error tells since when */
	uint64_t done, stale, in_flight;        /* jobs done; failed, see load_going */
	uint64_t unknown;                       /* of those that failed: EUNKNOWN */
	int64_t longest_ns, longest_refusal_ns; /* acquires */
	qpool_error refusal, failure;           /* the last ones */
} load_count;

typedef struct load load;

load *load_start(qpool *pool, const load_options *options);
/* The server is about to go.  A job that fails though its lease was acquired before load_going or between
 * it and load_back is in flight; acquired after load_back and before the next load_going: stale. */
void load_going(load *l);
/* The server is gone for certain: load_first_done counts from here. */
void load_gone(load *l);
/* The server is back. */
void load_back(load *l);
load_count load_now(load *l);
/* When the first job since load_gone was done; waits for it. */
int64_t load_first_done(load *l);
/* Until so many more jobs are done; fails the test after 60 s. */
void load_await_done(load *l, uint64_t more);
/* Until so many more acquires have failed. */
void load_await_refusals(load *l, uint64_t more);
load_count load_end(load *l);
void load_print(const char *what, const load_count *c);

#endif
