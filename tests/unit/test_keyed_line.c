/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one fair line across keys: shares under a flood, counted by hand-overs and not by time; what closing and
 * opening that costs; who does not wait for whom; deadlines and hooks in it; very many keys.
 */
#include "keyed.h"

#include "core/keyed.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS      5u
#define HANDOVERS 500u
#define MOST_HELD 4u

/* Many wait for "a", one or two for each other key; whoever is served is followed by another one at once. */
typedef struct flood {
	fake *peer;
	qpool_keyed *keyed;
	uint32_t total;
	actor *all;
	unsigned count;
	qpool_lease held[MOST_HELD];
	unsigned served[KEYS];
} flood;

static const char *const names[KEYS] = {"a", "b", "c", "d", "e"};
static const unsigned crowds[KEYS] = {50, 1, 2, 1, 2};

static unsigned
number_of(const char *key)
{
	return (unsigned)(key[0] - 'a');
}

static void
flood_begin(flood *f, uint32_t total, uint32_t max_per_key)
{
	memset(f, 0, sizeof *f);
	f->peer = fake_new();
	f->keyed = keyed_of(f->peer, total, max_per_key);
	f->total = total;
	f->all = calloc(56, sizeof *f->all);
	for (unsigned i = 0; i < total; i++)
		f->held[i] = must_borrow(f->keyed, names[i % KEYS]);
	for (unsigned k = 0; k < KEYS; k++)
		for (unsigned i = 0; i < crowds[k]; i++) {
			actor_acquires_key(&f->all[f->count++], f->keyed, names[k], QPOOL_FOREVER);
			await_key_waiting(f->keyed, names[k], i + 1);
		}
}

/* Who was served by the last release. */
static actor *
served(flood *f)
{
	for (;;) {
		for (unsigned i = 0; i < f->count; i++)
			if (actor_is_done(&f->all[i]))
				return &f->all[i];
		sched_yield();
	}
}

/* Give one back; it, or its place, goes to somebody, who has a successor before the next is given back. */
static void
flood_step(flood *f, unsigned which)
{
	const char *key;
	actor *a;

	qpool_release(&f->held[which]);
	a = served(f);
	assert_int_equal(actor_join(a), QPOOL_OK);
	f->held[which] = a->lease;
	key = a->key;
	f->served[number_of(key)]++;
	actor_acquires_key(a, f->keyed, key, QPOOL_FOREVER);
	await_key_waiting(f->keyed, key, crowds[number_of(key)]);
}

