/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_load: see the header.
 */
#include "pg_load.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_THREADS = 64, PATIENCE_SECONDS = 60 * RACE_SLOWER };

typedef struct worker {
	load *in;
	pthread_t thread;
	unsigned who;
} worker;

struct load {
	qpool *pool;
	load_options options;
	worker workers[MOST_THREADS];
	pthread_mutex_t mutex; /* over what follows */
	pthread_cond_t changed;
	load_count count;
	unsigned turn; /* odd: the server is going or gone */
	bool awaits_first, stops;
	int64_t first_ns;
};

/* ---- a pool ---- */

qpool *
load_pool(const char *conninfo, const qpool_pg_options *pg, const qpool_options *options,
    unsigned workers)
{
	qpool_error error;
	qpool *pool = NULL;

	if (qpool_pg_create(&pool, conninfo, pg, options, &error) != QPOOL_OK)
		fail_msg("no pool: %s", error.message);
	if (workers > 0 && qpool_start(pool, workers, &error) != QPOOL_OK)
		fail_msg("no workers: %s", error.message);
	return pool;
}

qpool_stats
load_stats(const qpool *pool)
{
	qpool_stats stats = qpool_stats_init();

	qpool_get_stats(pool, &stats);
	return stats;
}

void
load_pool_end(qpool *pool)
{
	qpool_stats stats;
	uint64_t closes = 0;

	assert_int_equal(qpool_close(pool, QPOOL_SEC(60)), QPOOL_OK);
	stats = load_stats(pool);
	for (size_t i = 0; i < sizeof stats.closes / sizeof stats.closes[0]; i++)
		closes += stats.closes[i];
	assert_int_equal(stats.empty, stats.max_size);
	assert_int_equal(stats.opens, closes);
	qpool_free(pool);
}

qpool_lease
load_take(qpool *pool)
{
	qpool_lease lease;
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_SEC(60), &lease, &error) != QPOOL_OK)
		fail_msg("no lease: %s", error.message);
	return lease;
}

void
load_put(qpool_lease *lease)
{
	assert_int_equal(qpool_release(lease), QPOOL_OK);
}

int64_t
load_number(qpool_lease *lease, const char *sql)
{
	PGresult *result = NULL;
	qpool_pg_rows rows;
	qpool_error error;
	int64_t number;

	if (qpool_pg_one(lease, sql, NULL, &result, &rows, &error) != QPOOL_OK)
		fail_msg("%s: %s", sql, error.message);
	assert_int_equal(rows, QPOOL_PG_ONE_ROW);
	number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return number;
}

int
load_pid(qpool_lease *lease)
{
	return (int)load_number(lease, "SELECT pg_backend_pid()");
}

void
load_take_all(qpool *pool, unsigned count)
{
	qpool_lease *leases = calloc(count, sizeof *leases);

	assert_non_null(leases);
	for (unsigned i = 0; i < count; i++) {
		leases[i] = load_take(pool);
		assert_int_equal(load_number(&leases[i], "SELECT 1"), 1);
	}
	for (unsigned i = 0; i < count; i++)
		load_put(&leases[i]);
	free(leases);
}

double
load_msec(int64_t ns)
{
	return (double)ns / 1e6;
}

/* ---- threads ---- */

static qpool_err
select_one(qpool_lease *lease, qpool_error *error)
{
	return qpool_pg_exec(lease, "SELECT 1", NULL, NULL, error);
}

static unsigned
turn_of(load *l)
{
	unsigned turn;

	pthread_mutex_lock(&l->mutex);
	turn = l->turn;
	pthread_mutex_unlock(&l->mutex);
	return turn;
}

static void
count_job(load *l, unsigned turn, qpool_err err, const qpool_error *error)
{
	pthread_mutex_lock(&l->mutex);
	if (err == QPOOL_OK) {
		l->count.done++;
		if (l->awaits_first)
			l->first_ns = chance_now();
		l->awaits_first = false;
	} else {
		if (turn % 2 == 0 && turn == l->turn)
			l->count.stale++;
		else
			l->count.in_flight++;
		l->count.unknown += err == QPOOL_EUNKNOWN;
		l->count.failure = *error;
	}
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->mutex);
}

static void
count_acquire(load *l, int64_t took_ns, qpool_err err, const qpool_error *error)
{
	load_count *c = &l->count;

	pthread_mutex_lock(&l->mutex);
	if (took_ns > c->longest_ns)
		c->longest_ns = took_ns;
	if (err == QPOOL_OK) {
		c->leases++;
	} else {
		c->refusals++;
		c->told_since += strstr(error->message, "failing for") != NULL;
		c->refusal = *error;
		if (took_ns > c->longest_refusal_ns)
			c->longest_refusal_ns = took_ns;
	}
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->mutex);
}

static bool
goes_on(load *l)
{
	bool goes;

	pthread_mutex_lock(&l->mutex);
	goes = !l->stops;
	pthread_mutex_unlock(&l->mutex);
	return goes;
}

