/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * states: where a pool may stand when its process forks: quiet, or with other threads anywhere in it.
 */
#include "cell.h"
#include "core/pool.h"
#include "scene.h"

#include <sched.h>

/* ---- quiet ---- */

static void
fresh(scene *s)
{
	scene_forks(s);
}

static void
idle(scene *s)
{
	scene_warm(s, 3);
	s->idle = 3;
	scene_forks(s);
}

static void
lent(scene *s)
{
	scene_warm(s, 3);
	s->lease = scene_take(s);
	s->idle = 2;
	scene_forks(s);
}

static void
all_lent(scene *s)
{
	static qpool_lease others[SCENE_SIZE];

	s->lease = scene_take(s);
	for (unsigned i = 1; i < SCENE_SIZE; i++)
		others[i] = scene_take(s);
	scene_forks(s);
	for (unsigned i = 1; i < SCENE_SIZE && s->child != 0; i++)
		CELL_SAME(qpool_release(&others[i]), QPOOL_OK);
}

/* It stays so in the child, until somebody there says otherwise. */
static void
paused(scene *s)
{
	qpool_lease lease;
	qpool_error error;

	scene_warm(s, 2);
	qpool_pause(s->pool);
	s->idle = 2;
	scene_forks(s);
	CELL_SAME(qpool_acquire(s->pool, QPOOL_MSEC(1), &lease, &error), QPOOL_ETIMEOUT);
	qpool_resume(s->pool);
	s->has_used = true;
}

