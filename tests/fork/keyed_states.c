/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed_states: where a keyed pool may stand when its process forks: quiet, or with other threads anywhere in it.
 */
#include "cell.h"
#include "core/keyed.h"
#include "keyed_scene.h"

#include <limits.h>
#include <sched.h>

/* ---- quiet ---- */

static void
fresh(keyed_scene *s)
{
	keyed_forks(s);
}

static void
idle(keyed_scene *s)
{
	keyed_warm(s, "abcd");
	keyed_forks(s);
}

/* Members of keys that are gone, too. */
static void
lent(keyed_scene *s)
{
	keyed_warm(s, "abcd");
	keyed_warm(s, "efgh");
	keyed_warm(s, "ab");
	s->lease = keyed_take(s, "a");
	keyed_forks(s);
}

static void
all_lent(keyed_scene *s)
{
	static const char *const keys[] = {"a", "b", "c"};

	s->lease = keyed_take(s, "a");
	for (unsigned i = 0; i < 3; i++)
		s->more[i] = keyed_take(s, keys[i]);
	keyed_forks(s);
}

/* All of the places that one key may have. */
static void
key_lent_out(keyed_scene *s)
{
	keyed_warm(s, "d");
	s->lease = keyed_take(s, "a");
	for (unsigned i = 1; i < KEYED_PER_KEY; i++)
		s->more[i] = keyed_take(s, "a");
	keyed_forks(s);
}

/* A key whose opens failed is remembered. */
static void
resting(keyed_scene *s)
{
	qpool_lease none;
	qpool_error error;

	keyed_warm(s, "bc");
	atomic_store(&s->peer.failing[WIRE_OPEN], UINT_MAX); /* however short the pause is drawn */
	CELL_MUST(qpool_keyed_acquire(s->keyed, "a", QPOOL_MSEC(1), &none, &error) != QPOOL_OK);
	atomic_store(&s->peer.failing[WIRE_OPEN], 0);
	keyed_forks(s);
}

static void
closed(keyed_scene *s)
{
	keyed_warm(s, "ab");
	CELL_SAME(qpool_keyed_close(s->keyed, QPOOL_SEC(20)), QPOOL_OK);
	s->is_closed = true;
	keyed_forks(s);
}

static void
after_closed(keyed_scene *s)
{
	qpool_keyed_free(s->keyed);
	s->keyed = NULL;
}

/* ---- other threads ---- */