static void
flood_end(flood *f)
{
	assert_int_equal(qpool_keyed_close(f->keyed, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	for (unsigned i = 0; i < f->count; i++)
		assert_int_equal(actor_join(&f->all[i]), QPOOL_ECLOSED);
	for (unsigned i = 0; i < f->total; i++)
		qpool_release(&f->held[i]);
	free(f->all);
	end_keyed(f->keyed, f->peer, f->total);
}

/* No share is further from the even one than the slack and the one in hand. */
static void
shares_are_even(const flood *f)
{
	for (unsigned k = 0; k < KEYS; k++)
		assert_in_range(f->served[k], HANDOVERS / KEYS - (QP_SLACK + 1),
		    HANDOVERS / KEYS + (QP_SLACK + 1));
}

static unsigned
draw(unsigned *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 16;
}

/* In which leases end: the oldest first, or any. */
typedef enum order { IN_TURN, BY_CHANCE } order;

static void
flood_of(uint32_t total, uint32_t max_per_key, order in)
{
	unsigned luck = 1, opens;
	flood f;

	flood_begin(&f, total, max_per_key);
	opens = fake_calls(f.peer, FAKE_OPEN);
	for (unsigned i = 0; i < HANDOVERS; i++)
		flood_step(&f, in == BY_CHANCE ? draw(&luck) % total : i % total);
	opens = fake_calls(f.peer, FAKE_OPEN) - opens;
	print_message("# %u places, %u a key: a %u, b %u, c %u, d %u, e %u; %u opens in %u "
		      "hand-overs\n",
	    total, max_per_key != 0 ? max_per_key : total, f.served[0], f.served[1], f.served[2],
	    f.served[3], f.served[4], opens, HANDOVERS);
	shares_are_even(&f);
	/* A key that has its turn keeps it for SLACK + 1 hand-overs, if it can. */
	assert_true(opens <= HANDOVERS / (QP_SLACK + 1) + KEYS);
	flood_end(&f);
}

static void
a_flood_of_one_key_takes_nothing_from_others(void **state)
{
	(void)state;
	flood_of(1, 0, IN_TURN);
	flood_of(1, 1, IN_TURN);
	for (order in = IN_TURN; in <= BY_CHANCE; in++) {
		flood_of(2, 0, in);
		flood_of(3, 0, in);
		flood_of(4, 0, in);
		flood_of(4, 2, in);
		flood_of(3, 1, in);
		flood_of(4, 1, in);
	}
}

/* It is as old as any other, but was not there: it has its share from now on, and no more. */
static void
who_begins_to_wait_is_not_paid_for_the_past(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "a");
	unsigned late = 0;
	actor a[40], b[20];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		actor_acquires_key(&a[i], keyed, "a", QPOOL_FOREVER);
		await_key_waiting(keyed, "a", i + 1);
	}
	for (unsigned i = 0; i < 20; i++) {
		qpool_release(&held);
		assert_int_equal(actor_join(&a[i]), QPOOL_OK);
		held = a[i].lease;
	}
	for (unsigned i = 0; i < 20; i++) {
		actor_acquires_key(&b[i], keyed, "b", QPOOL_FOREVER);
		await_key_waiting(keyed, "b", i + 1);
	}
	/* Of the next 20 hand-overs b has 10, not 20. */
	for (unsigned i = 0, next = 20; i < 20; i++) {
		qpool_release(&held);
		while (!actor_is_done(&a[next]) && (late == 20 || !actor_is_done(&b[late])))
			sched_yield();
		held = actor_is_done(&a[next]) ? a[next++].lease : b[late++].lease;
	}
	assert_in_range(late, 10 - (QP_SLACK + 1), 10 + (QP_SLACK + 1));
	assert_int_equal(qpool_keyed_close(keyed, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	for (unsigned i = 20; i < 40; i++)
		(void)actor_join(&a[i]);
	for (unsigned i = 0; i < 20; i++)
		(void)actor_join(&b[i]);
	qpool_release(&held);
	end_keyed(keyed, peer, 1);
}

static void
a_newcomer_never_takes_what_another_key_waits_for(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "a"), mine;
	actor b;

	(void)state;
	for (int i = 0; i < 50; i++) {
		actor_acquires_key(&b, keyed, "b", QPOOL_FOREVER);
		await_key_waiting(keyed, "b", 1); /* as young as can be */
		qpool_release(&held);
		assert_int_equal(
		    qpool_keyed_acquire(keyed, "a", QPOOL_NOWAIT, &mine, NULL), QPOOL_EAGAIN);
		assert_int_equal(
		    qpool_keyed_acquire(keyed, "c", QPOOL_NOWAIT, &mine, NULL), QPOOL_EAGAIN);
		assert_int_equal(actor_join(&b), QPOOL_OK);
		qpool_release(&b.lease);
		held = must_borrow(keyed, "a");
	}
	qpool_release(&held);
	end_keyed(keyed, peer, 1);
}

/* A head that was woken to look, and does not come to it, keeps its key's idle one from another key. */
static void
a_head_that_is_slow_to_look_is_not_robbed_by_another_key(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "a"), mine;
	actor a, b;

	(void)state;
	actor_acquires_key(&a, keyed, "a", QPOOL_FOREVER);
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	qpool_release(&held); /* alone and young: woken to look, but it does not run */
	assert_int_equal(qpool_keyed_acquire(keyed, "b", QPOOL_NOWAIT, &mine, NULL), QPOOL_EAGAIN);
	actor_acquires_key(&b, keyed, "b", QPOOL_FOREVER); /* with two keys it is a transfer */
	await_key_waiting(keyed, "b", 1);
	assert_int_equal(stats_of_key(keyed, "a").waiting, 0);
	qp_testing_hold(false);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	assert_int_equal(actor_join(&b), QPOOL_OK);
	qpool_release(&b.lease);
	end_keyed(keyed, peer, 1);
}

/* And a newcomer of the same key may pass it, as in any pool. */
static void
inside_a_key_the_line_is_as_ever(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "a"), mine;
	actor a;

	(void)state;
	actor_acquires_key(&a, keyed, "a", QPOOL_FOREVER);
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	qpool_release(&held);
	mine = must_borrow(keyed, "a");
	qp_testing_hold(false);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(1250000);
	qpool_release(&mine); /* now it is old: a transfer */
	assert_int_equal(qpool_keyed_acquire(keyed, "a", QPOOL_NOWAIT, &mine, NULL), QPOOL_EAGAIN);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_keyed(keyed, peer, 1);
}