static void
closed(scene *s)
{
	scene_warm(s, 2);
	CELL_SAME(qpool_close(s->pool, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	scene_forks(s);
}

static void
after_closed(scene *s)
{
	qpool_free(s->pool);
	s->pool = NULL;
}

/* ---- other threads ---- */

static void *
takes_and_gives(void *argument)
{
	scene *s = argument;
	qpool_lease lease = scene_take(s);

	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	return NULL;
}

static void *
takes_and_discards(void *argument)
{
	qpool_lease lease = scene_take(argument);

	CELL_SAME(qpool_discard(&lease), QPOOL_OK);
	return NULL;
}

static void *
holds(void *argument)
{
	scene *s = argument;
	qpool_lease lease = scene_take(s);

	atomic_fetch_add(&s->told, 1);
	scene_await_told(s, 100);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	return NULL;
}

static void
lent_to_another(scene *s)
{
	scene_warm(s, 1);
	scene_actor(s, holds);
	scene_actor(s, holds);
	scene_await_told(s, 2);
	scene_forks(s);
}

static void
after_told(scene *s)
{
	atomic_store(&s->told, 100);
}

/* Another thread stands inside this step, and one resource is idle beside it. */
static void
stands_in(scene *s, wire_step step, void *(*body)(void *))
{
	qpool_lease idle_one = QPOOL_LEASE_INIT;

	if (step != WIRE_OPEN) {
		scene_warm(s, 2);
		idle_one = scene_take(s);
	}
	wire_shut(&s->peer, step);
	scene_actor(s, body);
	wire_await(&s->peer, step, 1);
	atomic_store(&s->peer.shut[step], 0);
	CELL_SAME(qpool_release(&idle_one), QPOOL_OK);
	s->idle = step != WIRE_OPEN;
	scene_forks(s);
}

static void
opening(scene *s)
{
	stands_in(s, WIRE_OPEN, takes_and_gives);
}

static void
peeking(scene *s)
{
	stands_in(s, WIRE_PEEK, takes_and_gives);
}

static void
checking(scene *s)
{
	s->options.check_after = QPOOL_ZERO;
	scene_another_pool(s);
	stands_in(s, WIRE_CHECK, takes_and_gives);
}

static void
resetting(scene *s)
{
	stands_in(s, WIRE_RESET, takes_and_gives);
}

static void
closing_one(scene *s)
{
	stands_in(s, WIRE_CLOSE, takes_and_discards);
}

static void
after_step(scene *s)
{
	for (unsigned step = 0; step < WIRE_STEPS; step++)
		wire_open(&s->peer, step);
}

static void
waiters(scene *s)
{
	qpool_stats now = qpool_stats_init();
	qpool_lease lease[SCENE_SIZE];

	for (unsigned i = 0; i < SCENE_SIZE; i++)
		lease[i] = scene_take(s);
	for (unsigned i = 0; i < 3; i++)
		scene_actor(s, takes_and_gives);
	while (now.waiting < 3)
		qpool_get_stats(s->pool, &now);
	s->lease = lease[0];
	scene_forks(s);
	for (unsigned i = 1; i < SCENE_SIZE && s->child != 0; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
}

/* The only worker stands in a close; behind it a reset, a close and a check are queued. */
static void
jobs(scene *s)
{
	qpool_stats now = qpool_stats_init();
	qpool_lease lease[4];
	qpool_error error;

	s->options.flags = QPOOL_RESET_ON_WORKERS;
	scene_another_pool(s);
	s->has_company = true;
	scene_must(qpool_start(s->pool, 1, &error), &error);
	for (unsigned i = 0; i < 4; i++)
		lease[i] = scene_take(s);
	CELL_SAME(qpool_release(&lease[3]), QPOOL_OK);
	while (now.idle == 0)
		qpool_get_stats(s->pool, &now);
	wire_shut(&s->peer, WIRE_CLOSE);
	CELL_SAME(qpool_discard(&lease[0]), QPOOL_OK);
	wire_await(&s->peer, WIRE_CLOSE, 1);
	CELL_SAME(qpool_release(&lease[1]), QPOOL_OK);
	CELL_SAME(qpool_discard(&lease[2]), QPOOL_OK);
	qpool_suspect(s->pool);
	atomic_store(&s->peer.failing[WIRE_CHECK], 1);
	CELL_SAME(qpool_acquire(s->pool, 1, &lease[0], NULL), QPOOL_ETIMEOUT);
	CELL_MUST(s->pool->checks.first != NULL);
	atomic_store(&s->peer.shut[WIRE_CLOSE], 0);
	s->idle = 3;
	scene_forks(s);
}

static void *
closes(void *argument)
{
	scene *s = argument;

	atomic_fetch_add(&s->told, 1);
	CELL_SAME(qpool_close(s->pool, QPOOL_SEC(20)), QPOOL_OK);
	return NULL;
}

static bool
is_closing(qpool *pool)
{
	bool closing;

	qp_pool_lock(pool);
	closing = pool->closing && pool->watchers > 0;
	qp_pool_unlock(pool, NULL);
	return closing;
}

static void
closing(scene *s)
{
	scene_warm(s, 2);
	s->lease = scene_take(s);
	scene_actor(s, closes);
	while (!is_closing(s->pool))
		(void)sched_yield();
	s->is_closed = true;
	scene_forks(s);
}

static void
after_closing(scene *s)
{
	CELL_SAME(qpool_release(&s->lease), QPOOL_OK);
	CELL_SAME(pthread_join(s->actors[--s->count], NULL), 0);
	after_closed(s);
}

/* Another thread is inside destroy: nobody runs it again. */
static void
destroying(scene *s)
{
	scene_warm(s, 1);
	wire_shut(&s->peer, WIRE_DESTROY);
	scene_actor(s, closes);
	wire_await(&s->peer, WIRE_DESTROY, 1);
	atomic_store(&s->peer.shut[WIRE_DESTROY], 0);
	s->is_closed = true;
	scene_forks(s);
}

static void
after_destroying(scene *s)
{
	wire_open(&s->peer, WIRE_DESTROY);
	CELL_SAME(pthread_join(s->actors[--s->count], NULL), 0);
	after_closed(s);
}

static void *
keeps_the_lock(void *argument)
{
	scene *s = argument;

	qp_pool_lock(s->pool);
	atomic_store(&s->told, 1);
	scene_await_told(s, 100);
	qp_pool_unlock(s->pool, NULL);
	return NULL;
}

static void
locked(scene *s)
{
	scene_warm(s, 2);
	s->lease = scene_take(s);
	scene_actor(s, keeps_the_lock);
	scene_await_told(s, 1);
	s->idle = 1;
	scene_forks(s);
}

const scene_state scene_states[] = {
    {"never used", fresh, NULL},
    {"idle", idle, NULL},
    {"lent", lent, NULL},
    {"all lent", all_lent, NULL},
    {"paused", paused, NULL},
    {"closed", closed, after_closed},
    {"lent to others", lent_to_another, after_told},
    {"opening", opening, after_step},
    {"peeking", peeking, after_step},
    {"checking", checking, after_step},
    {"resetting", resetting, after_step},
    {"closing one", closing_one, after_step},
    {"waiters", waiters, NULL},
    {"a worker and its jobs", jobs, after_step},
    {"closing", closing, after_closing},
    {"destroying", destroying, after_destroying},
    {"locked", locked, after_told},
};
const size_t scene_states_count = sizeof scene_states / sizeof scene_states[0];