static void
take_and_give(keyed_scene *s, const char *key)
{
	qpool_lease lease = keyed_take(s, key);

	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

static void *
uses_a(void *argument)
{
	take_and_give(argument, "a");
	return NULL;
}

static void *
uses_b(void *argument)
{
	take_and_give(argument, "b");
	return NULL;
}

static void *
uses_new(void *argument)
{
	take_and_give(argument, "late");
	return NULL;
}

static void *
discards_a(void *argument)
{
	qpool_lease lease = keyed_take(argument, "a");

	CELL_SAME(qpool_discard(&lease), QPOOL_OK);
	return NULL;
}

static void *
holds(void *argument)
{
	keyed_scene *s = argument;
	qpool_lease lease = keyed_take(s, "a");

	atomic_fetch_add(&s->told, 1);
	keyed_await_told(s, 100);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	return NULL;
}

static void
lent_to_another(keyed_scene *s)
{
	keyed_warm(s, "bc");
	s->lease = keyed_take(s, "a");
	keyed_actor(s, holds);
	keyed_actor(s, holds);
	keyed_await_told(s, 2);
	keyed_forks(s);
}

static void
after_told(keyed_scene *s)
{
	atomic_store(&s->told, 100);
}

/* Another thread stands inside this step, and something is idle beside it, or lent to the one that forks. */
static void
stands_in(keyed_scene *s, wire_step step, void *(*body)(void *))
{
	wire_shut(&s->peer, step);
	keyed_actor(s, body);
	wire_await(&s->peer, step, 1);
	atomic_store(&s->peer.shut[step], 0);
	keyed_forks(s);
}

static void
opening(keyed_scene *s)
{
	keyed_warm(s, "bc");
	s->lease = keyed_take(s, "b");
	stands_in(s, WIRE_OPEN, uses_a);
}

static void
describing(keyed_scene *s)
{
	keyed_warm(s, "bc");
	stands_in(s, WIRE_DESCRIBE, uses_a);
}

/* Every place is taken: for the new key another one's is closed, and then it opens. */
static void
closing_for_another(keyed_scene *s)
{
	keyed_warm(s, "abcd");
	s->lease = keyed_take(s, "b");
	stands_in(s, WIRE_CLOSE, uses_new);
}

static void
opening_for_another(keyed_scene *s)
{
	keyed_warm(s, "abcd");
	s->lease = keyed_take(s, "b");
	stands_in(s, WIRE_OPEN, uses_new);
}

static void
peeking(keyed_scene *s)
{
	keyed_warm(s, "abc");
	stands_in(s, WIRE_PEEK, uses_a);
}

static void
checking(keyed_scene *s)
{
	s->options.check_after = QPOOL_ZERO;
	keyed_another_pool(s);
	keyed_warm(s, "abc");
	stands_in(s, WIRE_CHECK, uses_a);
}

static void
resetting(keyed_scene *s)
{
	keyed_warm(s, "bc");
	stands_in(s, WIRE_RESET, uses_a);
}

static void
closing_one(keyed_scene *s)
{
	keyed_warm(s, "abc");
	stands_in(s, WIRE_CLOSE, discards_a);
}

static void
after_step(keyed_scene *s)
{
	for (unsigned step = 0; step < WIRE_STEPS; step++)
		wire_open(&s->peer, step);
}

static void
waiters(keyed_scene *s)
{
	qpool_stats now = qpool_stats_init();

	s->lease = keyed_take(s, "a");
	s->more[0] = keyed_take(s, "a");
	s->more[1] = keyed_take(s, "b");
	s->more[2] = keyed_take(s, "c");
	keyed_actor(s, uses_a);
	keyed_actor(s, uses_b);
	keyed_actor(s, uses_new);
	while (now.waiting < 3)
		qpool_keyed_get_stats(s->keyed, NULL, &now);
	keyed_forks(s);
	if (s->child == 0)
		return;
	for (unsigned i = 0; i < KEYED_TOTAL; i++)
		keyed_end(&s->more[i], qpool_release);
}

static void *
closes(void *argument)
{
	keyed_scene *s = argument;

	CELL_SAME(qpool_keyed_close(s->keyed, QPOOL_SEC(20)), QPOOL_OK);
	return NULL;
}

static bool
is_closing(qpool_keyed *keyed)
{
	bool closing;

	qp_pool_lock(&keyed->root);
	closing = keyed->root.closing && keyed->root.watchers > 0;
	qp_pool_unlock(&keyed->root, NULL);
	return closing;
}

static void
closing(keyed_scene *s)
{
	keyed_warm(s, "abc");
	s->lease = keyed_take(s, "a");
	keyed_actor(s, closes);
	while (!is_closing(s->keyed))
		(void)sched_yield();
	s->is_closed = true;
	keyed_forks(s);
}

static void
after_closing(keyed_scene *s)
{
	CELL_SAME(qpool_release(&s->lease), QPOOL_OK);
	CELL_SAME(pthread_join(s->actors[--s->count], NULL), 0);
	after_closed(s);
}

/* In the middle of anything: what leads to the members is torn. */
static void *
keeps_the_lock(void *argument)
{
	keyed_scene *s = argument;
	qpool_keyed *keyed = s->keyed, kept;

	qp_pool_lock(&keyed->root);
	kept = *keyed;
	memset(&keyed->family.own, 0xa5, sizeof keyed->family.own);
	memset(&keyed->family.place, 0xa5, sizeof keyed->family.place);
	memset(&keyed->family.idle, 0xa5, sizeof keyed->family.idle);
	keyed->family.used = keyed->family.ousted = 0xa5a5a5a5;
	keyed->keys.level = keyed->keys.split = keyed->keys.count = 0xa5;
	memset(keyed->keys.first, 0xa5, sizeof keyed->keys.first);
	keyed->live = keyed->strays = keyed->rests = keyed->count = 0xa5a5a5a5;
	memset(&keyed->spares, 0xa5, sizeof(void *));
	memset(&keyed->first_rest, 0xa5, sizeof(void *));
	memset(&keyed->last_rest, 0xa5, sizeof(void *));
	atomic_store(&s->told, 1);
	keyed_await_told(s, 100);
	keyed->family = kept.family;
	keyed->keys = kept.keys;
	keyed->live = kept.live;
	keyed->strays = kept.strays;
	keyed->rests = kept.rests;
	keyed->count = kept.count;
	keyed->spares = kept.spares;
	keyed->first_rest = kept.first_rest;
	keyed->last_rest = kept.last_rest;
	qp_pool_unlock(&keyed->root, NULL);
	return NULL;
}

static void
locked(keyed_scene *s)
{
	keyed_warm(s, "abcd");
	keyed_warm(s, "efgh");
	keyed_warm(s, "ab");
	s->lease = keyed_take(s, "a");
	keyed_actor(s, keeps_the_lock);
	keyed_await_told(s, 1);
	keyed_forks(s);
}

const keyed_state keyed_states[] = {
    {"never used", fresh, NULL},
    {"idle", idle, NULL},
    {"lent", lent, NULL},
    {"all lent", all_lent, NULL},
    {"all of a key lent", key_lent_out, NULL},
    {"resting", resting, NULL},
    {"closed", closed, after_closed},
    {"lent to others", lent_to_another, after_told},
    {"opening", opening, after_step},
    {"describing", describing, after_step},
    {"closing for another", closing_for_another, after_step},
    {"opening for another", opening_for_another, after_step},
    {"peeking", peeking, after_step},
    {"checking", checking, after_step},
    {"resetting", resetting, after_step},
    {"closing one", closing_one, after_step},
    {"waiters", waiters, NULL},
    {"closing", closing, after_closing},
    {"locked", locked, after_told},
};
const size_t keyed_states_count = sizeof keyed_states / sizeof keyed_states[0];
