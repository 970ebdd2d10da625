/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_keyed_end: keyed pools that end while they are used.  Closed under load by several at once, freed with leases
 * out and people in line, made and unmade by the thousand; with keys that come and go, rest after failed opens, and
 * oust one another meanwhile.  Each cell repeats one small life, drawn by the seed, until its time is over.
 */
#include "actor.h"
#include "cell.h"
#include "chance.h"
#include "fake.h"
#include "lives.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#define GUESTS 6u
#define KEYS   5u

typedef struct inn inn;

typedef struct guest {
	inn *in;
	pthread_t thread;
	chance luck;
	bool has_left; /* atomic: will not name the keyed pool any more */
	qpool_lease lease;
} guest;

struct inn {
	fake *peer;
	qpool_keyed *keyed;
	chance luck;
	uint32_t total;
	bool fails;
	bool leave; /* atomic: take no more */
	bool go;    /* atomic: end what you hold, now */
	unsigned count;
	guest guests[GUESTS];
};

static void
open_inn(inn *h, uint64_t seed)
{
	qpool_options o = qpool_options_init();
	uint32_t per_key;
	qpool_ops ops;
	qpool_error error;

	memset(h, 0, sizeof *h);
	h->luck = chance_stream(seed, 0);
	h->peer = fake_new();
	ops = chance_one_in(&h->luck, 2) ? fake_ops() : fake_ops_plain();
	h->total = o.max_size = 1 + chance_upto(&h->luck, 4);
	per_key = chance_upto(&h->luck, o.max_size + 1);
	o.max_uses = chance_one_in(&h->luck, 2) ? 2 : 0;
	o.max_overtake = chance_one_in(&h->luck, 2) ? QPOOL_ZERO : 0;
	o.retry_min = 100000;
	o.retry_max = 1000000;
	fake_watch_keys(h->peer, per_key != 0 ? per_key : o.max_size);
	h->fails = chance_one_in(&h->luck, 3);
	if (h->fails)
		fake_fail_one_in(h->peer, 5, seed);
	if (qpool_keyed_create(&h->keyed, &o, per_key, &ops, h->peer, &error) != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error.message);
}

static void
invite(inn *h, void *(*live)(void *), uint64_t seed)
{
	h->count = 2 + chance_upto(&h->luck, GUESTS - 1);
	for (unsigned i = 0; i < h->count; i++) {
		guest *g = &h->guests[i];
		g->in = h;
		g->luck = chance_stream(seed, 1 + i);
		actor_runs(&g->thread, live, g);
	}
}

static void
join_all(inn *h)
{
	for (unsigned i = 0; i < h->count; i++)
		pthread_join(h->guests[i].thread, NULL);
}

/* Mostly of a few keys, now and then of one that nobody else asks for. */
static qpool_err
borrow(guest *g, qpool_nsec timeout)
{
	char key[32];
	qpool_err err;

	if (chance_one_in(&g->luck, 4))
		(void)snprintf(key, sizeof key, "stranger %u", chance_upto(&g->luck, 1000));
	else
		(void)snprintf(key, sizeof key, "key %u", chance_upto(&g->luck, KEYS));
	err = qpool_keyed_acquire(g->in->keyed, key, timeout, &g->lease, NULL);
	if (err != QPOOL_OK)
		return err;
	CELL_SAME(strcmp(fake_of(&g->lease)->key, key), 0);
	fake_use(&g->lease);
	fake_unuse(&g->lease);
	return err;
}

static void
end_somehow(guest *g)
{
	qpool_lease copy = g->lease;

	if (g->lease.resource == NULL)
		return;
	if (chance_one_in(&g->luck, 4))
		CELL_SAME(qpool_discard(&g->lease), QPOOL_OK);
	else
		CELL_SAME(qpool_release(&g->lease), QPOOL_OK);
	/* While it is not freed, nor about to be, a lease of it may be ended twice. */
	if (!lives_is_set(&g->in->leave) && chance_one_in(&g->luck, 4))
		CELL_SAME(qpool_release(&copy), QPOOL_EMISUSE);
}

/* ---- looking on ---- */

static bool
see(void *user, const qpool_entry *entry)
{
	CELL_MUST(entry->key != NULL);
	return !chance_one_in(user, 10);
}

static void
meddle(guest *g)
{
	qpool_keyed *keyed = g->in->keyed;
	qpool_stats s;

	switch (chance_upto(&g->luck, 5)) {
	case 0:
		qpool_keyed_renew(keyed, chance_one_in(&g->luck, 2) ? NULL : "key 1");
		break;
	case 1:
		qpool_keyed_suspect(keyed, NULL);
		break;
	case 2:
		(void)qpool_keyed_maintain(keyed);
		break;
	case 3:
		(void)qpool_keyed_each(keyed, see, &g->luck);
		break;
	default:
		s = stats_of_key(keyed, NULL);
		CELL_SAME(
		    s.empty + s.opening + s.idle + s.checking + s.leased + s.resetting + s.closing,
		    g->in->total);
		break;
	}
}

/* ---- closed under load ---- */

static void *
stays_until_closed(void *argument)
{
	guest *g = argument;
	qpool_err err;

	do {
		/* Who asks for ever is served, or told that it closes: it is no failing key's. */
		qpool_nsec timeout = chance_one_in(&g->luck, 2) && !g->in->fails
		                         ? QPOOL_FOREVER
		                         : 1 + chance_upto(&g->luck, 300000);
		err = borrow(g, timeout);
		CELL_MUST(err == QPOOL_OK || err == QPOOL_ECLOSED ||
			  (err == QPOOL_ETIMEOUT && timeout != QPOOL_FOREVER));
		lives_spin(&g->luck, 20);
		end_somehow(g);
		if (chance_one_in(&g->luck, 8))
			meddle(g);
	} while (err != QPOOL_ECLOSED);
	return NULL;
}

