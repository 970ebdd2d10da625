/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed_inside: the process forks inside a callback of a keyed pool, on the thread that the pool called it on, and
 * the verb that was under way returns in both.
 */
#include "cell.h"
#include "keyed_scene.h"

#include <unistd.h>

/* The scene, for hooks. */
static keyed_scene *on;

static wire_step fork_step;
static qpool_event_type fork_event;

static void
fork_there(wire_step step, const qpool_event *event)
{
	if (event != NULL ? event->type == fork_event : step == fork_step && fork_event == 0)
		keyed_forks(on);
}

static void
arm(keyed_scene *s, wire_step step, qpool_event_type event)
{
	on = s;
	fork_step = step;
	fork_event = event;
	atomic_store(&s->peer.hook, fork_there);
}

/* The verb that was under way has returned, in both processes. */
static void
acquire_inside(keyed_scene *s, const char *key)
{
	qpool_error error;

	keyed_must(qpool_keyed_acquire(s->keyed, key, QPOOL_SEC(20), &s->lease, &error), &error);
	CELL_MUST(s->has_forked);
	if (fork_event != QPOOL_EV_ACQUIRED)
		CELL_MUST(keyed_is_own(&s->lease));
	CELL_SAME(strcmp(((wire_resource *)s->lease.resource)->key, key), 0);
}

static void
inside_open(keyed_scene *s)
{
	keyed_warm(s, "bc");
	arm(s, WIRE_OPEN, 0);
	acquire_inside(s, "a");
}

static void
inside_failing_open(keyed_scene *s)
{
	s->options.retry_min = QPOOL_MSEC(1);
	keyed_another_pool(s);
	keyed_warm(s, "bc");
	atomic_store(&s->peer.failing[WIRE_OPEN], 1);
	arm(s, WIRE_OPEN, 0);
	acquire_inside(s, "a");
}

static void
inside_describe(keyed_scene *s)
{
	keyed_warm(s, "bc");
	arm(s, WIRE_DESCRIBE, 0);
	acquire_inside(s, "a");
}

/* Every place is taken: the acquire closes another key's first. */
static void
inside_open_for(keyed_scene *s)
{
	keyed_warm(s, "bcde");
	arm(s, WIRE_OPEN, 0);
	acquire_inside(s, "a");
}

static void
inside_close_for(keyed_scene *s)
{
	keyed_warm(s, "bcde");
	arm(s, WIRE_CLOSE, 0);
	acquire_inside(s, "a");
}

/* Of the same key: not the slot that is opened. */
static void
inside_close_for_own(keyed_scene *s)
{
	s->more[0] = keyed_take(s, "a");
	keyed_warm(s, "bcd");
	arm(s, WIRE_CLOSE, 0);
	acquire_inside(s, "a");
}

static void
inside_closed_for(keyed_scene *s)
{
	keyed_warm(s, "bcde");
	arm(s, 0, QPOOL_EV_CLOSED);
	acquire_inside(s, "a");
}

static void
inside_peek(keyed_scene *s)
{
	keyed_warm(s, "abc");
	arm(s, WIRE_PEEK, 0);
	acquire_inside(s, "a");
}

static void
inside_failing_peek(keyed_scene *s)
{
	keyed_warm(s, "abc");
	atomic_store(&s->peer.failing[WIRE_PEEK], 1);
	arm(s, WIRE_PEEK, 0);
	acquire_inside(s, "a");
}

static void
inside_check(keyed_scene *s)
{
	s->options.check_after = QPOOL_ZERO;
	keyed_another_pool(s);
	keyed_warm(s, "abc");
	arm(s, WIRE_CHECK, 0);
	acquire_inside(s, "a");
}

