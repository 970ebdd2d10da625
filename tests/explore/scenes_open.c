/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenes of opening: opens that fail, with back-off and with TELL, max_size that changes while
 * others wait, resources that must go.
 */
#include "scene.h"

/* The first opens may fail, as choice says; nobody has a deadline, so each must be served. */
static void *
failing(void *unused)
{
	(void)unused;
	kit_begin(2);
	kit.fail_opens = 1;
	kit.doubtful = 2;
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* No pause at all: the one that is promoted opens at once. */
static void *
promote(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.options.retry_min = kit.options.retry_max = QPOOL_ZERO;
	kit.fail_opens = 1;
	kit.doubtful = 1;
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void *
telling(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.options.open_failure = QPOOL_OPEN_TELL;
	kit.may = KIT_MAY(QPOOL_EOPEN);
	kit.doubtful = 3;
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* The peer has room for one only, and says so: the others wait for that one. */
static void *
peer_full(void *unused)
{
	(void)unused;
	kit_begin(2);
	kit.open_error = QPOOL_EFULL;
	kit.options.open_failure = QPOOL_OPEN_TELL;
	kit.may = KIT_MAY(QPOOL_EFULL);
	kit.doubtful = 3;
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(2));
	kit_end();
	return NULL;
}

/* The pool is down, and comes back. */
static void *
down(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.options.down_after = QPOOL_MSEC(20);
	kit.may = KIT_MAY(QPOOL_EOPEN) | KIT_MAY(QPOOL_ETIMEOUT);
	kit.fail_opens = 2;
	kit.doubtful = 1;
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_once_within, KIT_NUMBER(200));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

/* An open that takes as long as its asker has. */
static void *
slow_open(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.open_takes_ns = QPOOL_MSEC(2);
	kit.may = KIT_MAY(QPOOL_ETIMEOUT);
	kit.doubtful = 1;
	kit_pool();
	kit_go("a", kit_once_within, KIT_NUMBER(2));
	kit_go("b", kit_once_within, KIT_NUMBER(3));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void *
grow_to(void *max_size)
{
	kit_resize((uint32_t)(uintptr_t)max_size);
	return NULL;
}

/* While a holds the only one, others wait, and a second may be opened. */
static void *
grow(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_pool();
	kit_go("a", kit_hold, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_go("d", grow_to, KIT_NUMBER(2));
	kit_end();
	return NULL;
}

static void *
shrink(void *unused)
{
	(void)unused;
	kit_begin(2);
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_hold, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_go("d", grow_to, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

static void *
none_then_one(void *unused)
{
	(void)unused;
	kit_resize(QPOOL_ZERO32);
	kit_resize(1);
	return NULL;
}

/* Down to nothing, and up again. */
static void *
zero(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.unchecked = true; /* between the two there may be an empty slot that nobody may use */
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(1));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", none_then_one, NULL);
	kit_end();
	return NULL;
}

static void *
renew_it(void *unused)
{
	(void)unused;
	qpool_renew(kit.pool);
	(void)qpool_maintain(kit.pool);
	return NULL;
}

static void *
renew(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", renew_it, NULL);
	kit_end();
	return NULL;
}

/* Each resource is good for one lease: after every release somebody must open. */
static void *
used_up(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.options.max_uses = 1;
	kit_pool();
	kit_go("a", kit_rounds, KIT_NUMBER(2));
	kit_go("b", kit_rounds, KIT_NUMBER(1));
	kit_go("c", kit_rounds, KIT_NUMBER(1));
	kit_end();
	return NULL;
}

const scene scenes_open[] = {
    {"failing", failing, 2, 1, false},
    {"promote", promote, 0, 1, false},
    {"telling", telling, 1, 1, false},
    {"peer_full", peer_full, 1, 1, false},
    {"down", down, 2, 0, false},
    {"slow_open", slow_open, 2, 0, false},
    {"grow", grow, 0, 1, false},
    {"shrink", shrink, 0, 1, false},
    {"zero", zero, 0, 1, false},
    {"renew", renew, 0, 1, false},
    {"used_up", used_up, 0, 1, false},
    {NULL, NULL, 0, 0, false},
};
