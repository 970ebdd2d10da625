/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenes of the end: close with leases out and with waiters, close that gives up, free by the last
 * one to leave.
 */
#include "scene.h"

static void *
close_for_ever(void *unused)
{
	(void)unused;
	kit_close(QPOOL_FOREVER, QPOOL_OK);
	return NULL;
}

static void *
free_it(void *unused)
{
	qpool *pool = kit.pool;

	(void)unused;
	kit.is_closing = true;
	world_self()->verb = "free";
	qpool_free(pool);
	return NULL;
}

static void
begin_to_close(uint32_t max_size)
{
	kit_begin(max_size);
	kit.may = KIT_MAY(QPOOL_ECLOSED);
	kit_pool();
}

/* One holds, one waits or comes, one closes. */
static void *
closing(void *unused)
{
	(void)unused;
	begin_to_close(1);
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", close_for_ever, NULL);
	kit_end();
	return NULL;
}

static void *
two_close(void *unused)
{
	(void)unused;
	begin_to_close(2);
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", close_for_ever, NULL);
	kit_go("c", close_for_ever, NULL);
	kit_end();
	return NULL;
}

static void *
close_briefly(void *unused)
{
	qpool_err err;

	(void)unused;
	kit.is_closing = true;
	err = qpool_close(kit.pool, QPOOL_MSEC(1));
	if (err != QPOOL_OK && err != QPOOL_ETIMEOUT)
		world_fail("close: %s", qpool_err_name(err));
	return NULL;
}

/* The close gives up at the moment when the lease ends. */
static void *
give_up(void *unused)
{
	(void)unused;
	begin_to_close(1);
	kit_go("a", kit_hold, KIT_NUMBER(1));
	kit_go("b", close_briefly, NULL);
	kit_end();
	return NULL;
}

/* What a thread does that may use the pool no more once it is freed: it holds a lease already. */
static void *
end_lease(void *lease)
{
	kit_take(lease);
	kit_release(lease);
	return NULL;
}

/* The pool is freed while two leases end: the last one out frees it. */
static void *
freeing(void *unused)
{
	static qpool_lease leases[2];

	(void)unused;
	kit_begin(2);
	kit_pool();
	for (unsigned i = 0; i < 2; i++)
		if (qpool_acquire(kit.pool, QPOOL_NOWAIT, &leases[i], NULL) != QPOOL_OK)
			world_fail("nothing to be had");
	kit_go("a", end_lease, &leases[0]);
	kit_go("b", end_lease, &leases[1]);
	kit_go("c", free_it, NULL);
	kit_end_closed();
	return NULL;
}

/* The same with a worker, who does the closing. */
static void *
free_crew(void *unused)
{
	static qpool_lease lease;

	(void)unused;
	kit_begin(1);
	kit_pool();
	if (qpool_acquire(kit.pool, QPOOL_NOWAIT, &lease, NULL) != QPOOL_OK)
		world_fail("nothing to be had");
	world_unmute();
	kit_start(1);
	world_mute();
	kit_go("a", end_lease, &lease);
	kit_go("b", free_it, NULL);
	kit_end_closed();
	return NULL;
}

/* Closed and freed by one, while another's close is not yet over. */
static void *
close_and_free(void *unused)
{
	static qpool_lease lease;

	(void)unused;
	kit_begin(1);
	kit_pool();
	if (qpool_acquire(kit.pool, QPOOL_NOWAIT, &lease, NULL) != QPOOL_OK)
		world_fail("nothing to be had");
	kit_go("a", end_lease, &lease);
	kit_go("b", close_briefly, NULL);
	world_unmute();
	world_join_all();
	qpool_free(kit.pool);
	world_mute();
	kit_end_closed();
	return NULL;
}

const scene scenes_end[] = {
    {"closing", closing, 0, 1, false},
    {"two_close", two_close, 0, 1, false},
    {"give_up", give_up, 2, 1, false},
    {"freeing", freeing, 0, 0, false},
    {"free_crew", free_crew, 0, 1, false},
    {"close_free", close_and_free, 2, 0, false},
    {NULL, NULL, 0, 0, false},
};
