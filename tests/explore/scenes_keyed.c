/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenes of keyed pools: one line over all keys, what is idle of one key makes room for another,
 * keys come and go.
 */
#include "scene.h"

static void *
use(void *key)
{
	qpool_lease lease;

	if (kit_acquire_key(key, QPOOL_FOREVER, &lease) == QPOOL_OK)
		kit_release(&lease);
	return NULL;
}

static void *
use_twice(void *key)
{
	(void)use(key);
	return use(key);
}

static void *
hold(void *key)
{
	qpool_lease lease;

	if (kit_acquire_key(key, QPOOL_FOREVER, &lease) == QPOOL_OK) {
		world_pass(QPOOL_MSEC(1));
		kit_release(&lease);
	}
	return NULL;
}

static void *
use_within(void *key)
{
	qpool_lease lease;

	if (kit_acquire_key(key, QPOOL_MSEC(1), &lease) == QPOOL_OK)
		kit_release(&lease);
	return NULL;
}

/* One place for two keys. */
static void *
keys(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit_keyed_pool();
	kit_go("a", use_twice, KIT_TEXT("x"));
	kit_go("b", use_twice, KIT_TEXT("y"));
	kit_go("c", use, KIT_TEXT("x"));
	kit_end();
	return NULL;
}

/* Somebody holds the only place, and those behind have the same key, another, and little time. */
static void *
keys_wait(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.may = KIT_MAY(QPOOL_ETIMEOUT);
	kit_keyed_pool();
	kit_go("a", hold, KIT_TEXT("x"));
	kit_go("b", use_within, KIT_TEXT("y"));
	kit_go("c", use, KIT_TEXT("x"));
	kit_go("d", use, KIT_TEXT("y"));
	kit_end();
	return NULL;
}

/* Two places, three keys. */
static void *
keys_oust(void *unused)
{
	(void)unused;
	kit_begin(2);
	kit_keyed_pool();
	kit_go("a", use_twice, KIT_TEXT("x"));
	kit_go("b", use_twice, KIT_TEXT("y"));
	kit_go("c", use_twice, KIT_TEXT("z"));
	kit_end();
	return NULL;
}

static void *
keys_fail(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.doubtful = 3;
	kit_keyed_pool();
	kit_go("a", use, KIT_TEXT("x"));
	kit_go("b", use, KIT_TEXT("y"));
	kit_go("c", use, KIT_TEXT("x"));
	kit_end();
	return NULL;
}

static void *
close_for_ever(void *unused)
{
	(void)unused;
	kit_close(QPOOL_FOREVER, QPOOL_OK);
	return NULL;
}

static void *
keys_close(void *unused)
{
	(void)unused;
	kit_begin(1);
	kit.may = KIT_MAY(QPOOL_ECLOSED);
	kit_keyed_pool();
	kit_go("a", use, KIT_TEXT("x"));
	kit_go("b", use, KIT_TEXT("y"));
	kit_go("c", close_for_ever, NULL);
	kit_end();
	return NULL;
}

const scene scenes_keyed[] = {
    {"keys", keys, 0, 1, false},
    {"keys_wait", keys_wait, 2, 0, false},
    {"keys_oust", keys_oust, 0, 1, false},
    {"keys_fail", keys_fail, 2, 1, false},
    {"keys_close", keys_close, 0, 1, false},
    {NULL, NULL, 0, 0, false},
};