static void
use_once(load *l, unsigned who)
{
	const load_options *o = &l->options;
	qpool_lease lease;
	qpool_error error;
	int64_t began_ns = chance_now();
	qpool_err err = qpool_acquire(l->pool, o->timeout, &lease, &error);
	unsigned turn;

	count_acquire(l, chance_now() - began_ns, err, &error);
	if (err != QPOOL_OK) {
		(void)poll(NULL, 0, 1); /* a program that was refused does something else */
		return;
	}
	turn = turn_of(l);
	err = o->job == NULL ? select_one(&lease, &error) : o->job(o->of, who, &lease, &error);
	count_job(l, turn, err, &error);
	(void)qpool_release(&lease);
}

static void *
work(void *argument)
{
	worker *w = argument;

	while (goes_on(w->in))
		use_once(w->in, w->who);
	return NULL;
}

load *
load_start(qpool *pool, const load_options *options)
{
	load *l = calloc(1, sizeof *l);
	pthread_condattr_t clock;

	assert_non_null(l);
	assert_in_range(options->threads, 1, MOST_THREADS);
	l->pool = pool;
	l->options = *options;
	assert_int_equal(pthread_mutex_init(&l->mutex, NULL), 0);
	assert_int_equal(pthread_condattr_init(&clock), 0);
	assert_int_equal(pthread_condattr_setclock(&clock, CLOCK_MONOTONIC), 0);
	assert_int_equal(pthread_cond_init(&l->changed, &clock), 0);
	(void)pthread_condattr_destroy(&clock);
	for (unsigned i = 0; i < options->threads; i++) {
		l->workers[i] = (worker){.in = l, .who = i};
		assert_int_equal(
		    pthread_create(&l->workers[i].thread, NULL, work, &l->workers[i]), 0);
	}
	return l;
}

static void
next_turn(load *l, bool goes)
{
	pthread_mutex_lock(&l->mutex);
	l->turn++;
	assert_int_equal(l->turn % 2, goes);
	pthread_mutex_unlock(&l->mutex);
}

void
load_going(load *l)
{
	next_turn(l, true);
}

void
load_gone(load *l)
{
	pthread_mutex_lock(&l->mutex);
	l->awaits_first = true;
	l->first_ns = 0;
	pthread_mutex_unlock(&l->mutex);
}

void
load_back(load *l)
{
	next_turn(l, false);
}

load_count
load_now(load *l)
{
	load_count count;

	pthread_mutex_lock(&l->mutex);
	count = l->count;
	pthread_mutex_unlock(&l->mutex);
	return count;
}

/* Under the mutex: until *number is at least `least`.  False: it never was. */
static bool
await_locked(load *l, const uint64_t *number, uint64_t least)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_SECONDS;
	while (*number < least)
		if (pthread_cond_timedwait(&l->changed, &l->mutex, &until) != 0)
			return *number >= least;
	return true;
}

static void
await_more(load *l, const uint64_t *number, uint64_t more, const char *what)
{
	qpool_error refusal, failure;
	bool reached;

	pthread_mutex_lock(&l->mutex);
	reached = await_locked(l, number, *number + more);
	refusal = l->count.refusal;
	failure = l->count.failure;
	pthread_mutex_unlock(&l->mutex);
	if (reached)
		return;
	qpool_dump(l->pool, 2);
	fail_msg("never %s; last: %s; %s", what, refusal.message, failure.message);
}

int64_t
load_first_done(load *l)
{
	const uint64_t *done = &l->count.done;
	int64_t first_ns;

	for (;;) {
		pthread_mutex_lock(&l->mutex);
		first_ns = l->awaits_first ? 0 : l->first_ns;
		pthread_mutex_unlock(&l->mutex);
		if (first_ns != 0)
			return first_ns;
		await_more(l, done, 1, "done");
	}
}

void
load_await_done(load *l, uint64_t more)
{
	await_more(l, &l->count.done, more, "done");
}

void
load_await_refusals(load *l, uint64_t more)
{
	await_more(l, &l->count.refusals, more, "refused");
}

load_count
load_end(load *l)
{
	load_count count;

	pthread_mutex_lock(&l->mutex);
	l->stops = true;
	pthread_mutex_unlock(&l->mutex);
	for (unsigned i = 0; i < l->options.threads; i++)
		(void)pthread_join(l->workers[i].thread, NULL);
	count = l->count;
	(void)pthread_cond_destroy(&l->changed);
	(void)pthread_mutex_destroy(&l->mutex);
	free(l);
	return count;
}

void
load_print(const char *what, const load_count *c)
{
	printf("# %s: %" PRIu64 " leases, %" PRIu64 " acquires failed, longest acquire %.1f ms; "
	       "jobs: %" PRIu64 " done, %" PRIu64 " failed in flight (%" PRIu64
	       " with unknown outcome), %" PRIu64 " stale\n",
	    what, c->leases, c->refusals, load_msec(c->longest_ns), c->done, c->in_flight,
	    c->unknown, c->stale);
	if (c->refusals > 0)
		printf("#   last acquire that failed: %s\n", c->refusal.message);
	if (c->in_flight + c->stale > 0)
		printf("#   last job that failed: %s\n", c->failure.message);
	(void)fflush(stdout);
}
