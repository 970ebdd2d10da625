/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenes of leases: one ended twice, ends of other kinds, one that somebody tells of while it ends,
 * several at once.
 */
#include "scene.h"

#include "trace.h"

static qpool_lease shared_lease;
static unsigned ends;

/* Ends its own copy of the lease; of all copies just one may count. */
static void *
end_copy(void *unused)
{
	qpool_lease copy = shared_lease;
	qpool_err err;

	(void)unused;
	world_self()->verb = "release of a copy";
	world_point(NULL, true);
	err = qpool_release(&copy);
	trace_say("release: %s", qpool_err_name(err));
	if (err != QPOOL_OK && err != QPOOL_EMISUSE)
		world_fail("release: %s", qpool_err_name(err));
	ends += err == QPOOL_OK;
	return NULL;
}

static void
lend_one(void)
{
	if (qpool_acquire(kit.pool, QPOOL_NOWAIT, &shared_lease, NULL) != QPOOL_OK)
		world_fail("nothing to be had");
	kit.acquires++;
	kit.given_back++; /* by one of the copies */
	ends = 0;
}

/* Two copies of one lease end while a third takes the slot again: the stale end must not touch the
 * new lease. */
static void *
twice(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_pool();
	lend_one();
	kit_go("a", end_copy, NULL);
	kit_go("b", end_copy, NULL);
	kit_go("c", kit_rounds, KIT_NUMBER(2));
	world_unmute();
	world_join_all();
	if (ends != 1)
		world_fail("one lease was ended %u times", ends);
	world_mute();
	kit_end();
	return NULL;
}

static void *
spoil_one(void *unused)
{
	qpool_lease lease;

	(void)unused;
	if (kit_acquire(QPOOL_FOREVER, &lease) == QPOOL_OK)
		kit_discard(&lease);
	return NULL;
}

static void *
detach_one(void *unused)
{
	qpool_lease lease;

	(void)unused;
	if (kit_acquire(QPOOL_FOREVER, &lease) == QPOOL_OK)
		kit_detach(&lease);
	return NULL;
}

/* Every way to end a lease makes room for the next in line. */
static void *
enders(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_pool();
	kit_go("a", spoil_one, NULL);
	kit_go("b", detach_one, NULL);
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void
hear(void *user, qpool *pool, const qpool_event *event)
{
	(void)user;
	(void)pool;
	trace_say("told of event %d", (int)event->type);
	world_point(NULL, true);
}

static void *
maintain(void *unused)
{
	(void)unused;
	(void)qpool_maintain(kit.pool);
	return NULL;
}

/* A lease held long ends while two tell of it: whoever is last gives the slot back. */
static void *
told(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.options.held_long = 1;
	kit.options.on_event = hear;
	kit.options.event_mask = 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_HELD_BACK;
	kit_pool();
	lend_one();
	world_unmute();
	world_pass(QPOOL_MSEC(1));
	world_mute();
	kit_go("a", end_copy, NULL);
	kit_go("b", maintain, NULL);
	kit_go("c", maintain, NULL);
	kit_go("d", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void *
take_both(void *unused)
{
	qpool_request request = qpool_request_init();
	qpool_lease leases[2];
	qpool_err err;

	(void)unused;
	request.timeout = QPOOL_FOREVER;
	world_self()->verb = "acquire_many";
	err = qpool_acquire_many(kit.pool, 2, &request, leases, NULL);
	if (err != QPOOL_OK)
		world_fail("acquire_many: %s", qpool_err_name(err));
	for (unsigned i = 0; i < 2; i++)
		kit_take(&leases[i]);
	for (unsigned i = 0; i < 2; i++)
		kit_release(&leases[i]);
	return NULL;
}

/* Two that want both, one that wants one. */
static void *
many(void *unused)
{
	(void)unused;
	kit_begin(2);
	kit.unchecked = true; /* one may be idle while those who wait want two */
	kit_pool();
	kit_go("a", take_both, NULL);
	kit_go("b", take_both, NULL);
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static unsigned doubts;

/* Twice choice may say that it is dead. */
static qpool_err
fails_by_choice(qpool_err how)
{
	kit_away();
	world_point(NULL, true);
	if (doubts == 0 || world_choose(2) == 0)
		return QPOOL_OK;
	doubts--;
	return how;
}

static qpool_err
peek(void *user, void *resource, qpool_error *error)
{
	(void)user;
	(void)resource;
	(void)error;
	return fails_by_choice(QPOOL_ECHECK);
}

static qpool_err
step_may_fail(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	(void)user;
	(void)resource;
	(void)step;
	(void)error;
	return fails_by_choice(QPOOL_EPEER);
}

static void
three_on_one(void)
{
	doubts = 2;
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
}

/* What is idle turns out to be dead, and whoever asked opens another. */
static void *
dead(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.ops.peek = peek;
	three_on_one();
	return NULL;
}

static void *
checks(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.ops.check = step_may_fail;
	kit.options.check_after = QPOOL_ZERO;
	three_on_one();
	return NULL;
}

static void *
unclean(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.ops.reset = step_may_fail;
	three_on_one();
	return NULL;
}

static void *
adopt_one(void *unused)
{
	kit_resource *r = &kit.resources[kit.opens++];
	qpool_err err;

	(void)unused;
	r->state = KIT_OPEN;
	world_self()->verb = "adopt";
	kit.most++; /* it exists before the pool says whether there is room */
	kit.exist++;
	err = qpool_adopt(kit.pool, r, NULL);
	if (err == QPOOL_OK)
		return NULL;
	if (err != QPOOL_EAGAIN)
		world_fail("adopt: %s", qpool_err_name(err));
	r->state = KIT_CLOSED; /* it stays ours, and is none of the pool's */
	kit.exist--;
	kit.refused++;
	return NULL;
}

/* A resource comes from outside while others open and wait. */
static void *
adopt(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_pool();
	kit_go("a", adopt_one, NULL);
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

const scene scenes_lease[] = {
    {"twice", twice, 0, 1, false},
    {"enders", enders, 0, 1, false},
    {"told", told, 0, 0, false},
    {"dead", dead, 0, 1, false},
    {"checks", checks, 0, 1, false},
    {"unclean", unclean, 0, 1, false},
    {"adopt", adopt, 0, 1, false},
    {"many", many, 0, 1, false},
    {NULL, NULL, 0, 0, false},
};
