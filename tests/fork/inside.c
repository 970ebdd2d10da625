/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inside: the process forks inside a callback of the pool, on the thread that the pool called it on, and the verb
 * that was under way returns in both.
 */
#include "cell.h"
#include "scene.h"

#include <unistd.h>

/* The scene, for hooks. */
static scene *on;

static void
after_closed(scene *s)
{
	qpool_free(s->pool);
	s->pool = NULL;
}

static void
after_told(scene *s)
{
	atomic_store(&s->told, 100);
}

static wire_step fork_step;
static qpool_event_type fork_event;

static void
fork_there(wire_step step, const qpool_event *event)
{
	if (event != NULL ? event->type == fork_event : step == fork_step && fork_event == 0)
		scene_forks(on);
}

void
scene_arm(scene *s, wire_step step, qpool_event_type event)
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
	scene_must(s->err, &error);
	if (fork_event != QPOOL_EV_ACQUIRED)
		CELL_SAME(((wire_resource *)s->lease.resource)->owner, getpid());
}

static void
inside_open(scene *s)
{
	scene_arm(s, WIRE_OPEN, 0);
	acquire_inside(s);
}

static void
inside_failing_open(scene *s)
{
	s->options.retry_min = QPOOL_MSEC(1);
	scene_another_pool(s);
	atomic_store(&s->peer.failing[WIRE_OPEN], 1);
	scene_arm(s, WIRE_OPEN, 0);
	acquire_inside(s);
}

static void
inside_peek(scene *s)
{
	scene_warm(s, 2);
	scene_arm(s, WIRE_PEEK, 0);
	acquire_inside(s);
}

/* Which was to be followed by a question over the wire. */
static void
inside_peek_before_check(scene *s)
{
	s->options.check_after = QPOOL_ZERO;
	scene_another_pool(s);
	scene_warm(s, 2);
	scene_arm(s, WIRE_PEEK, 0);
	acquire_inside(s);
}

static void
inside_failing_peek(scene *s)
{
	scene_warm(s, 2);
	atomic_store(&s->peer.failing[WIRE_PEEK], 1);
	scene_arm(s, WIRE_PEEK, 0);
	acquire_inside(s);
}

static void
inside_check(scene *s)
{
	s->options.check_after = QPOOL_ZERO;
	scene_another_pool(s);
	scene_warm(s, 2);
	scene_arm(s, WIRE_CHECK, 0);
	acquire_inside(s);
}