static void
who_waits_for_its_own_limit_holds_up_nobody(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 1);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b");
	actor wait_a, wait_c;

	(void)state;
	actor_acquires_key(&wait_a, keyed, "a", QPOOL_FOREVER);
	await_key_waiting(keyed, "a", 1);
	actor_acquires_key(&wait_c, keyed, "c", QPOOL_FOREVER);
	await_key_waiting(keyed, "c", 1);
	qpool_release(&b); /* a is first, but may have no second one */
	assert_int_equal(actor_join(&wait_c), QPOOL_OK);
	assert_false(actor_is_done(&wait_a));
	qpool_release(&a);
	assert_int_equal(actor_join(&wait_a), QPOOL_OK);
	qpool_release(&wait_a.lease);
	qpool_release(&wait_c.lease);
	assert_keyed_whole(keyed);
	end_keyed(keyed, peer, 2);
}

static void
a_timeout_in_line_passes_the_place_on(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "a");
	actor late, next;

	(void)state;
	for (int i = 0; i < 50; i++) {
		actor_acquires_key(&late, keyed, "b", QPOOL_SEC(1));
		await_key_waiting(keyed, "b", 1);
		actor_acquires_key(&next, keyed, "c", QPOOL_FOREVER);
		await_key_waiting(keyed, "c", 1);
		qp_testing_clock_advance(QPOOL_SEC(1));
		qpool_release(&held); /* crosses the timeout of the first */
		assert_int_equal(actor_join(&late), QPOOL_ETIMEOUT);
		assert_int_equal(actor_join(&next), QPOOL_OK);
		held = next.lease;
	}
	qpool_release(&held);
	assert_keyed_whole(keyed);
	end_keyed(keyed, peer, 1);
}

static int
say_stop(void *user)
{
	return *(int *)user;
}

static void
an_interrupt_ends_the_wait_and_the_key(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "a");
	qpool_request request = qpool_request_init();
	int stop = 1;
	actor b;

	(void)state;
	request.timeout = QPOOL_FOREVER;
	request.interrupted = say_stop;
	request.interrupt_user = &stop;
	request.interrupt_every = QPOOL_SEC(1);
	actor_acquires_key_with(&b, keyed, "b", &request);
	qp_testing_await_parked(1);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 2);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&b), QPOOL_ECANCEL);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 1);
	assert_int_equal(stats_of_key(keyed, NULL).cancels, 1); /* of a key that is gone */
	qpool_release(&held);
	end_keyed(keyed, peer, 1);
}

/* The refused one is asked for again after its pause, the others never wait for it. */
static void
a_failing_key_in_line_delays_nobody(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "good");
	actor bad, good;

	(void)state;
	fake_refuse(peer, "bad", QPOOL_EOPEN);
	actor_acquires_key(&bad, keyed, "bad", QPOOL_SEC(4));
	await_key_waiting(keyed, "bad", 1);
	actor_acquires_key(&good, keyed, "good", QPOOL_FOREVER);
	await_key_waiting(keyed, "good", 1);
	qpool_release(&held);
	assert_int_equal(actor_join(&good), QPOOL_OK); /* no time has passed */
	while (!actor_is_done(&bad)) {
		while (qp_testing_parked() == 0 && !actor_is_done(&bad))
			sched_yield();
		qp_testing_clock_advance(QPOOL_MSEC(100));
	}
	assert_int_equal(actor_join(&bad), QPOOL_ETIMEOUT);
	qpool_release(&good.lease);
	end_keyed(keyed, peer, 1);
}

static void
who_waits_for_a_place_still_fails_when_its_key_is_hopeless(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held, lease;
	qpool_error error;
	actor bad;

	(void)state;
	fake_refuse(peer, "bad", QPOOL_EOPEN);
	assert_int_equal(
	    qpool_keyed_acquire(keyed, "bad", QPOOL_NOWAIT, &lease, &error), QPOOL_EOPEN);
	held = must_borrow(keyed, "good");
	actor_acquires_key(&bad, keyed, "bad", QPOOL_FOREVER);
	for (int i = 0; i < 60 && !actor_is_done(&bad); i++) {
		while (qp_testing_parked() == 0 && !actor_is_done(&bad))
			sched_yield();
		qp_testing_clock_advance(QPOOL_MSEC(100));
	}
	assert_int_equal(actor_join(&bad), QPOOL_EOPEN); /* after down_after, 5 s */
	qpool_release(&held);
	end_keyed(keyed, peer, 1);
}

/* Whoever comes to be the head keeps the time from then on. */
static void
so_does_who_becomes_the_head_meanwhile(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held, lease;
	actor first, second;

	(void)state;
	fake_refuse(peer, "bad", QPOOL_EOPEN);
	assert_int_equal(
	    qpool_keyed_acquire(keyed, "bad", QPOOL_NOWAIT, &lease, NULL), QPOOL_EOPEN);
	held = must_borrow(keyed, "good");
	actor_acquires_key(&first, keyed, "bad", QPOOL_SEC(1));
	await_key_waiting(keyed, "bad", 1);
	actor_acquires_key(&second, keyed, "bad", QPOOL_FOREVER);
	await_key_waiting(keyed, "bad", 2);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&first), QPOOL_ETIMEOUT);
	qp_testing_await_parked(1);
	/* Woken by the one that left, it sleeps no longer than until down_after. */
	assert_true(qp_testing_next_deadline() <= QPOOL_SEC(1005));
	qp_testing_clock_advance(QPOOL_SEC(4));
	assert_int_equal(actor_join(&second), QPOOL_EOPEN);
	qpool_release(&held);
	end_keyed(keyed, peer, 1);
}

