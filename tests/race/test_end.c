/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_end: pools that end while they are used.  Closed under load, freed with leases out and people in line,
 * made and unmade by the thousand, with threads that live for one acquire only.  Each cell repeats one small
 * life, drawn by the seed, until its time is over.
 */
#include "actor.h"
#include "cell.h"
#include "chance.h"
#include "fake.h"
#include "lives.h"

#include <dirent.h>
#include <sched.h>
#include <string.h>

#define GUESTS 6u

typedef struct house house;

typedef struct guest {
	house *in;
	pthread_t thread;
	chance luck;
	bool has_left; /* atomic: will not name the pool any more */
	qpool_lease lease;
} guest;

struct house {
	fake *peer;
	qpool *pool;
	chance luck;
	bool leave; /* atomic: take no more */
	bool go;    /* atomic: end what you hold, now */
	unsigned count;
	guest guests[GUESTS];
};

static void
open_house(house *h, uint64_t seed)
{
	qpool_options o = qpool_options_init();
	qpool_ops ops;
	qpool_error error;

	memset(h, 0, sizeof *h);
	h->luck = chance_stream(seed, 0);
	h->peer = fake_new();
	ops = chance_one_in(&h->luck, 2) ? fake_ops() : fake_ops_plain();
	o.max_size = 1 + chance_upto(&h->luck, 4);
	o.max_uses = chance_one_in(&h->luck, 2) ? 2 : 0;
	o.min_idle = chance_upto(&h->luck, 2);
	o.flags = chance_one_in(&h->luck, 2) ? QPOOL_RESET_ON_WORKERS : 0;
	o.max_overtake = chance_one_in(&h->luck, 2) ? QPOOL_ZERO : 0;
	o.retry_min = 100000;
	o.retry_max = 1000000;
	if (chance_one_in(&h->luck, 3))
		fake_fail_one_in(h->peer, 5, seed);
	if (qpool_create(&h->pool, &o, &ops, h->peer, &error) != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error.message);
	if (chance_one_in(&h->luck, 2))
		CELL_SAME(qpool_start(h->pool, 1 + chance_upto(&h->luck, 2), &error), QPOOL_OK);
}

static void
invite(house *h, void *(*live)(void *), uint64_t seed)
{
	h->count = 2 + chance_upto(&h->luck, GUESTS - 1);
	for (unsigned i = 0; i < h->count; i++) {
		guest *g = &h->guests[i];
		g->in = h;
		g->luck = chance_stream(seed, 1 + i);
		actor_runs(&g->thread, live, g);
	}
}

static void
join_all(house *h)
{
	for (unsigned i = 0; i < h->count; i++)
		pthread_join(h->guests[i].thread, NULL);
}

static void
end_somehow(guest *g)
{
	if (g->lease.resource == NULL)
		return;
	switch (chance_upto(&g->luck, 4)) {
	case 0:
		CELL_SAME(qpool_discard(&g->lease), QPOOL_OK);
		break;
	case 1:
		CELL_MUST(fake_detach(g->in->peer, &g->lease));
		break;
	default:
		CELL_SAME(qpool_release(&g->lease), QPOOL_OK);
		break;
	}
}

/* ---- closed under load ---- */

static void *
stays_until_closed(void *argument)
{
	guest *g = argument;
	qpool_error error;
	qpool_err err;

	do {
		qpool_nsec timeout =
		    chance_one_in(&g->luck, 2) ? QPOOL_FOREVER : 1 + chance_upto(&g->luck, 300000);
		err = qpool_acquire(g->in->pool, timeout, &g->lease, &error);
		CELL_MUST(err == QPOOL_OK || err == QPOOL_ECLOSED ||
			  (err == QPOOL_ETIMEOUT && timeout != QPOOL_FOREVER));
		lives_spin(&g->luck, 20);
		end_somehow(g);
	} while (err != QPOOL_ECLOSED);
	return NULL;
}

