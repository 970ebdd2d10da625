/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * round: one pool from create to its last byte.  When all have ended, the books are compared: the pool's, the
 * peer's and the members' must say the same.
 */
#include "stress.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 200000

/* ---- begin ---- */

static void
make_pool(round *r)
{
	qpool_error error;

	conductor_bound(r, r->options.max_size);
	if (qpool_create(&r->pool, &r->options, &r->ops, r, &error) != QPOOL_OK ||
	    (r->workers > 0 && qpool_start(r->pool, r->workers, &error) != QPOOL_OK))
		stress_broken(__FILE__, __LINE__, "%s", error.message);
	r->pools++;
}

static void
set_up(round *r)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->turned, &monotonic);
	pthread_cond_init(&r->ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_barrier_init(&r->barrier, NULL, r->members + 1);
	r->sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
	MUST(r->sink >= 0);
	if (!r->is_snaps)
		make_pool(r);
	for (uint32_t i = 0; i <= r->members; i++) {
		member *m = &r->all[i];
		m->of = r;
		m->number = i;
		m->luck = chance_stream(r->seed, r->number * (MOST_MEMBERS + 2) + 1 + i);
	}
	/* The conductor's is this thread. */
	for (uint32_t i = 0; i < r->members; i++)
		MUST(pthread_create(&r->all[i].thread, NULL, r->is_snaps ? snap_live : member_live,
			 &r->all[i]) == 0);
}

/* ---- end ---- */

static void
say_it_is_over(round *r)
{
	pthread_mutex_lock(&r->mutex);
	atomic_store(&r->is_over, true);
	pthread_cond_broadcast(&r->turned);
	pthread_mutex_unlock(&r->mutex);
}

static bool
has_ended(const member *m)
{
	uint32_t does = atomic_load(&m->doing);

	return does == ENDED || (does == FREES && m->of->ends_by == FREE_AMID);
}

/* Until a member says that it has ended, at most for a moment. */
static void
await_one(round *r)
{
	int64_t end = chance_now() + LOOK_NS;
	struct timespec deadline = {(time_t)(end / 1000000000), (long)(end % 1000000000)};

	pthread_mutex_lock(&r->mutex);
	(void)pthread_cond_timedwait(&r->ended, &r->mutex, &deadline);
	pthread_mutex_unlock(&r->mutex);
}

/* What is in a box goes on being ended meanwhile: who put it there may wait for it. */
static void
await_all(round *r)
{
	member *conductor = &r->all[r->members];

	member_does(conductor, JOINS);
	for (uint32_t i = 0; i < r->members;) {
		if (has_ended(&r->all[i])) {
			i++;
			continue;
		}
		member_empty_boxes(conductor);
		member_beat(conductor);
		member_beat(conductor);
		await_one(r);
	}
}

static void
join_all(round *r)
{
	for (uint32_t i = 0; i < r->members; i++)
		pthread_join(r->all[i].thread, NULL);
}

void
round_lend_all(round *r)
{
	member *m = &r->all[r->members];
	qpool_lease leases[MOST_SIZE];

	member_does(m, FILLS);
	for (uint32_t i = 0; i < r->options.max_size; i++) {
		SAME(member_acquire(m, STILL_NS / 2, &leases[i]), QPOOL_OK);
		peer_enter(m, &leases[i]);
	}
	for (uint32_t i = 0; i < r->options.max_size; i++)
		member_end(m, &leases[i]);
}

static void
close_it(round *r)
{
	member *m = &r->all[r->members];
	qpool_err err;

	member_does(m, CLOSES);
	atomic_store(&r->is_closing, true);
	if (chance_one_in(&m->luck, 4)) {
		err = qpool_close(r->pool, 1 + chance_upto(&m->luck, 100000));
		MUST(err == QPOOL_OK || err == QPOOL_ETIMEOUT);
	}
	member_beat(m);
	member_beat(m);
	SAME(qpool_close(r->pool, STILL_NS / 2), QPOOL_OK);
}

/* ---- the books ---- */

static uint64_t
closes_of(const qpool_stats *s)
{
	uint64_t closes = 0;

	for (unsigned why = 1; why < 16; why++)
		closes += s->closes[why];
	return closes;
}

/* What all members and the conductor did. */
static void
add_up(const round *r, member *sum)
{
	memset(sum, 0, sizeof *sum);
	for (uint32_t i = 0; i <= r->members; i++) {
		const member *m = &r->all[i];
		sum->acquires += m->acquires;
		sum->ends += m->ends;
		sum->uses += m->uses;
		sum->timeouts += m->timeouts;
		sum->refusals += m->refusals;
		sum->misuses += m->misuses;
		sum->opens_adopted += m->opens_adopted;
	}
}

