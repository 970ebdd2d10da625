/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenes where choice also says what is done: three actors, each with a few verbs of any kind.  They
 * are for walks; a search gets nowhere here.
 */
#include "scene.h"

#define VERBS 2u /* of each actor */

static void
end_somehow(qpool_lease *lease)
{
	if (world_choose(2) == 1)
		world_pass(QPOOL_MSEC(1));
	switch (world_choose(4)) {
	case 0:
		kit_discard(lease);
		break;
	case 1:
		kit_detach(lease);
		break;
	default:
		kit_release(lease);
		break;
	}
}

static void
use_for(qpool_nsec timeout)
{
	qpool_lease lease;

	if (kit_acquire(timeout, &lease) == QPOOL_OK)
		end_somehow(&lease);
}

static void *
use_keys(void *unused)
{
	static const char *const keys[] = {"x", "y", "z"};
	static const qpool_nsec timeouts[] = {QPOOL_FOREVER, QPOOL_MSEC(1), QPOOL_NOWAIT};
	qpool_lease lease;

	(void)unused;
	for (unsigned i = 0; i < VERBS; i++) {
		const char *key = keys[world_choose(3)];
		if (kit_acquire_key(key, timeouts[world_choose(3)], &lease) == QPOOL_OK)
			end_somehow(&lease);
		if (world_choose(4) == 1)
			(void)qpool_keyed_maintain(kit.keyed);
	}
	return NULL;
}

/* Holds one while it waits for another, but not for ever. */
static void
use_two(void)
{
	qpool_lease first, second;

	if (kit_acquire(QPOOL_FOREVER, &first) != QPOOL_OK)
		return;
	if (kit_acquire(QPOOL_MSEC(1), &second) == QPOOL_OK)
		end_somehow(&second);
	kit_release(&first);
}

static int
stops_by_choice(void *unused)
{
	(void)unused;
	kit_away();
	world_point(NULL, true);
	return (int)world_choose(2);
}

static void
use_interruptibly(void)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease;

	request.timeout = QPOOL_FOREVER;
	request.interrupted = stops_by_choice;
	request.interrupt_every = world_choose(2) == 0 ? 0 : QPOOL_MSEC(1);
	if (kit_acquire_with(&request, &lease) == QPOOL_OK)
		end_somehow(&lease);
}

/* A verb that others may have made impossible. */
static void
judge(const char *verb, qpool_err err, qpool_err may)
{
	if (err != QPOOL_OK && err != may && !(err == QPOOL_ECLOSED && kit.is_closing))
		world_fail("%s: %s", verb, qpool_err_name(err));
}

static void
resize(void)
{
	qpool_options change = qpool_options_init();

	change.max_size = 1 + world_choose(2);
	if (kit.most < change.max_size)
		kit.most = change.max_size;
	judge("configure", qpool_configure(kit.pool, &change, NULL), QPOOL_OK);
}

static void
employ(void)
{
	judge("start", qpool_start(kit.pool, 1, NULL), QPOOL_EMISUSE);
	judge("stop", qpool_stop(kit.pool), QPOOL_OK);
}

static void
interrupt_line(void)
{
	kit.is_paused = true;
	qpool_pause(kit.pool);
	qpool_resume(kit.pool);
	kit.is_paused = false;
}

static void
tidy(void)
{
	if (world_choose(2) == 1)
		qpool_renew(kit.pool);
	else
		qpool_suspect(kit.pool);
	(void)qpool_maintain(kit.pool);
}

static void
do_something(void)
{
	switch (world_choose(10)) {
	case 0:
		use_for(QPOOL_MSEC(1));
		break;
	case 1:
		use_for(QPOOL_NOWAIT);
		break;
	case 2:
		use_two();
		break;
	case 3:
		resize();
		break;
	case 4:
		employ();
		break;
	case 5:
		interrupt_line();
		break;
	case 6:
		tidy();
		break;
	case 7:
		use_interruptibly();
		break;
	default:
		use_for(QPOOL_FOREVER);
		break;
	}
}

static void *
do_some_things(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < VERBS; i++)
		do_something();
	return NULL;
}

static qpool_err
still_lives(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	(void)user;
	(void)resource;
	(void)step;
	(void)error;
	world_point(NULL, true);
	return QPOOL_OK;
}

static qpool_err
resets(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	(void)user;
	(void)resource;
	(void)error;
	world_point(NULL, true);
	return step->on_worker || world_choose(2) == 0 ? QPOOL_OK : QPOOL_EAGAIN;
}

/* What kind of pool? */
static void
set_options(void)
{
	static const qpool_nsec overtakes[] = {QPOOL_ZERO, QPOOL_MSEC(1), QPOOL_FOREVER};

	kit_begin(1 + world_choose(2));
	kit.may = KIT_MAY(QPOOL_ETIMEOUT) | KIT_MAY(QPOOL_EAGAIN) | KIT_MAY(QPOOL_ECLOSED) |
	          KIT_MAY(QPOOL_EOPEN) | KIT_MAY(QPOOL_ECANCEL);
	kit.doubtful = world_choose(3);
	kit.options.max_overtake = overtakes[world_choose(3)];
	kit.options.max_uses = world_choose(2) == 0 ? QPOOL_NOLIMIT : 1;
	kit.options.open_failure = world_choose(2) == 0 ? QPOOL_OPEN_RETRY : QPOOL_OPEN_TELL;
	kit.unordered = world_choose(2) == 1;
	if (kit.unordered)
		kit.options.max_idle = QPOOL_ZERO;
	if (world_choose(2) == 1)
		kit.ops.check = still_lives;
	if (world_choose(2) == 1)
		kit.ops.reset = resets;
	kit.open_takes_ns = world_choose(2) == 0 ? 0 : QPOOL_MSEC(1);
	kit.close_takes_ns = world_choose(2) == 0 ? 0 : QPOOL_MSEC(1);
}

static void
set_the_stage(void)
{
	set_options();
	kit.options.min_idle = world_choose(2);
	kit_pool();
	kit_go("a", do_some_things, NULL);
	kit_go("b", do_some_things, NULL);
	kit_go("c", do_some_things, NULL);
}

static void *
any(void *unused)
{
	(void)unused;
	set_the_stage();
	kit_end();
	return NULL;
}

static void *
any_keys(void *unused)
{
	(void)unused;
	set_options();
	kit_keyed_pool();
	kit_go("a", use_keys, NULL);
	kit_go("b", use_keys, NULL);
	kit_go("c", use_keys, NULL);
	kit_end();
	return NULL;
}

static void *
close_it(void *unused)
{
	(void)unused;
	kit_close(QPOOL_FOREVER, QPOOL_OK);
	return NULL;
}

static void *
any_closing(void *unused)
{
	(void)unused;
	set_the_stage();
	kit_go("d", close_it, NULL);
	kit_end();
	return NULL;
}

const scene scenes_any[] = {
    {"any", any, 3, 2, false},
    {"any_closing", any_closing, 3, 2, false},
    {"any_keys", any_keys, 3, 2, false},
    {NULL, NULL, 0, 0, false},
};
