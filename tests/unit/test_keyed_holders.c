/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an acquire of a keyed pool that has timed out says of holders: while it waited for a place, those of all
 * keys, each other one with its key; while it waited for its own key's limit, those of that key.
 */
#include "keyed.h"

#include <stdio.h>
#include <stdlib.h>

static qpool_lease
take(qpool_keyed *keyed, const char *key, const char *site, const char *label)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease;

	request.timeout = QPOOL_FOREVER;
	request.site = site;
	request.label = label;
	assert_int_equal(qpool_keyed_acquire_with(keyed, key, &request, &lease, NULL), QPOOL_OK);
	return lease;
}

/* Of another thread, which waits two seconds. */
static qpool_error
time_out(qpool_keyed *keyed, const char *key)
{
	actor a;

	actor_acquires_key(&a, keyed, key, QPOOL_SEC(2));
	await_key_waiting(keyed, key, 1);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(2));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	return a.error;
}

#define BASE(key, total)                                                           \
	"none came free: pool 'fake/" key "' gave nothing within 2 s: 0 of " total \
	" lent, 0 open, "                                                          \
	"0 opening, 0 more wait; all keys: " total " of " total " places taken, 0 more wait"

static void
holders_of_other_keys_are_named_with_their_key(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_lease a = take(keyed, "a", "src/worker.c:88", "import"), b;

	(void)state;
	qp_testing_clock_advance(QPOOL_SEC(10));
	b = take(keyed, "b\n", "b.c:2", NULL);
	assert_string_equal(time_out(keyed, "c").message,
	    BASE(
		"c", "2") "; held 12 s by worker.c:88 (import) under 'a', 2 s by b.c:2 under 'b?'");
	/* Given back and taken again, it is the last. */
	qpool_release(&a);
	a = take(keyed, "a", "a.c:1", NULL);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_string_equal(time_out(keyed, "c").message,
	    BASE("c", "2") "; held 5 s by b.c:2 under 'b?', 3 s by a.c:1 under 'a'");
	qpool_release(&a);
	qpool_release(&b);
	end_keyed(keyed, peer, 2);
}

/* Its own key's are among them, and say no key; one that was lent, and is idle or gone, is not named. */
static void
its_own_are_among_them(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 3, 2);
	qpool_lease leases[3] = {take(keyed, "b", "b.c:1", NULL), take(keyed, "a", "a.c:1", NULL),
	    take(keyed, "c", "c.c:1", NULL)};
	qpool_error error;

	(void)state;
	qpool_discard(&leases[2]);
	leases[2] = take(keyed, "b", "b.c:2", NULL);
	error = time_out(keyed, "a");
	assert_non_null(strstr(error.message, "'fake/a' gave nothing within 2 s: 1 of 2 lent"));
	assert_string_equal(strstr(error.message, "; held "),
	    "; held 2 s by b.c:1 under 'b', 2 s by a.c:1, 2 s by b.c:2 under 'b'");
	for (unsigned i = 0; i < 3; i++)
		qpool_release(&leases[i]);
	end_keyed(keyed, peer, 3);
}

static void
who_waits_for_its_own_limit_is_told_of_its_own_key(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 1);
	qpool_lease b = take(keyed, "b", "b.c:1", NULL), a = take(keyed, "a", "a.c:1", NULL);

	(void)state;
	assert_string_equal(strstr(time_out(keyed, "a").message, "; all keys"),
	    "; all keys: 2 of 2 places taken, 0 more wait; held 2 s by a.c:1");
	qpool_release(&a);
	qpool_release(&b);
	end_keyed(keyed, peer, 2);
}

/* With a key it holds, it waits for another one: for itself, and nobody else would tell. */
static void *
pass_time(void *keyed)
{
	await_key_waiting(keyed, "b", 1);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(2));
	return NULL;
}

static void
who_holds_another_keys_waits_for_itself(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease mine = take(keyed, "a", "x.c:10", NULL), none;
	qpool_error error;
	pthread_t other;

	(void)state;
	actor_runs(&other, pass_time, keyed);
	assert_int_equal(
	    qpool_keyed_acquire(keyed, "b", QPOOL_SEC(2), &none, &error), QPOOL_ETIMEOUT);
	pthread_join(other, NULL);
	assert_string_equal(
	    error.message, BASE("b", "1") "; this thread itself holds 1 of them: x.c:10 under 'a'");
	qpool_release(&mine);
	end_keyed(keyed, peer, 1);
}

/* A key of the longest leaves room for the rest, and the longest of many are found. */
static void
the_longest_of_many_keys_are_found(void **state)
{
	enum { MANY = 300 };
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, MANY, 0);
	qpool_lease *leases = calloc(MANY, sizeof *leases);
	char long_key[201], key[16];
	qpool_error error;
	const char *at;

	(void)state;
	assert_non_null(leases);
	memset(long_key, 'k', 200);
	long_key[200] = '\0';
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof key, "%u", i);
		leases[i] = take(keyed, i == MANY - 1 ? long_key : key, "old.c:1", NULL);
	}
	qp_testing_clock_advance(QPOOL_SEC(10));
	for (unsigned i = 0; i < MANY - 1; i++) { /* all but one are lent anew */
		(void)snprintf(key, sizeof key, "%u", i);
		qpool_release(&leases[i]);
		leases[i] = take(keyed, key, "new.c:1", NULL);
	}
	error = time_out(keyed, "x");
	at = strstr(
	    error.message, "; held 12 s by old.c:1 under 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk'");
	assert_non_null(at);
	assert_non_null(strstr(at, " and 299 more"));
	for (unsigned i = 0; i < MANY; i++)
		qpool_release(&leases[i]);
	free(leases);
	end_keyed(keyed, peer, MANY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(holders_of_other_keys_are_named_with_their_key),
	    VIRTUAL(its_own_are_among_them),
	    VIRTUAL(who_waits_for_its_own_limit_is_told_of_its_own_key),
	    VIRTUAL(who_holds_another_keys_waits_for_itself),
	    VIRTUAL(the_longest_of_many_keys_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
