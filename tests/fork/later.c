/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * later: more places to fork inside of: those who take several, tell of leases, wait until the pool is ready, look
 * at it, or change it.
 */
#include "cell.h"
#include "scene.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static scene *on;

static void
forked(const scene *s)
{
	CELL_MUST(s->has_forked);
}

/* What was taken is this process's, and goes back; the first one stays for the deed. */
static void
keep_one(scene *s, qpool_lease *lease, unsigned count, bool is_of_before)
{
	for (unsigned i = 0; i < count; i++)
		CELL_MUST(is_of_before || ((wire_resource *)lease[i].resource)->owner == getpid());
	for (unsigned i = 1; i < count; i++)
		CELL_SAME(qpool_release(&lease[i]), is_of_before ? QPOOL_EFORKED : QPOOL_OK);
	s->lease = lease[0];
}

static void
several(scene *s, bool ends_before)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease[3];
	qpool_error error;

	request.timeout = QPOOL_SEC(20);
	scene_must(qpool_acquire_many(s->pool, 3, &request, lease, &error), &error);
	forked(s);
	keep_one(s, lease, 3, ends_before && s->child == 0);
}

static void
several_inside_open(scene *s)
{
	scene_warm(s, 2);
	scene_arm(s, WIRE_OPEN, 0);
	several(s, false);
}

static void
several_inside_peek(scene *s)
{
	scene_warm(s, 2);
	scene_arm(s, WIRE_PEEK, 0);
	several(s, false);
}

static void
several_inside_acquired(scene *s)
{
	scene_warm(s, 1);
	scene_arm(s, 0, QPOOL_EV_ACQUIRED);
	several(s, true);
}

static qpool_lease lent_out[SCENE_SIZE];

static void
lend_out(scene *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		lent_out[i] = scene_take(s);
}

