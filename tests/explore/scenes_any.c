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
	switch (world_choose(9)) {
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

static void
set_the_stage(void)
{
	static const qpool_nsec overtakes[] = {QPOOL_ZERO, QPOOL_MSEC(1), QPOOL_FOREVER};

	kit_begin(1 + world_choose(2));
	kit.may = KIT_MAY(QPOOL_ETIMEOUT) | KIT_MAY(QPOOL_EAGAIN) | KIT_MAY(QPOOL_ECLOSED) |
	          KIT_MAY(QPOOL_EOPEN);
	kit.doubtful = world_choose(3);
	kit.options.max_overtake = overtakes[world_choose(3)];
	kit.options.max_uses = world_choose(2) == 0 ? QPOOL_NOLIMIT : 1;
	kit.options.open_failure = world_choose(2) == 0 ? QPOOL_OPEN_RETRY : QPOOL_OPEN_TELL;
	if (world_choose(2) == 1)
		kit.options.max_idle = QPOOL_ZERO;
	if (world_choose(2) == 1)
		kit.options.min_idle = 1;
	if (world_choose(2) == 1)
		kit.ops.check = still_lives;
	if (world_choose(2) == 1)
		kit.ops.reset = resets;
	kit.open_takes_ns = world_choose(2) == 0 ? 0 : QPOOL_MSEC(1);
	kit.close_takes_ns = world_choose(2) == 0 ? 0 : QPOOL_MSEC(1);
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
    {NULL, NULL, 0, 0, false},
};
