/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenes of the shelf: a resource lies there, and is given back by a plain store, when somebody begins to
 * rely on hearing of it.  They hold for an engine without a shelf, too.
 */
#include "scene.h"

#include "core/pool.h"
#include "trace.h"

static qpool_lease lent;
static unsigned ends;

static void
take_it(void)
{
	if (qpool_acquire(kit.pool, QPOOL_NOWAIT, &lent, NULL) != QPOOL_OK)
		world_fail("nothing to be had");
	kit.acquires++;
	kit.given_back++;
}

/* Make the pool; the first lease opens a resource, the second lays it on the shelf. */
static void
warm_pool(void)
{
	kit_pool();
	for (unsigned i = 0; i < 2; i++) {
		take_it();
		if (qpool_release(&lent) != QPOOL_OK)
			world_fail("release");
	}
	ends = 0;
}

static void *
end_copy(void *unused)
{
	qpool_lease copy = lent;
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

/* The first actor, which took the lease, ends it while the others play. */
static void
end_it_here(void)
{
	world_unmute();
	(void)end_copy(NULL);
	world_mute();
}

static void *
shelf_pair(void *unused)
{
	(void)unused;
	kit_begin(1);
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(2));
	kit_end();
	return NULL;
}

static void *
shelf_trio(void *unused)
{
	(void)unused;
	kit_begin(1);
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* By another verb, which takes from the shelf in another way. */
static void *
shelf_request(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.by_request = true;
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void *
let_time_pass(void *unused)
{
	(void)unused;
	world_pass(QPOOL_MSEC(1));
	return NULL;
}

/* Who waits grows old, asleep or on the way to look; from then on nobody passes. */
static void
play_in_order(void)
{
	kit.options.max_overtake = QPOOL_MSEC(1);
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(3));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("time", let_time_pass, NULL);
	kit_end();
}

static void *
shelf_order(void *unused)
{
	(void)unused;
	kit_begin(1);
	play_in_order();
	return NULL;
}

/* Two waits, with a quiet time in between in which the shelf opens again. */
static void *
shelf_again(void *unused)
{
	(void)unused;
	kit_begin(1);
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(3));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_once_within, KIT_NUMBER(1));
	kit.may = KIT_MAY(QPOOL_ETIMEOUT);
	kit_end();
	return NULL;
}

