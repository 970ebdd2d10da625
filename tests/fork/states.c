/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * states: where a pool may stand when its process forks: quiet, with other threads anywhere in it, or with
 * the forking thread inside one of its callbacks.
 */
#include "cell.h"
#include "core/pool.h"
#include "scene.h"

#include <sched.h>
#include <unistd.h>

/* The scene, for hooks. */
static scene *on;

static void
must(qpool_err err, const qpool_error *error)
{
	if (err != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error->message);
}

static qpool_lease
take(scene *s)
{
	qpool_lease lease;
	qpool_error error;

	must(qpool_acquire(s->pool, QPOOL_SEC(20), &lease, &error), &error);
	return lease;
}

/* So many idle. */
static void
warm(scene *s, unsigned count)
{
	qpool_lease lease[SCENE_SIZE];

	for (unsigned i = 0; i < count; i++)
		lease[i] = take(s);
	for (unsigned i = 0; i < count; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
}

static void
actor_plays(scene *s, void *(*body)(void *))
{
	s->has_company = true;
	CELL_SAME(pthread_create(&s->actors[s->count++], NULL, body, s), 0);
}

static void
await_told(scene *s, unsigned count)
{
	while (atomic_load(&s->told) < count)
		(void)sched_yield();
}

/* A pool with other limits: nothing of the first one has been used. */
static void
another_pool(scene *s)
{
	qpool_ops ops = wire_ops();
	qpool_error error;

	qpool_free(s->pool);
	atomic_store(&s->peer.calls[WIRE_DESTROY], 0);
	must(qpool_create(&s->pool, &s->options, &ops, &s->peer, &error), &error);
}

/* ---- quiet ---- */

static void
fresh(scene *s)
{
	scene_forks(s);
}

static void
idle(scene *s)
{
	warm(s, 3);
	scene_forks(s);
}

static void
lent(scene *s)
{
	warm(s, 3);
	s->lease = take(s);
	scene_forks(s);
}

static void
all_lent(scene *s)
{
	static qpool_lease others[SCENE_SIZE];

	s->lease = take(s);
	for (unsigned i = 1; i < SCENE_SIZE; i++)
		others[i] = take(s);
	scene_forks(s);
	for (unsigned i = 1; i < SCENE_SIZE && s->child != 0; i++)
		CELL_SAME(qpool_release(&others[i]), QPOOL_OK);
}

static void
closed(scene *s)
{
	warm(s, 2);
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
	qpool_lease lease = take(s);

	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	return NULL;
}

static void *
takes_and_discards(void *argument)
{
	qpool_lease lease = take(argument);

	CELL_SAME(qpool_discard(&lease), QPOOL_OK);
	return NULL;
}

static void *
holds(void *argument)
{
	scene *s = argument;
	qpool_lease lease = take(s);

	atomic_fetch_add(&s->told, 1);
	await_told(s, 100);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	return NULL;
}

static void
lent_to_another(scene *s)
{
	warm(s, 1);
	actor_plays(s, holds);
	actor_plays(s, holds);
	await_told(s, 2);
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
		warm(s, 2);
		idle_one = take(s);
	}
	wire_shut(&s->peer, step);
	actor_plays(s, body);
	wire_await(&s->peer, step, 1);
	atomic_store(&s->peer.shut[step], 0);
	CELL_SAME(qpool_release(&idle_one), QPOOL_OK);
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
	another_pool(s);
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
		lease[i] = take(s);
	for (unsigned i = 0; i < 3; i++)
		actor_plays(s, takes_and_gives);
	while (now.waiting < 3)
		qpool_get_stats(s->pool, &now);
	s->lease = lease[0];
	scene_forks(s);
	for (unsigned i = 1; i < SCENE_SIZE && s->child != 0; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
}

/* The only worker stands in a close; behind it a reset and a close are queued. */
static void
jobs(scene *s)
{
	qpool_lease lease[3];
	qpool_error error;

	s->options.flags = QPOOL_RESET_ON_WORKERS;
	s->options.min_idle = 1;
	another_pool(s);
	s->has_company = true;
	must(qpool_start(s->pool, 1, &error), &error);
	for (unsigned i = 0; i < 3; i++)
		lease[i] = take(s);
	wire_shut(&s->peer, WIRE_CLOSE);
	CELL_SAME(qpool_discard(&lease[0]), QPOOL_OK);
	wire_await(&s->peer, WIRE_CLOSE, 1);
	CELL_SAME(qpool_release(&lease[1]), QPOOL_OK);
	CELL_SAME(qpool_discard(&lease[2]), QPOOL_OK);
	atomic_store(&s->peer.shut[WIRE_CLOSE], 0);
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
	warm(s, 2);
	s->lease = take(s);
	actor_plays(s, closes);
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

static void *
keeps_the_lock(void *argument)
{
	scene *s = argument;

	qp_pool_lock(s->pool);
	atomic_store(&s->told, 1);
	await_told(s, 100);
	qp_pool_unlock(s->pool, NULL);
	return NULL;
}

static void
locked(scene *s)
{
	warm(s, 2);
	s->lease = take(s);
	actor_plays(s, keeps_the_lock);
	await_told(s, 1);
	scene_forks(s);
}

/* ---- the forking thread inside a callback ---- */

static wire_step fork_step;
static qpool_event_type fork_event;

static void
fork_there(wire_step step, const qpool_event *event)
{
	if (event != NULL ? event->type == fork_event : step == fork_step && fork_event == 0)
		scene_forks(on);
}

static void
arm(scene *s, wire_step step, qpool_event_type event)
{
	on = s;
	fork_step = step;
	fork_event = event;
	s->is_inside = true;
	atomic_store(&s->peer.hook, fork_there);
}

/* The verb that was under way has returned, in both processes. */
static void
acquire_inside(scene *s)
{
	qpool_error error;

	s->err = qpool_acquire(s->pool, QPOOL_SEC(20), &s->lease, &error);
	CELL_MUST(s->has_forked);
	must(s->err, &error);
	if (fork_event != QPOOL_EV_ACQUIRED)
		CELL_SAME(((wire_resource *)s->lease.resource)->owner, getpid());
}

static void
inside_open(scene *s)
{
	arm(s, WIRE_OPEN, 0);
	acquire_inside(s);
}

static void
inside_failing_open(scene *s)
{
	s->options.retry_min = QPOOL_MSEC(1);
	another_pool(s);
	atomic_store(&s->peer.failing[WIRE_OPEN], 1);
	arm(s, WIRE_OPEN, 0);
	acquire_inside(s);
}

static void
inside_peek(scene *s)
{
	warm(s, 2);
	arm(s, WIRE_PEEK, 0);
	acquire_inside(s);
}

static void
inside_failing_peek(scene *s)
{
	warm(s, 2);
	atomic_store(&s->peer.failing[WIRE_PEEK], 1);
	arm(s, WIRE_PEEK, 0);
	acquire_inside(s);
}

static void
inside_check(scene *s)
{
	s->options.check_after = QPOOL_ZERO;
	another_pool(s);
	warm(s, 2);
	arm(s, WIRE_CHECK, 0);
	acquire_inside(s);
}

/* Ended where it was taken, in the parent; in the child it is of before the fork. */
static void
end_inside(scene *s, qpool_err (*end)(qpool_lease *))
{
	warm(s, 2);
	s->lease = take(s);
	s->err = end(&s->lease);
	CELL_MUST(s->has_forked);
	CELL_SAME(s->err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_reset(scene *s)
{
	warm(s, 2);
	s->lease = take(s);
	arm(s, WIRE_RESET, 0);
	s->err = qpool_release(&s->lease);
	CELL_SAME(s->err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_failing_reset(scene *s)
{
	warm(s, 1);
	atomic_store(&s->peer.failing[WIRE_RESET], 1);
	s->lease = take(s);
	arm(s, WIRE_RESET, 0);
	s->err = qpool_release(&s->lease);
	CELL_SAME(s->err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_close(scene *s)
{
	arm(s, WIRE_CLOSE, 0);
	end_inside(s, qpool_discard);
}

static void
inside_close_of_maintain(scene *s)
{
	s->options.max_idle = 1;
	another_pool(s);
	warm(s, 3);
	arm(s, WIRE_CLOSE, 0);
	(void)qpool_maintain(s->pool);
	CELL_MUST(s->has_forked);
}

static void
inside_close_of_close(scene *s)
{
	warm(s, 3);
	arm(s, WIRE_CLOSE, 0);
	CELL_SAME(qpool_close(s->pool, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	CELL_MUST(s->has_forked);
}

static void
inside_close_of_free(scene *s)
{
	warm(s, 3);
	arm(s, WIRE_CLOSE, 0);
	qpool_free(s->pool);
	CELL_MUST(s->has_forked);
	if (s->child == 0)
		_exit(0);
}

static void
inside_destroy(scene *s)
{
	warm(s, 1);
	arm(s, WIRE_DESTROY, 0);
	CELL_SAME(qpool_close(s->pool, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	CELL_MUST(s->has_forked);
}

static void
inside_destroy_of_free(scene *s)
{
	warm(s, 1);
	arm(s, WIRE_DESTROY, 0);
	qpool_free(s->pool);
	CELL_MUST(s->has_forked);
	if (s->child == 0)
		_exit(0);
}

static void
after_freed(scene *s)
{
	s->pool = NULL;
}

static void
inside_opened(scene *s)
{
	arm(s, 0, QPOOL_EV_OPENED);
	acquire_inside(s);
}

static void
inside_open_failed(scene *s)
{
	s->options.retry_min = QPOOL_MSEC(1);
	another_pool(s);
	atomic_store(&s->peer.failing[WIRE_OPEN], 1);
	arm(s, 0, QPOOL_EV_OPEN_FAILED);
	acquire_inside(s);
}

static void
inside_acquired(scene *s)
{
	warm(s, 2);
	arm(s, 0, QPOOL_EV_ACQUIRED);
	acquire_inside(s);
	CELL_MUST(s->lease.resource != NULL);
}

static void
inside_released(scene *s)
{
	warm(s, 2);
	s->lease = take(s);
	arm(s, 0, QPOOL_EV_RELEASED);
	s->err = qpool_release(&s->lease);
	CELL_SAME(s->err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_closed(scene *s)
{
	arm(s, 0, QPOOL_EV_CLOSED);
	end_inside(s, qpool_discard);
}

static void
inside_closed_of_check(scene *s)
{
	warm(s, 2);
	atomic_store(&s->peer.failing[WIRE_PEEK], 1);
	arm(s, 0, QPOOL_EV_CLOSED);
	acquire_inside(s);
}

static void
inside_misuse(scene *s)
{
	qpool_lease copy;

	warm(s, 2);
	s->lease = take(s);
	copy = s->lease;
	CELL_SAME(qpool_release(&s->lease), QPOOL_OK);
	arm(s, 0, QPOOL_EV_MISUSE);
	CELL_SAME(qpool_release(&copy), QPOOL_EMISUSE);
	CELL_MUST(s->has_forked);
}

static void
inside_timed_out(scene *s)
{
	qpool_lease held[SCENE_SIZE], none;
	qpool_error error;

	for (unsigned i = 0; i < SCENE_SIZE; i++)
		held[i] = take(s);
	arm(s, 0, QPOOL_EV_TIMED_OUT);
	CELL_SAME(qpool_acquire(s->pool, QPOOL_MSEC(1), &none, &error), QPOOL_ETIMEOUT);
	CELL_MUST(s->has_forked);
	s->lease = held[0];
	for (unsigned i = 1; i < SCENE_SIZE && s->child != 0; i++)
		CELL_SAME(qpool_release(&held[i]), QPOOL_OK);
}

/* All are lent; the thread that waits asks its hook now and then, and the hook forks. */
static qpool_lease lent_out[SCENE_SIZE];

static int
hook_forks(void *user)
{
	scene_forks(user);
	/* In the parent one comes back, so that both wait no longer. */
	if (((scene *)user)->child != 0 && lent_out[0].resource != NULL)
		CELL_SAME(qpool_release(&lent_out[0]), QPOOL_OK);
	return 0;
}

static void
inside_hook(scene *s)
{
	qpool_request request = qpool_request_init();
	qpool_error error;

	for (unsigned i = 0; i < SCENE_SIZE; i++)
		lent_out[i] = take(s);
	request.timeout = QPOOL_SEC(20);
	request.interrupted = hook_forks;
	request.interrupt_user = s;
	request.interrupt_every = QPOOL_MSEC(1);
	s->is_inside = true;
	must(qpool_acquire_with(s->pool, &request, &s->lease, &error), &error);
	CELL_MUST(s->has_forked);
	CELL_MUST(scene_holds_own(s));
	for (unsigned i = 1; i < SCENE_SIZE; i++)
		CELL_SAME(qpool_release(&lent_out[i]), s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void *
gives_back(void *argument)
{
	scene *s = argument;
	qpool_stats now = qpool_stats_init();

	while (now.waiting == 0)
		qpool_get_stats(s->pool, &now);
	CELL_SAME(qpool_release(&lent_out[0]), QPOOL_OK);
	await_told(s, 100); /* it is there when the process forks */
	return NULL;
}

static void
inside_waited(scene *s)
{
	qpool_error error;

	for (unsigned i = 0; i < SCENE_SIZE; i++)
		lent_out[i] = take(s);
	arm(s, 0, QPOOL_EV_WAITED);
	actor_plays(s, gives_back);
	must(qpool_acquire(s->pool, QPOOL_SEC(20), &s->lease, &error), &error);
	CELL_MUST(s->has_forked);
	CELL_MUST(scene_holds_own(s));
	for (unsigned i = 1; i < SCENE_SIZE; i++)
		CELL_SAME(qpool_release(&lent_out[i]), s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

const scene_state scene_states[] = {
    {"never used", fresh, NULL},
    {"idle", idle, NULL},
    {"lent", lent, NULL},
    {"all lent", all_lent, NULL},
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
    {"locked", locked, after_told},
    {"inside open", inside_open, NULL},
    {"inside a failing open", inside_failing_open, NULL},
    {"inside peek", inside_peek, NULL},
    {"inside a failing peek", inside_failing_peek, NULL},
    {"inside check", inside_check, NULL},
    {"inside reset", inside_reset, NULL},
    {"inside a failing reset", inside_failing_reset, NULL},
    {"inside close", inside_close, NULL},
    {"inside close, of maintain", inside_close_of_maintain, NULL},
    {"inside close, of close", inside_close_of_close, after_closed},
    {"inside close, of free", inside_close_of_free, after_freed},
    {"inside destroy", inside_destroy, after_closed},
    {"inside destroy, of free", inside_destroy_of_free, after_freed},
    {"inside OPENED", inside_opened, NULL},
    {"inside OPEN_FAILED", inside_open_failed, NULL},
    {"inside ACQUIRED", inside_acquired, NULL},
    {"inside RELEASED", inside_released, NULL},
    {"inside CLOSED", inside_closed, NULL},
    {"inside CLOSED, of check", inside_closed_of_check, NULL},
    {"inside MISUSE", inside_misuse, NULL},
    {"inside TIMED_OUT", inside_timed_out, NULL},
    {"inside WAITED", inside_waited, after_told},
    {"inside the hook", inside_hook, NULL},
};
const size_t scene_states_count = sizeof scene_states / sizeof scene_states[0];
