/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenes of the line: acquire and release, timeouts, transfers, interruption, cancellation, pause.
 */
#include "scene.h"

/* Two on one slot, twice each. */
static void *
pair(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(2));
	kit_end();
	return NULL;
}

static void *
trio(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* Four on two slots: two may open, the others wait. */
static void *
crowd(void *unused)
{
	(void)unused;
	kit_begin(2);
	kit_pool();
	for (unsigned i = 0; i < 4; i++)
		kit_go((const char *[]){"a", "b", "c", "d"}[i], kit_rounds, KIT_NUMBER(2));
	kit_end();
	return NULL;
}

/* The release comes at the moment when b's time is over; c stands behind b.  With `strict` the
 * slot is handed over, without it b is woken to look. */
static void
race_for_time(qpool_nsec max_overtake)
{
	kit_begin(1);
	kit.options.max_overtake = max_overtake;
	kit.may = KIT_MAY(QPOOL_ETIMEOUT);
	kit_pool();
	kit_go("a", kit_hold, KIT_NUMBER(3));
	kit_go("b", kit_once_within, KIT_NUMBER(3));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
}

static void *
timeout(void *unused)
{
	(void)unused;
	race_for_time(QPOOL_FOREVER);
	return NULL;
}

static void *
transfer(void *unused)
{
	(void)unused;
	race_for_time(QPOOL_ZERO);
	return NULL;
}

/* The head grows old: from then on releases are transfers, and newcomers do not pass. */
static void *
overtake(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.options.max_overtake = QPOOL_MSEC(1);
	kit.may = KIT_MAY(QPOOL_ETIMEOUT);
	kit_pool();
	kit_go("a", kit_hold, KIT_NUMBER(1));
	kit_go("b", kit_hold, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(2));
	kit_go("d", kit_once_within, KIT_NUMBER(2));
	kit_end();
	return NULL;
}

static int
stop_now(void *count)
{
	unsigned *asked = count;

	kit_away();
	world_point(NULL, true);
	return ++*asked == 2;
}

static void *
wait_interruptibly(void *unused)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease;
	unsigned asked = 0;

	(void)unused;
	request.timeout = QPOOL_FOREVER;
	request.interrupted = stop_now;
	request.interrupt_user = &asked;
	request.interrupt_every = QPOOL_MSEC(1);
	if (kit_acquire_with(&request, &lease) == QPOOL_OK)
		kit_release(&lease);
	return NULL;
}

/* The hook of b ends its wait at the moment of the release; c stands behind b. */
static void *
interrupt(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.options.max_overtake = QPOOL_ZERO;
	kit.may = KIT_MAY(QPOOL_ECANCEL);
	kit_pool();
	kit_go("a", kit_hold, KIT_NUMBER(2));
	kit_go("b", wait_interruptibly, NULL);
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void *
cancel_it(void *victim)
{
	actor *v = victim;

	for (unsigned i = 0; i < 3 && v->state != GONE && !world_cancel(v); i++)
		world_yield();
	return NULL;
}

/* b is cancelled in its sleep, as by pthread_cancel, while a gives back. */
static void
race_with_cancel(qpool_nsec max_overtake)
{
	actor *victim;

	kit_begin(1);
	kit.options.max_overtake = max_overtake;
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	victim = kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_go("d", cancel_it, victim);
	kit_end();
}

static void *
cancel(void *unused)
{
	(void)unused;
	race_with_cancel(QPOOL_FOREVER);
	return NULL;
}

static void *
cancel_served(void *unused)
{
	(void)unused;
	race_with_cancel(QPOOL_ZERO);
	return NULL;
}

static void *
pause_and_resume(void *unused)
{
	(void)unused;
	kit.is_paused = true;
	qpool_pause(kit.pool);
	world_pass(QPOOL_MSEC(1));
	qpool_resume(kit.pool);
	kit.is_paused = false;
	return NULL;
}

static void *
pause(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.may = KIT_MAY(QPOOL_ETIMEOUT);
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", pause_and_resume, NULL);
	kit_go("c", kit_once_within, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void *
take_if_idle(void *unused)
{
	qpool_lease lease;

	(void)unused;
	for (unsigned i = 0; i < 2; i++)
		if (kit_acquire(QPOOL_NOWAIT, &lease) == QPOOL_OK)
			kit_release(&lease);
	return NULL;
}

static void *
nowait(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.may = KIT_MAY(QPOOL_EAGAIN);
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", take_if_idle, NULL);
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

const scene scenes_line[] = {
    {"pair", pair, 0, 1, false},
    {"trio", trio, 0, 1, false},
    {"crowd", crowd, 0, 1, false},
    {"timeout", timeout, 3, 0, false},
    {"transfer", transfer, 3, 0, false},
    {"overtake", overtake, 3, 1, false},
    {"interrupt", interrupt, 3, 1, false},
    {"cancel", cancel, 0, 1, false},
    {"cancel_served", cancel_served, 0, 1, false},
    {"pause", pause, 2, 1, false},
    {"nowait", nowait, 0, 1, false},
    {NULL, NULL, 0, 0, false},
};