/* ---- many keys ---- */

static void
very_many_keys_share_a_few_places(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_stats s;
	qpool_keyed *keyed;
	char key[16];

	(void)state;
	o.max_size = 100;
	keyed = keyed_of_with(peer, fake_ops_plain(), &o, 0);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 20000; i++) {
			qpool_lease lease;
			snprintf(key, sizeof key, "tenant %u", i);
			lease = must_borrow(keyed, key);
			qpool_release(&lease);
		}
	s = stats_of_key(keyed, NULL);
	assert_int_equal(s.acquires, 40000);
	assert_int_equal(s.idle, 100);
	assert_int_equal(s.keys, 100);
	assert_int_equal(s.closes[QPOOL_WHY_SHRUNK], 39900);
	/* What there is is bounded by the most keys there were at once: 100, and the one that comes. */
	assert_true(keyed->count <= 101);
	end_keyed(keyed, peer, 100);
}

/* Every key has a lease at once. */
static void
ten_thousand_keys_at_once(void **state)
{
	enum { MANY = 10000 };
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease *all = calloc(MANY, sizeof *all);
	qpool_keyed *keyed;
	char key[16];

	(void)state;
	o.max_size = MANY;
	keyed = keyed_of_with(peer, fake_ops_plain(), &o, 1);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < MANY; i++) {
			snprintf(key, sizeof key, "host %u", i);
			all[i] = must_borrow(keyed, key);
		}
		assert_int_equal(stats_of_key(keyed, NULL).keys, MANY);
		for (unsigned i = 0; i < MANY; i++)
			qpool_discard(&all[i]);
		assert_int_equal(stats_of_key(keyed, NULL).keys, 0);
	}
	assert_int_equal(keyed->count, MANY);
	print_message("# a key takes %zu bytes, and %zu for its first slots\n", sizeof(qp_member),
	    qp_chunk_bytes(1u << QP_CHUNK_SHIFT_KEY, QP_HAS_KINS));
	free(all);
	end_keyed(keyed, peer, MANY);
}

/* As many as there are threads wait at once, each for a key of its own; each is served once, in order. */
static void
many_keys_in_line_are_served_in_turn(void **state)
{
	enum { MANY = 300 };
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "first");
	actor *all = calloc(MANY, sizeof *all);
	char(*keys)[16] = calloc(MANY, sizeof *keys);

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(keys[i], sizeof keys[i], "host %u", i);
		actor_acquires_key(&all[i], keyed, keys[i], QPOOL_FOREVER);
		await_key_waiting(keyed, keys[i], 1);
	}
	assert_int_equal(stats_of_key(keyed, NULL).keys, MANY + 1);
	assert_int_equal(stats_of_key(keyed, NULL).waiting_peak, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		qpool_release(&held);
		assert_int_equal(actor_join(&all[i]), QPOOL_OK);
		held = all[i].lease;
	}
	qpool_release(&held);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 1);
	assert_int_equal(stats_of_key(keyed, NULL).waiting, 0);
	free(all);
	free(keys);
	end_keyed(keyed, peer, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_flood_of_one_key_takes_nothing_from_others),
	    VIRTUAL(who_begins_to_wait_is_not_paid_for_the_past),
	    VIRTUAL(a_newcomer_never_takes_what_another_key_waits_for),
	    VIRTUAL(a_head_that_is_slow_to_look_is_not_robbed_by_another_key),
	    VIRTUAL(inside_a_key_the_line_is_as_ever),
	    VIRTUAL(who_waits_for_its_own_limit_holds_up_nobody),
	    VIRTUAL(a_timeout_in_line_passes_the_place_on),
	    VIRTUAL(an_interrupt_ends_the_wait_and_the_key),
	    VIRTUAL(a_failing_key_in_line_delays_nobody),
	    VIRTUAL(who_waits_for_a_place_still_fails_when_its_key_is_hopeless),
	    VIRTUAL(so_does_who_becomes_the_head_meanwhile),
	    VIRTUAL(very_many_keys_share_a_few_places),
	    VIRTUAL(ten_thousand_keys_at_once),
	    VIRTUAL(many_keys_in_line_are_served_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