static void *
closes_too(void *argument)
{
	house *h = argument;

	CELL_SAME(qpool_close(h->pool, QPOOL_FOREVER), QPOOL_OK);
	/* From here on nothing of the pool's runs. */
	CELL_SAME(fake_live(h->peer), 0);
	CELL_SAME(fake_calls(h->peer, FAKE_DESTROY), 1);
	return NULL;
}

static void
closed_under_load(uint64_t seed)
{
	static house h;
	pthread_t other;
	qpool_err err;

	open_house(&h, seed);
	invite(&h, stays_until_closed, seed);
	lives_spin(&h.luck, 3000);
	err = qpool_close(h.pool, chance_upto(&h.luck, 100000));
	CELL_MUST(err == QPOOL_OK || err == QPOOL_ETIMEOUT);
	actor_runs(&other, closes_too, &h);
	(void)closes_too(&h);
	pthread_join(other, NULL);
	join_all(&h);
	CELL_SAME(stats_of(h.pool).workers, 0);
	assert_whole(h.pool);
	qpool_free(h.pool);
	fake_end(h.peer);
}

/* ---- freed under load ---- */

/* Comes and goes; when told to leave keeps the lease it has, says so, and ends it when the pool is freed. */
static void *
leaves_with_a_lease(void *argument)
{
	guest *g = argument;

	while (!lives_is_set(&g->in->leave)) {
		qpool_err err;
		end_somehow(g);
		err = qpool_acquire(g->in->pool, QPOOL_FOREVER, &g->lease, NULL);
		CELL_MUST(err == QPOOL_OK || err == QPOOL_ECLOSED);
		lives_spin(&g->luck, 10);
	}
	lives_set(&g->has_left);
	while (!lives_is_set(&g->in->go))
		sched_yield();
	if (g->lease.resource != NULL && chance_one_in(&g->luck, 2)) {
		fake_use(&g->lease);
		fake_unuse(&g->lease);
	}
	lives_spin(&g->luck, 50);
	end_somehow(g);
	return NULL;
}

/* Everybody has left or stands in line: nobody will name the pool any more. */
static void
await_that_none_names_it(house *h)
{
	unsigned left, waiting;

	do {
		sched_yield();
		left = 0;
		for (unsigned i = 0; i < h->count; i++)
			left += lives_is_set(&h->guests[i].has_left);
		waiting = stats_of(h->pool).waiting;
	} while (left + waiting < h->count);
}

static void
freed_under_load(uint64_t seed)
{
	static house h;
	bool free_first;

	open_house(&h, seed);
	invite(&h, leaves_with_a_lease, seed);
	lives_spin(&h.luck, 2000);
	lives_set(&h.leave);
	await_that_none_names_it(&h);
	free_first = chance_one_in(&h.luck, 3);
	if (!free_first)
		lives_set(&h.go);
	if (chance_one_in(&h.luck, 3))
		(void)!qpool_close(h.pool, chance_upto(&h.luck, 100000));
	qpool_free(h.pool);
	lives_set(&h.go);
	join_all(&h);
	fake_await_destroyed(h.peer);
	fake_end(h.peer);
}

/* ---- lives of one acquire ---- */

static void *
comes_once(void *argument)
{
	guest *g = argument;

	if (qpool_acquire(g->in->pool, 1 + chance_upto(&g->luck, 200000), &g->lease, NULL) ==
	    QPOOL_OK)
		lives_spin(&g->luck, 10);
	end_somehow(g);
	return NULL;
}

/* Who has waited leaves for good, and its stack goes to the next. */
static void
threads_come_and_go(uint64_t seed)
{
	static house h;

	open_house(&h, seed);
	for (unsigned round = 0; round < 20; round++) {
		invite(&h, comes_once, seed + round);
		join_all(&h);
	}
	CELL_SAME(qpool_close(h.pool, QPOOL_FOREVER), QPOOL_OK);
	qpool_free(h.pool);
	fake_end(h.peer);
}

