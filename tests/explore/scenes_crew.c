/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenes with workers: they open, close, keep min_idle and the limits, come and go.
 */
#include "scene.h"

static void *
start_and_stop(void *workers)
{
	kit_start((unsigned)(uintptr_t)workers);
	kit_stop();
	return NULL;
}

static void
begin_with(uint32_t max_size, unsigned workers)
{
	kit_begin(max_size);
	kit_pool();
	world_unmute();
	kit_start(workers);
	world_mute();
}

/* One worker opens for two. */
static void *
worker(void *unused)
{
	(void)unused;
	begin_with(1, 1);
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void *
two_workers(void *unused)
{
	(void)unused;
	begin_with(2, 2);
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* The workers come while one waits, and go again. */
static void *
come_and_go(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", start_and_stop, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* An open by a worker that fails, and outlives its asker's timeout. */
static void *
worker_fails(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.may = KIT_MAY(QPOOL_ETIMEOUT);
	kit.fail_opens = 1;
	kit.doubtful = 1;
	kit_pool();
	world_unmute();
	kit_start(1);
	world_mute();
	kit_go("a", kit_once_within, KIT_NUMBER(60));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void *
use_twice(void *unused)
{
	(void)unused;
	(void)kit_rounds(KIT_NUMBER(1));
	world_pass(QPOOL_MSEC(2));
	return kit_rounds(KIT_NUMBER(1));
}

/* What is idle expires while the pass of the worker, the acquires and a shrink meet. */
static void *
pass(void *unused)
{
	(void)unused;
	kit_begin(2);
	kit.options.max_idle = QPOOL_MSEC(1);
	kit.options.maintain_every = QPOOL_MSEC(1);
	kit.unordered = true;
	kit_pool();
	world_unmute();
	kit_start(1);
	world_mute();
	kit_go("a", use_twice, NULL);
	kit_go("b", use_twice, NULL);
	kit_end();
	return NULL;
}

static void *
discard_one(void *unused)
{
	qpool_lease lease;

	(void)unused;
	if (kit_acquire(QPOOL_FOREVER, &lease) == QPOOL_OK)
		kit_discard(&lease);
	return NULL;
}

/* The close is handed to a worker that is being stopped. */
static void *
stopping(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_pool();
	kit_go("a", discard_one, NULL);
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", start_and_stop, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* The close is handed to a worker that sleeps, and the others need the place. */
static void *
worker_closes(void *unused)
{
	(void)unused;
	begin_with(1, 1);
	kit_go("a", discard_one, NULL);
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_end();
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
ready(void *unused)
{
	(void)unused;
	kit_begin(2);
	kit.options.min_idle = 1;
	kit.doubtful = 1;
	kit_pool();
	world_unmute();
	kit_start(1);
	world_mute();
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", wait_until_ready, NULL);
	kit_end();
	return NULL;
}

static qpool_err
reset_one(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	(void)user;
	(void)resource;
	(void)error;
	world_point(NULL, true);
	return step->on_worker ? QPOOL_OK : QPOOL_EAGAIN;
}

/* A reset that a caller begins and a worker ends. */
static void *
resets(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.ops.reset = reset_one;
	kit_pool();
	world_unmute();
	kit_start(1);
	world_mute();
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

const scene scenes_crew[] = {
    {"worker", worker, 0, 1, false},
    {"two_workers", two_workers, 0, 1, false},
    {"come_and_go", come_and_go, 0, 1, false},
    {"worker_fails", worker_fails, 3, 1, false},
    {"pass", pass, 3, 0, false},
    {"worker_closes", worker_closes, 0, 1, false},
    {"stopping", stopping, 0, 1, false},
    {"ready", ready, 1, 1, false},
    {"resets", resets, 0, 1, false},
    {NULL, NULL, 0, 0, false},
};