/* Ended where it was taken, in the parent; in the child it is of before the fork. */
static void
end_inside(scene *s, qpool_err (*end)(qpool_lease *))
{
	scene_warm(s, 2);
	s->lease = scene_take(s);
	s->err = end(&s->lease);
	CELL_MUST(s->has_forked);
	CELL_SAME(s->err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_reset(scene *s)
{
	scene_warm(s, 2);
	s->lease = scene_take(s);
	scene_arm(s, WIRE_RESET, 0);
	s->err = qpool_release(&s->lease);
	CELL_SAME(s->err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_failing_reset(scene *s)
{
	scene_warm(s, 1);
	atomic_store(&s->peer.failing[WIRE_RESET], 1);
	s->lease = scene_take(s);
	scene_arm(s, WIRE_RESET, 0);
	s->err = qpool_release(&s->lease);
	CELL_SAME(s->err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_close(scene *s)
{
	scene_arm(s, WIRE_CLOSE, 0);
	end_inside(s, qpool_discard);
}

static void
inside_close_of_maintain(scene *s)
{
	s->options.max_idle = 1;
	scene_another_pool(s);
	scene_warm(s, 3);
	scene_arm(s, WIRE_CLOSE, 0);
	(void)qpool_maintain(s->pool);
	CELL_MUST(s->has_forked);
}

static void
inside_close_of_close(scene *s)
{
	scene_warm(s, 3);
	scene_arm(s, WIRE_CLOSE, 0);
	CELL_SAME(qpool_close(s->pool, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	CELL_MUST(s->has_forked);
}

static void
inside_close_of_free(scene *s)
{
	scene_warm(s, 3);
	scene_arm(s, WIRE_CLOSE, 0);
	qpool_free(s->pool);
	CELL_MUST(s->has_forked);
	if (s->child == 0)
		_exit(0);
}

static void
inside_destroy(scene *s)
{
	scene_warm(s, 1);
	scene_arm(s, WIRE_DESTROY, 0);
	CELL_SAME(qpool_close(s->pool, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	CELL_MUST(s->has_forked);
}

static void
inside_destroy_of_free(scene *s)
{
	scene_warm(s, 1);
	scene_arm(s, WIRE_DESTROY, 0);
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
	scene_arm(s, 0, QPOOL_EV_OPENED);
	acquire_inside(s);
}

static void
inside_open_failed(scene *s)
{
	s->options.retry_min = QPOOL_MSEC(1);
	scene_another_pool(s);
	atomic_store(&s->peer.failing[WIRE_OPEN], 1);
	scene_arm(s, 0, QPOOL_EV_OPEN_FAILED);
	acquire_inside(s);
}

static void
inside_acquired(scene *s)
{
	scene_warm(s, 2);
	scene_arm(s, 0, QPOOL_EV_ACQUIRED);
	acquire_inside(s);
	CELL_MUST(s->lease.resource != NULL);
}

static void
inside_released(scene *s)
{
	scene_warm(s, 2);
	s->lease = scene_take(s);
	scene_arm(s, 0, QPOOL_EV_RELEASED);
	s->err = qpool_release(&s->lease);
	CELL_SAME(s->err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_closed(scene *s)
{
	scene_arm(s, 0, QPOOL_EV_CLOSED);
	end_inside(s, qpool_discard);
}

static void
inside_closed_of_check(scene *s)
{
	scene_warm(s, 2);
	atomic_store(&s->peer.failing[WIRE_PEEK], 1);
	scene_arm(s, 0, QPOOL_EV_CLOSED);
	acquire_inside(s);
}

static void
inside_misuse(scene *s)
{
	qpool_lease copy;

	scene_warm(s, 2);
	s->lease = scene_take(s);
	copy = s->lease;
	CELL_SAME(qpool_release(&s->lease), QPOOL_OK);
	scene_arm(s, 0, QPOOL_EV_MISUSE);
	CELL_SAME(qpool_release(&copy), QPOOL_EMISUSE);
	CELL_MUST(s->has_forked);
}

static void
inside_timed_out(scene *s)
{
	qpool_lease held[SCENE_SIZE], none;
	qpool_error error;

	for (unsigned i = 0; i < SCENE_SIZE; i++)
		held[i] = scene_take(s);
	scene_arm(s, 0, QPOOL_EV_TIMED_OUT);
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
		lent_out[i] = scene_take(s);
	request.timeout = QPOOL_SEC(20);
	request.interrupted = hook_forks;
	request.interrupt_user = s;
	request.interrupt_every = QPOOL_MSEC(1);
	s->is_inside = true;
	scene_must(qpool_acquire_with(s->pool, &request, &s->lease, &error), &error);
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
	scene_await_told(s, 100); /* it is there when the process forks */
	return NULL;
}

/* All are lent; one comes back, and the process forks when the waiter's luck is told of. */
static void
wait_inside(scene *s, qpool_event_type event)
{
	qpool_error error;

	for (unsigned i = 0; i < SCENE_SIZE; i++)
		lent_out[i] = scene_take(s);
	scene_arm(s, 0, event);
	scene_actor(s, gives_back);
	scene_must(qpool_acquire(s->pool, QPOOL_SEC(20), &s->lease, &error), &error);
	CELL_MUST(s->has_forked);
	for (unsigned i = 1; i < SCENE_SIZE; i++)
		CELL_SAME(qpool_release(&lent_out[i]), s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_waited(scene *s)
{
	wait_inside(s, QPOOL_EV_WAITED);
	CELL_MUST(scene_holds_own(s));
}

/* It was the last in line, and has its lease already. */
static void
inside_acquired_after_a_wait(scene *s)
{
	wait_inside(s, QPOOL_EV_ACQUIRED);
	CELL_MUST(s->lease.resource != NULL);
}

const scene_state scene_inside[] = {
    {"inside open", inside_open, NULL},
    {"inside a failing open", inside_failing_open, NULL},
    {"inside peek", inside_peek, NULL},
    {"inside peek, before a check", inside_peek_before_check, NULL},
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
    {"inside ACQUIRED, after a wait", inside_acquired_after_a_wait, after_told},
    {"inside RELEASED", inside_released, NULL},
    {"inside CLOSED", inside_closed, NULL},
    {"inside CLOSED, of check", inside_closed_of_check, NULL},
    {"inside MISUSE", inside_misuse, NULL},
    {"inside TIMED_OUT", inside_timed_out, NULL},
    {"inside WAITED", inside_waited, after_told},
    {"inside the hook", inside_hook, NULL},
};
const size_t scene_inside_count = sizeof scene_inside / sizeof scene_inside[0];