static void
end_lent_out(scene *s, unsigned from, unsigned count)
{
	for (unsigned i = from; i < count; i++)
		CELL_SAME(qpool_release(&lent_out[i]), s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static int
hook_forks(void *user)
{
	scene *s = user;

	scene_forks(s);
	for (unsigned i = 0; i < 2 && s->child != 0; i++)
		if (lent_out[i].resource != NULL)
			CELL_SAME(qpool_release(&lent_out[i]), QPOOL_OK);
	return 0;
}

/* One is idle and taken; for the other two it waits, and its hook forks. */
static void
several_inside_hook(scene *s)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease[3];
	qpool_error error;

	lend_out(s, 3);
	s->is_inside = true;
	request.timeout = QPOOL_SEC(20);
	request.interrupted = hook_forks;
	request.interrupt_user = s;
	request.interrupt_every = QPOOL_MSEC(1);
	scene_must(qpool_acquire_many(s->pool, 3, &request, lease, &error), &error);
	forked(s);
	keep_one(s, lease, 3, false);
	end_lent_out(s, s->child == 0 ? 0 : 2, 3);
}

static void *
collects(void *argument)
{
	scene *s = argument;
	qpool_request request = qpool_request_init();
	qpool_lease lease[2];
	qpool_error error;

	request.timeout = QPOOL_SEC(20);
	scene_must(qpool_acquire_many(s->pool, 2, &request, lease, &error), &error);
	for (unsigned i = 0; i < 2; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
	return NULL;
}

static void
await_waiting(scene *s, unsigned count)
{
	qpool_stats now = qpool_stats_init();

	while (now.waiting < count)
		qpool_get_stats(s->pool, &now);
}

/* Another thread collects; this one stands at the gate, and its hook forks. */
static void
several_at_the_gate(scene *s)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease[2];
	qpool_error error;

	lend_out(s, SCENE_SIZE);
	scene_actor(s, collects);
	await_waiting(s, 1);
	s->is_inside = true;
	request.timeout = QPOOL_SEC(20);
	request.interrupted = hook_forks;
	request.interrupt_user = s;
	request.interrupt_every = QPOOL_MSEC(1);
	scene_must(qpool_acquire_many(s->pool, 2, &request, lease, &error), &error);
	forked(s);
	keep_one(s, lease, 2, false);
	end_lent_out(s, s->child == 0 ? 0 : 2, SCENE_SIZE);
}

/* Another thread has passed the gate and collected one. */
static void
while_another_collects(scene *s)
{
	lend_out(s, 3);
	scene_actor(s, collects);
	await_waiting(s, 1);
	s->lease = lent_out[0];
	scene_forks(s);
	if (s->child != 0)
		end_lent_out(s, 1, 3);
}

static void
inside_describe(scene *s)
{
	scene_arm(s, WIRE_DESCRIBE, 0);
	s->lease = scene_take(s);
	forked(s);
	CELL_MUST(scene_holds_own(s));
}

static void *
gives_back(void *argument)
{
	scene *s = argument;

	await_waiting(s, 1);
	for (unsigned i = 0; i < 2; i++)
		CELL_SAME(qpool_release(&lent_out[i]), QPOOL_OK);
	scene_await_told(s, 100); /* it is there when the process forks */
	return NULL;
}

static void
several_inside_waited(scene *s)
{
	lend_out(s, 3);
	scene_arm(s, 0, QPOOL_EV_WAITED);
	scene_actor(s, gives_back);
	several(s, false);
	end_lent_out(s, 2, 3);
}

static bool
each_forks(void *user, const qpool_entry *entry)
{
	(void)entry;
	scene_forks(user);
	return true;
}

static void
inside_each(scene *s)
{
	scene_warm(s, 2);
	s->lease = scene_take(s);
	s->is_inside = true;
	(void)qpool_each(s->pool, each_forks, s);
	forked(s);
}

static void
inside_configured(scene *s)
{
	qpool_options options = qpool_options_init();
	qpool_error error;

	scene_warm(s, 2);
	scene_arm(s, 0, QPOOL_EV_CONFIGURED);
	options.max_idle = QPOOL_SEC(100);
	scene_must(qpool_configure(s->pool, &options, &error), &error);
	forked(s);
}

static void
inside_close_of_shrinking(scene *s)
{
	qpool_options options = qpool_options_init();
	qpool_error error;

	scene_warm(s, SCENE_SIZE);
	scene_arm(s, WIRE_CLOSE, 0);
	options.max_size = 1;
	scene_must(qpool_configure(s->pool, &options, &error), &error);
	forked(s);
	options.max_size = SCENE_SIZE;
	scene_must(qpool_configure(s->pool, &options, &error), &error);
}

static void
inside_close_of_renew(scene *s)
{
	scene_warm(s, 2);
	s->lease = scene_take(s);
	scene_arm(s, WIRE_CLOSE, 0);
	qpool_renew(s->pool);
	forked(s);
}

/* Opened here, and given to the pool: by the parent, so in the child it is abandoned. */
static void
inside_opened_of_adopt(scene *s)
{
	wire_resource *r = calloc(1, sizeof *r);
	qpool_error error;
	int ends[2];

	CELL_MUST(r != NULL);
	CELL_SAME(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	r->owner = getpid();
	r->number = atomic_fetch_add(&s->peer.numbers, 1);
	r->client = ends[0];
	atomic_store(&s->peer.servers[r->number], ends[1]);
	scene_arm(s, 0, QPOOL_EV_OPENED);
	scene_must(qpool_adopt(s->pool, r, &error), &error);
	forked(s);
}

static void
inside_open_of_ready(scene *s)
{
	qpool_error error;

	scene_arm(s, WIRE_OPEN, 0);
	scene_must(qpool_wait_ready(s->pool, 3, QPOOL_SEC(20), &error), &error);
	forked(s);
	s->has_used = true;
}

/* This thread tells of a lease: its own, which it ends later. */
static void
inside_held_long(scene *s)
{
	s->options.held_long = 1;
	scene_another_pool(s);
	scene_warm(s, 2);
	s->lease = scene_take(s);
	scene_arm(s, 0, QPOOL_EV_HELD_LONG);
	while (!s->has_forked)
		(void)qpool_maintain(s->pool);
}

static void
inside_held_back(scene *s)
{
	s->options.held_long = 1;
	s->options.event_mask &= ~(UINT64_C(1) << QPOOL_EV_RELEASED);
	scene_another_pool(s);
	scene_warm(s, 2);
	scene_arm(s, 0, QPOOL_EV_HELD_BACK);
	while (!s->has_forked) {
		s->lease = scene_take(s);
		(void)qpool_maintain(s->pool);
		s->err = qpool_release(&s->lease);
	}
	CELL_SAME(s->err, s->child == 0 ? QPOOL_EFORKED : QPOOL_OK);
}

static void
teller_waits(wire_step step, const qpool_event *event)
{
	(void)step;
	if (event == NULL || event->type != QPOOL_EV_HELD_LONG || getpid() != on->peer.parent)
		return;
	atomic_fetch_add(&on->told, 1);
	scene_await_told(on, 100);
}

static void *
maintains(void *argument)
{
	scene *s = argument;

	while (atomic_load(&s->told) == 0)
		(void)qpool_maintain(s->pool);
	return NULL;
}

static void
told_by_another(scene *s, bool has_ended)
{
	s->options.held_long = 1;
	scene_another_pool(s);
	scene_warm(s, 2);
	s->lease = scene_take(s);
	on = s;
	atomic_store(&s->peer.hook, teller_waits);
	scene_actor(s, maintains);
	scene_await_told(s, 1);
	if (has_ended) /* and left to the one who tells */
		CELL_SAME(qpool_release(&s->lease), QPOOL_OK);
	s->idle = 1;
	scene_forks(s);
}

/* Another thread is telling of this thread's lease, which nobody will finish in the child. */
static void
while_another_tells(scene *s)
{
	told_by_another(s, false);
}

static void
while_another_tells_of_one_ended(scene *s)
{
	told_by_another(s, true);
}

static void
after_told(scene *s)
{
	atomic_store(&s->told, 100);
}

const scene_state scene_later[] = {
    {"several, inside open", several_inside_open, NULL},
    {"several, inside peek", several_inside_peek, NULL},
    {"several, inside ACQUIRED", several_inside_acquired, NULL},
    {"several, inside WAITED", several_inside_waited, after_told},
    {"several, inside the hook", several_inside_hook, NULL},
    {"several, at the gate", several_at_the_gate, NULL},
    {"while another collects", while_another_collects, NULL},
    {"inside describe", inside_describe, NULL},
    {"inside each", inside_each, NULL},
    {"inside CONFIGURED", inside_configured, NULL},
    {"inside close, of shrinking", inside_close_of_shrinking, NULL},
    {"inside close, of renew", inside_close_of_renew, NULL},
    {"inside OPENED, of adopt", inside_opened_of_adopt, NULL},
    {"inside open, of wait_ready", inside_open_of_ready, NULL},
    {"inside HELD_LONG", inside_held_long, NULL},
    {"inside HELD_BACK", inside_held_back, NULL},
    {"while another tells", while_another_tells, after_told},
    {"while another tells of one ended", while_another_tells_of_one_ended, after_told},
};
const size_t scene_later_count = sizeof scene_later / sizeof scene_later[0];