static void
end_inside(keyed_scene *s, wire_step step, qpool_event_type event, qpool_err (*end)(qpool_lease *))
{
	qpool_err err;

	keyed_warm(s, "abc");
	s->lease = keyed_take(s, "a");
	s->more[0] = keyed_take(s, "b");
	arm(s, step, event);
	err = end(&s->lease);
	CELL_MUST(s->has_forked);
	CELL_SAME(err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
inside_reset(keyed_scene *s)
{
	end_inside(s, WIRE_RESET, 0, qpool_release);
}

static void
inside_close(keyed_scene *s)
{
	end_inside(s, WIRE_CLOSE, 0, qpool_discard);
}

static void
inside_released(keyed_scene *s)
{
	end_inside(s, 0, QPOOL_EV_RELEASED, qpool_release);
}

static void
inside_closed(keyed_scene *s)
{
	end_inside(s, 0, QPOOL_EV_CLOSED, qpool_discard);
}

static void
inside_opened(keyed_scene *s)
{
	keyed_warm(s, "bcde");
	arm(s, 0, QPOOL_EV_OPENED);
	acquire_inside(s, "a");
}

static void
inside_acquired(keyed_scene *s)
{
	keyed_warm(s, "bcde");
	arm(s, 0, QPOOL_EV_ACQUIRED);
	acquire_inside(s, "a");
}

/* What was idle goes one after the other; the first of them forks. */
static void
inside_close_of_renew(keyed_scene *s)
{
	keyed_warm(s, "abcd");
	arm(s, WIRE_CLOSE, 0);
	qpool_keyed_renew(s->keyed, NULL);
	(void)qpool_keyed_maintain(s->keyed);
	CELL_MUST(s->has_forked);
}

static void
inside_close_of_close(keyed_scene *s)
{
	keyed_warm(s, "abcd");
	arm(s, WIRE_CLOSE, 0);
	CELL_SAME(qpool_keyed_close(s->keyed, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	CELL_MUST(s->has_forked);
}

static void
inside_destroy(keyed_scene *s)
{
	keyed_warm(s, "ab");
	arm(s, WIRE_DESTROY, 0);
	CELL_SAME(qpool_keyed_close(s->keyed, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	CELL_MUST(s->has_forked);
}

static void
after_closed(keyed_scene *s)
{
	qpool_keyed_free(s->keyed);
	s->keyed = NULL;
}

static void
freed_inside(keyed_scene *s, wire_step step)
{
	keyed_warm(s, "abcd");
	arm(s, step, 0);
	qpool_keyed_free(s->keyed);
	CELL_MUST(s->has_forked);
	if (s->child == 0)
		_exit(0);
}

static void
inside_close_of_free(keyed_scene *s)
{
	freed_inside(s, WIRE_CLOSE);
}

static void
inside_destroy_of_free(keyed_scene *s)
{
	freed_inside(s, WIRE_DESTROY);
}

static void
after_freed(keyed_scene *s)
{
	s->keyed = NULL;
}

/* A stale end, under a key that is gone: its member is of no key while it is told of. */
static void
inside_misuse(keyed_scene *s)
{
	qpool_lease copy;

	s->lease = keyed_take(s, "a");
	copy = s->lease;
	CELL_SAME(qpool_discard(&s->lease), QPOOL_OK);
	keyed_warm(s, "bc");
	arm(s, 0, QPOOL_EV_MISUSE);
	CELL_SAME(qpool_release(&copy), QPOOL_EMISUSE);
	CELL_MUST(s->has_forked);
}

static void
inside_timed_out(keyed_scene *s)
{
	qpool_lease none;
	qpool_error error;

	for (unsigned i = 0; i < KEYED_TOTAL; i++)
		s->more[i] = keyed_take(s, (char[2]){(char)('a' + i), '\0'});
	arm(s, 0, QPOOL_EV_TIMED_OUT);
	CELL_SAME(qpool_keyed_acquire(s->keyed, "a", QPOOL_MSEC(1), &none, &error), QPOOL_ETIMEOUT);
	CELL_MUST(s->has_forked);
}

static int
hook_forks(void *user)
{
	keyed_scene *s = user;

	keyed_forks(s);
	/* In the parent one comes back, so that both wait no longer. */
	if (s->child != 0)
		keyed_end(&s->more[0], qpool_release);
	return 0;
}

static void
inside_hook(keyed_scene *s)
{
	qpool_request request = qpool_request_init();
	qpool_error error;

	for (unsigned i = 0; i < KEYED_TOTAL; i++)
		s->more[i] = keyed_take(s, (char[2]){(char)('a' + i), '\0'});
	request.timeout = QPOOL_SEC(20);
	request.interrupted = hook_forks;
	request.interrupt_user = s;
	request.interrupt_every = QPOOL_MSEC(1);
	keyed_must(qpool_keyed_acquire_with(s->keyed, "a", &request, &s->lease, &error), &error);
	CELL_MUST(s->has_forked);
	CELL_MUST(keyed_is_own(&s->lease));
}

static bool
show_forks(void *user, const qpool_entry *entry)
{
	(void)entry;
	keyed_forks(user);
	return true;
}

static void
inside_each(keyed_scene *s)
{
	keyed_warm(s, "abcd");
	s->lease = keyed_take(s, "a");
	(void)qpool_keyed_each(s->keyed, show_forks, s);
	CELL_MUST(s->has_forked);
}

const keyed_state keyed_inside[] = {
    {"inside open", inside_open, NULL},
    {"inside a failing open", inside_failing_open, NULL},
    {"inside describe", inside_describe, NULL},
    {"inside open, in another's place", inside_open_for, NULL},
    {"inside close, for an open", inside_close_for, NULL},
    {"inside close, for an open of a key with leases", inside_close_for_own, NULL},
    {"inside CLOSED, for an open", inside_closed_for, NULL},
    {"inside peek", inside_peek, NULL},
    {"inside a failing peek", inside_failing_peek, NULL},
    {"inside check", inside_check, NULL},
    {"inside reset", inside_reset, NULL},
    {"inside close", inside_close, NULL},
    {"inside RELEASED", inside_released, NULL},
    {"inside CLOSED", inside_closed, NULL},
    {"inside OPENED", inside_opened, NULL},
    {"inside ACQUIRED", inside_acquired, NULL},
    {"inside close, of renew", inside_close_of_renew, NULL},
    {"inside close, of close", inside_close_of_close, after_closed},
    {"inside close, of free", inside_close_of_free, after_freed},
    {"inside destroy", inside_destroy, after_closed},
    {"inside destroy, of free", inside_destroy_of_free, after_freed},
    {"inside MISUSE", inside_misuse, NULL},
    {"inside TIMED_OUT", inside_timed_out, NULL},
    {"inside the hook", inside_hook, NULL},
    {"inside each", inside_each, NULL},
};
const size_t keyed_inside_count = sizeof keyed_inside / sizeof keyed_inside[0];