static void *
closes_too(void *argument)
{
	inn *h = argument;

	CELL_SAME(qpool_keyed_close(h->keyed, QPOOL_FOREVER), QPOOL_OK);
	/* From here on nothing of the pool's runs. */
	CELL_SAME(fake_live(h->peer), 0);
	CELL_SAME(fake_calls(h->peer, FAKE_DESTROY), 1);
	return NULL;
}

static void
must_be_whole(const inn *h)
{
	qpool_stats s = stats_of_key(h->keyed, NULL);
	uint64_t left = s.opens;

	CELL_SAME(s.empty, h->total);
	CELL_SAME(s.waiting, 0);
	CELL_SAME(s.keys, 0);
	for (unsigned why = 0; why < 16; why++)
		left -= s.closes[why];
	CELL_SAME(left, 0);
}

static void
closed_under_load(uint64_t seed)
{
	static inn h;
	pthread_t other;
	qpool_err err;

	open_inn(&h, seed);
	invite(&h, stays_until_closed, seed);
	lives_spin(&h.luck, 300);
	err = qpool_keyed_close(h.keyed, chance_upto(&h.luck, 100000));
	CELL_MUST(err == QPOOL_OK || err == QPOOL_ETIMEOUT);
	actor_runs(&other, closes_too, &h);
	(void)closes_too(&h);
	pthread_join(other, NULL);
	join_all(&h);
	must_be_whole(&h);
	CELL_MUST(fake_live_peak(h.peer) <= h.total);
	qpool_keyed_free(h.keyed);
	fake_end(h.peer);
}

/* ---- freed under load ---- */

/* Comes and goes; when told to leave keeps the lease it has, says so, and ends it when the pool is freed. */
static void *
leaves_with_a_lease(void *argument)
{
	guest *g = argument;

	while (!lives_is_set(&g->in->leave)) {
		qpool_nsec timeout =
		    g->in->fails ? 1 + (qpool_nsec)chance_upto(&g->luck, 300000) : QPOOL_FOREVER;
		qpool_err err;
		end_somehow(g);
		err = borrow(g, timeout);
		CELL_MUST(err == QPOOL_OK || err == QPOOL_ECLOSED ||
			  (err == QPOOL_ETIMEOUT && timeout != QPOOL_FOREVER));
		lives_spin(&g->luck, 10);
	}
	lives_set(&g->has_left);
	while (!lives_is_set(&g->in->go))
		sched_yield();
	if (g->lease.resource != NULL && chance_one_in(&g->luck, 2)) {
		fake_use(&g->lease);
		fake_unuse(&g->lease);
	}
	lives_spin(&g->luck, 50);
	end_somehow(g);
	return NULL;
}

/* Everybody has left or stands in line: nobody will name the pool any more.  Who fails comes back by itself. */
static void
await_that_none_names_it(inn *h)
{
	unsigned left, waiting;

	do {
		sched_yield();
		left = 0;
		for (unsigned i = 0; i < h->count; i++)
			left += lives_is_set(&h->guests[i].has_left);
		waiting = h->fails ? 0 : stats_of_key(h->keyed, NULL).waiting;
	} while (left + waiting < h->count);
}

static void
freed_under_load(uint64_t seed)
{
	static inn h;
	bool free_first;

	open_inn(&h, seed);
	invite(&h, leaves_with_a_lease, seed);
	lives_spin(&h.luck, 300);
	lives_set(&h.leave);
	await_that_none_names_it(&h);
	free_first = chance_one_in(&h.luck, 3);
	if (!free_first)
		lives_set(&h.go);
	if (chance_one_in(&h.luck, 3))
		(void)!qpool_keyed_close(h.keyed, chance_upto(&h.luck, 100000));
	qpool_keyed_free(h.keyed);
	lives_set(&h.go);
	join_all(&h);
	fake_await_destroyed(h.peer);
	CELL_MUST(fake_live_peak(h.peer) <= h.total);
	fake_end(h.peer);
}

/* ---- short lives ---- */

static void
short_life(uint64_t seed)
{
	static inn h;
	qpool_lease leases[2] = {QPOOL_LEASE_INIT, QPOOL_LEASE_INIT};

	open_inn(&h, seed);
	for (unsigned i = 0; i < 2; i++)
		if (chance_one_in(&h.luck, 2))
			(void)!qpool_keyed_acquire(
			    h.keyed, i == 0 ? "a" : "b", QPOOL_MSEC(1), &leases[i], NULL);
	if (chance_one_in(&h.luck, 2))
		CELL_SAME(qpool_release(&leases[0]), QPOOL_OK);
	if (chance_one_in(&h.luck, 2))
		(void)!qpool_keyed_close(h.keyed, QPOOL_NOWAIT);
	qpool_keyed_free(h.keyed);
	for (unsigned i = 0; i < 2; i++)
		CELL_SAME(qpool_release(&leases[i]), QPOOL_OK);
	fake_await_destroyed(h.peer);
	fake_end(h.peer);
}

static const life lives[] = {
    {"closed under load", closed_under_load},
    {"freed under load", freed_under_load},
    {"short lives", short_life},
};

int
main(int argc, char **argv)
{
	return lives_run(lives, sizeof lives / sizeof lives[0], "keyed ends", argc, argv);
}