/* Nobody is in a verb, though workers may be at work. */
static void
compare_leases(round *r, const member *sum, const qpool_stats *s)
{
	r->waits = s->acquires_waited;
	MUST(s->acquires_waited + s->timeouts + s->refusals > 0);
	SAME(s->acquires, sum->acquires);
	SAME(s->timeouts, sum->timeouts);
	SAME(s->refusals, sum->refusals);
	SAME(s->misuses, sum->misuses);
	SAME(s->open_failures, 0);
	SAME(s->cancels, 0);
}

static void
compare_events(const round *r, const qpool_stats *s)
{
	if (r->options.on_event == NULL)
		return;
	SAME(r->told[QPOOL_EV_OPENED], s->opens);
	SAME(r->told[QPOOL_EV_CLOSED], closes_of(s));
	SAME(r->told[QPOOL_EV_TIMED_OUT], s->timeouts);
	SAME(r->told[QPOOL_EV_REFUSED], s->refusals);
	/* Amid the end some come after the last moment in which a callback may run. */
	MUST(r->told[QPOOL_EV_MISUSE] <= s->misuses);
	if (r->ends_by == CLOSE_AFTER)
		SAME(r->told[QPOOL_EV_MISUSE], s->misuses);
	SAME(r->told[QPOOL_EV_HELD_LONG], r->told[QPOOL_EV_HELD_BACK]);
	if (r->options.event_mask == 0)
		return;
	SAME(r->told[QPOOL_EV_ACQUIRED], s->acquires);
	SAME(r->told[QPOOL_EV_RELEASED], s->acquires);
}

static void
compare_all(round *r, const member *sum)
{
	qpool_stats s = qpool_stats_init();

	qpool_get_stats(r->pool, &s);
	compare_leases(r, sum, &s);
	SAME(s.opens, r->opens + sum->opens_adopted);
	SAME(closes_of(&s), r->closes);
	SAME(s.closes[0], r->detached);
	SAME(s.workers, 0);
	SAME(s.empty, s.max_size);
	SAME(s.waiting + s.over, 0);
	compare_events(r, &s);
}

/* What the peer saw, after the last close. */
static void
compare_peer(const round *r, const member *sum)
{
	SAME(sum->ends, sum->acquires);
	SAME(r->destroys, r->pools);
	SAME(r->live, 0);
	SAME(r->opens + sum->opens_adopted, r->closes + r->detached);
	SAME(r->uses, sum->uses);
}

/* ---- three ways to end ---- */

static void
end_by_close(round *r, member *sum)
{
	member *conductor = &r->all[r->members];

	if (r->ends_by == CLOSE_AFTER) {
		say_it_is_over(r);
		await_all(r);
		join_all(r);
		round_lend_all(r);
		close_it(r);
	} else {
		if (chance_one_in(&conductor->luck, 2))
			say_it_is_over(r);
		close_it(r);
		say_it_is_over(r);
		member_does(conductor, JOINS);
		join_all(r);
	}
	add_up(r, sum);
	compare_all(r, sum);
}

/* Each member that could get one ends it while the pool is being freed. */
static void
end_by_free(round *r, member *sum)
{
	member *conductor = &r->all[r->members];
	qpool_stats s = qpool_stats_init();
	qpool *pool = r->pool;

	say_it_is_over(r);
	await_all(r);
	pthread_barrier_wait(&r->barrier);
	pthread_barrier_wait(&r->barrier);
	qpool_get_stats(pool, &s);
	add_up(r, sum);
	compare_leases(r, sum, &s);
	watchdog_watch(NULL); /* it must not dump what is being freed */
	pthread_barrier_wait(&r->barrier);
	qpool_free(pool);
	r->pool = NULL;
	watchdog_watch(r);
	member_does(conductor, JOINS);
	join_all(r);
	while (atomic_load(&r->destroys) == 0)
		sched_yield(); /* a worker is the last to leave */
	add_up(r, sum);
}

static void
tear_down(round *r)
{
	if (r->pool != NULL)
		qpool_free(r->pool);
	peer_bury_all();
	(void)close(r->sink);
	pthread_barrier_destroy(&r->barrier);
	pthread_cond_destroy(&r->turned);
	pthread_cond_destroy(&r->ended);
	pthread_mutex_destroy(&r->mutex);
}

void
round_run(round *r, uint64_t seed, uint64_t number, totals *all)
{
	member sum;

	memset(r, 0, sizeof *r);
	r->seed = seed;
	r->number = number;
	round_draw(r);
	set_up(r);
	watchdog_watch(r);
	if (r->is_snaps) {
		snap_lead(r);
		add_up(r, &sum);
	} else {
		conductor_lead(r);
		if (r->ends_by == FREE_AMID)
			end_by_free(r, &sum);
		else
			end_by_close(r, &sum);
	}
	compare_peer(r, &sum);
	watchdog_watch(NULL);
	tear_down(r);
	all->rounds++;
	all->pools += r->pools;
	all->leases += sum.acquires;
	all->ends += sum.ends;
	all->waits += r->waits;
	all->timeouts += sum.timeouts;
	all->refusals += sum.refusals;
	all->misuses += sum.misuses;
	all->opens += r->opens;
}