static void *
shelf_time(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.may = KIT_MAY(QPOOL_ETIMEOUT);
	warm_pool();
	kit_go("a", kit_hold, KIT_NUMBER(3));
	kit_go("b", kit_once_within, KIT_NUMBER(3));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* Three on two slots, one of which lies on the shelf. */
static void *
shelf_crowd(void *unused)
{
	(void)unused;
	kit_begin(2);
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(2));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void
must_end_once(void)
{
	world_unmute();
	world_join_all();
	world_mute();
	if (ends != 1)
		world_fail("one lease was ended %u times", ends);
}

/* One copy is ended by the thread that took the lease, another elsewhere. */
static void *
shelf_twice(void *unused)
{
	(void)unused;
	kit_begin(1);
	warm_pool();
	take_it();
	kit_go("a", end_copy, NULL);
	kit_go("b", kit_rounds, KIT_NUMBER(2));
	end_it_here();
	must_end_once();
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

/* A lease held long ends while two tell of it. */
static void *
shelf_told(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.options.held_long = 1;
	kit.options.on_event = hear;
	kit.options.event_mask = 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_HELD_BACK;
	warm_pool();
	take_it();
	world_unmute();
	world_pass(QPOOL_MSEC(1));
	world_mute();
	kit_go("a", maintain, NULL);
	kit_go("b", maintain, NULL);
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	end_it_here();
	must_end_once();
	kit_end();
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

/* The pool is freed while its lease ends. */
static void *
shelf_free(void *unused)
{
	(void)unused;
	kit_begin(1);
	warm_pool();
	take_it();
	kit_go("a", free_it, NULL);
	end_it_here();
	world_unmute();
	world_join_all();
	world_mute();
	kit_end_closed();
	return NULL;
}

static void *
close_and_free(void *unused)
{
	qpool *pool = kit.pool;

	(void)unused;
	kit_close(QPOOL_FOREVER, QPOOL_OK);
	world_self()->verb = "free";
	qpool_free(pool);
	return NULL;
}

/* The same, closed first. */
static void *
shelf_close(void *unused)
{
	(void)unused;
	kit_begin(1);
	warm_pool();
	take_it();
	kit_go("a", close_and_free, NULL);
	end_it_here();
	world_unmute();
	world_join_all();
	world_mute();
	kit_end_closed();
	return NULL;
}

static void *
wait_until_ready(void *unused)
{
	(void)unused;
	world_self()->verb = "wait_ready";
	if (qpool_wait_ready(kit.pool, 1, QPOOL_FOREVER, NULL) != QPOOL_OK)
		world_fail("never ready");
	return NULL;
}

static void *
shelf_ready(void *unused)
{
	(void)unused;
	kit_begin(1);
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", wait_until_ready, NULL);
	kit_end();
	return NULL;
}

static void *
renew_it(void *unused)
{
	qpool_stats stats = qpool_stats_init();

	(void)unused;
	qpool_renew(kit.pool);
	qpool_get_stats(kit.pool, &stats);
	return NULL;
}

static void *
shelf_renew(void *unused)
{
	(void)unused;
	kit_begin(1);
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", renew_it, NULL);
	kit_go("c", maintain, NULL);
	kit_end();
	return NULL;
}

static void *
shrink_it(void *unused)
{
	(void)unused;
	kit_resize(1);
	return NULL;
}

static void *
shelf_shrink(void *unused)
{
	(void)unused;
	kit_begin(2);
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", shrink_it, NULL);
	kit_end();
	return NULL;
}

static bool
see(void *user, const qpool_entry *entry)
{
	(void)user;
	(void)entry;
	return true;
}

static void *
look_at_each(void *unused)
{
	(void)unused;
	(void)qpool_each(kit.pool, see, NULL);
	return NULL;
}

static void *
shelf_each(void *unused)
{
	(void)unused;
	kit_begin(1);
	warm_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", look_at_each, NULL);
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static bool
is_pinned(void)
{
	bool is;

	qp_pool_lock(kit.pool);
	is = qp_shelf_is_pinned_locked(kit.pool);
	qp_pool_unlock(kit.pool, NULL);
	return is;
}

/* One is on the way to rely on the shelf, and stays there while it is shut, opened and shut again. */
static void *
shelf_pinned(void *unused)
{
	const actor *b;

	(void)unused;
	kit_begin(1);
	warm_pool();
	take_it();
	b = kit_go("b", kit_rounds, KIT_NUMBER(1));
	world_unmute();
	while (b->state == READY && !is_pinned())
		world_yield();
	(void)look_at_each(NULL);
	(void)end_copy(NULL);
	if (qpool_acquire(kit.pool, QPOOL_NOWAIT, &lent, NULL) == QPOOL_OK) {
		kit.acquires++;
		kit.given_back++;
		kit_go("c", look_at_each, NULL);
		(void)end_copy(NULL);
	}
	world_mute();
	kit_end();
	return NULL;
}

/* ---- the same on a system without membarrier: the shelf is fenced whenever it is open ---- */

static void
begin_fenced(uint32_t max_size)
{
	world_grant_membarriers(0);
	kit_begin(max_size);
	warm_pool();
}

static void *
fenced_pair(void *unused)
{
	(void)unused;
	begin_fenced(1);
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(2));
	kit_end();
	return NULL;
}

static void *
fenced_crowd(void *unused)
{
	(void)unused;
	begin_fenced(2);
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(2));
	kit_go("c", kit_once_within, KIT_NUMBER(1));
	kit.may = KIT_MAY(QPOOL_ETIMEOUT);
	kit_end();
	return NULL;
}

static void *
fenced_order(void *unused)
{
	(void)unused;
	world_grant_membarriers(0);
	kit_begin(1);
	play_in_order();
	return NULL;
}

static void *
fenced_twice(void *unused)
{
	(void)unused;
	begin_fenced(1);
	take_it();
	kit_go("a", end_copy, NULL);
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	end_it_here();
	must_end_once();
	kit_end();
	return NULL;
}

static void *
fenced_close(void *unused)
{
	(void)unused;
	begin_fenced(1);
	take_it();
	kit_go("a", close_and_free, NULL);
	end_it_here();
	world_unmute();
	world_join_all();
	world_mute();
	kit_end_closed();
	return NULL;
}

/* ---- and with workers, one of which shuts it now and then ---- */

static void *
shelf_worker(void *unused)
{
	(void)unused;
	kit_begin(2);
	warm_pool();
	world_unmute();
	kit_start(1);
	world_mute();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* What lies on the shelf expires there, and nobody acquires again. */
static void *
shelf_expires(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.options.max_idle = QPOOL_MSEC(1);
	kit.options.maintain_every = QPOOL_MSEC(1);
	kit_pool();
	world_unmute();
	kit_start(1);
	world_mute();
	kit_go("a", kit_rounds, KIT_NUMBER(3));
	world_unmute();
	world_join_all();
	for (unsigned i = 0; i < 8 && kit.exist != 0; i++)
		world_pass(QPOOL_MSEC(50));
	world_mute();
	if (kit.exist != 0)
		world_fail("%u lie there still", kit.exist);
	kit_end();
	return NULL;
}

const scene scenes_shelf[] = {
    {"shelf_pair", shelf_pair, 0, 1, false},
    {"shelf_trio", shelf_trio, 0, 1, false},
    {"shelf_request", shelf_request, 0, 1, false},
    {"shelf_order", shelf_order, 1, 0, false},
    {"shelf_again", shelf_again, 1, 0, false},
    {"shelf_time", shelf_time, 1, 0, false},
    {"shelf_crowd", shelf_crowd, 0, 0, false},
    {"shelf_twice", shelf_twice, 0, 0, false},
    {"shelf_told", shelf_told, 0, 0, false},
    {"shelf_free", shelf_free, 0, 0, false},
    {"shelf_close", shelf_close, 0, 0, false},
    {"shelf_ready", shelf_ready, 0, 0, false},
    {"shelf_renew", shelf_renew, 0, 0, false},
    {"shelf_shrink", shelf_shrink, 0, 0, false},
    {"shelf_each", shelf_each, 0, 0, false},
    {"shelf_pinned", shelf_pinned, 0, 0, false},
    {"fenced_pair", fenced_pair, 0, 1, false},
    {"fenced_crowd", fenced_crowd, 1, 0, false},
    {"fenced_order", fenced_order, 1, 0, false},
    {"fenced_twice", fenced_twice, 0, 0, false},
    {"fenced_close", fenced_close, 0, 0, false},
    {"shelf_worker", shelf_worker, 2, 0, false},
    {"shelf_expires", shelf_expires, 4, 0, false},
    {NULL, NULL, 0, 0, false},
};