/* ---- workers come and go ---- */

static void *
comes_often(void *argument)
{
	guest *g = argument;

	while (!lives_is_set(&g->in->leave)) {
		CELL_SAME(qpool_acquire(g->in->pool, QPOOL_FOREVER, &g->lease, NULL), QPOOL_OK);
		end_somehow(g);
	}
	return NULL;
}

/* Whoever opens, the caller or a worker: when workers stop in the middle, somebody else does. */
static void
workers_come_and_go(uint64_t seed)
{
	static house h;

	open_house(&h, seed);
	CELL_SAME(qpool_stop(h.pool), QPOOL_OK);
	invite(&h, comes_often, seed);
	for (unsigned round = 0; round < 20; round++) {
		CELL_SAME(qpool_start(h.pool, 1 + chance_upto(&h.luck, 3), NULL), QPOOL_OK);
		lives_spin(&h.luck, 50);
		CELL_SAME(qpool_stop(h.pool), QPOOL_OK);
		CELL_SAME(stats_of(h.pool).workers, 0);
		lives_spin(&h.luck, 20);
	}
	lives_set(&h.leave);
	join_all(&h);
	assert_whole(h.pool);
	CELL_SAME(qpool_close(h.pool, QPOOL_FOREVER), QPOOL_OK);
	qpool_free(h.pool);
	fake_end(h.peer);
}

/* ---- short lives ---- */

static void
short_life(uint64_t seed)
{
	static house h;
	qpool_lease lease = QPOOL_LEASE_INIT;

	open_house(&h, seed);
	if (chance_one_in(&h.luck, 2))
		(void)!qpool_acquire(h.pool, QPOOL_MSEC(1), &lease, NULL);
	if (chance_one_in(&h.luck, 2))
		CELL_SAME(qpool_release(&lease), QPOOL_OK);
	if (chance_one_in(&h.luck, 2))
		(void)!qpool_close(h.pool, QPOOL_NOWAIT);
	qpool_free(h.pool);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	fake_await_destroyed(h.peer);
	fake_end(h.peer);
}

static unsigned
entries_of(const char *folder)
{
	DIR *d = opendir(folder);
	unsigned entries = 0;

	CELL_MUST(d != NULL);
	while (readdir(d) != NULL)
		entries++;
	closedir(d);
	return entries;
}

static void *
comes_never(void *argument)
{
	return argument;
}

/* A life that is closed before it is freed leaves no thread and no descriptor. */
static void
tidy_life(uint64_t seed)
{
	static house h;
	unsigned threads, fds;
	pthread_t first;
	qpool_lease lease;

	/* A sanitizer begins a thread of its own with the first of ours. */
	actor_runs(&first, comes_never, NULL);
	pthread_join(first, NULL);
	threads = entries_of("/proc/self/task");
	fds = entries_of("/proc/self/fd");
	open_house(&h, seed);
	if (qpool_acquire(h.pool, QPOOL_MSEC(1), &lease, NULL) == QPOOL_OK)
		CELL_SAME(qpool_release(&lease), QPOOL_OK);
	if (chance_one_in(&h.luck, 2))
		CELL_SAME(qpool_close(h.pool, QPOOL_FOREVER), QPOOL_OK);
	qpool_free(h.pool);
	/* The system may show one that was joined a little longer. */
	while (entries_of("/proc/self/task") > threads)
		sched_yield();
	CELL_SAME(entries_of("/proc/self/fd"), fds);
	fake_end(h.peer);
}

static const life lives[] = {
    {"closed under load", closed_under_load},
    {"freed under load", freed_under_load},
    {"threads come and go", threads_come_and_go},
    {"workers come and go", workers_come_and_go},
    {"short lives", short_life},
    {"tidy lives", tidy_life},
};

int
main(int argc, char **argv)
{
	return lives_run(lives, sizeof lives / sizeof lives[0], "end", argc, argv);
}
