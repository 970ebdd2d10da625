/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyed pools from outside their line: renewed, suspected, dumped, entered again from callbacks, cancelled,
 * ended, refused by their peer, and without memory.
 */
#include "keyed.h"

#include "core/keyed.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void
renew_is_of_one_key_or_of_all(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 4, 0);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b");

	(void)state;
	qpool_release(&a);
	qpool_keyed_renew(keyed, "a"); /* idle: at once */
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_RENEWED);
	assert_int_equal(fake_live(peer), 1);
	qpool_keyed_renew(keyed, "nobody");
	qpool_keyed_renew(NULL, "a");
	a = must_borrow(keyed, "a");
	qpool_keyed_renew(keyed, NULL); /* lent: when they come back */
	assert_int_equal(fake_live(peer), 2);
	qpool_release(&a);
	qpool_release(&b);
	assert_int_equal(stats_of_key(keyed, NULL).closes[QPOOL_WHY_RENEWED], 3);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 0);
	a = must_borrow(keyed, "a"); /* what was opened since stays */
	qpool_release(&a);
	assert_int_equal(fake_live(peer), 1);
	end_keyed(keyed, peer, 4);
}

static void
suspect_is_of_one_key_or_of_all(void **state)
{
	static const char *const keys[] = {"a", "b"};
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 4, 0);
	qpool_lease lease;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int k = 0; k < 2; k++) {
			lease = must_borrow(keyed, keys[k]);
			qpool_release(&lease);
		}
		/* Round 0 checks nothing, round 1 a, round 2 both. */
		assert_int_equal(fake_calls(peer, FAKE_CHECK), round == 0 ? 0 : round == 1 ? 1 : 3);
		qpool_keyed_suspect(keyed, round == 0 ? "a" : NULL);
	}
	qpool_keyed_suspect(keyed, "nobody");
	qpool_keyed_suspect(NULL, NULL);
	end_keyed(keyed, peer, 4);
}

/* A place that comes free because of it goes to who waits for one. */
static void
renew_serves_who_waits_for_a_place(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease a = must_borrow(keyed, "a");
	actor b;

	(void)state;
	actor_acquires_key(&b, keyed, "b", QPOOL_FOREVER);
	await_key_waiting(keyed, "b", 1);
	qpool_keyed_renew(keyed, NULL);
	qpool_release(&a);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_RENEWED);
	assert_int_equal(actor_join(&b), QPOOL_OK);
	qpool_release(&b.lease);
	end_keyed(keyed, peer, 1);
}

static void
dumped(const qpool_keyed *keyed, char *text, size_t room)
{
	ssize_t length;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	qpool_keyed_dump(keyed, ends[1]);
	close(ends[1]);
	length = read(ends[0], text, room - 1);
	assert_true(length >= 0);
	text[length] = '\0';
	close(ends[0]);
}

static void
the_dump_shows_all_and_each_key(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 4, 2);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b"), lease;
	char text[4096];

	(void)state;
	qpool_release(&b);
	fake_refuse(peer, "bad", QPOOL_EDENIED);
	assert_int_equal(
	    qpool_keyed_acquire(keyed, "bad", QPOOL_SEC(1), &lease, NULL), QPOOL_EDENIED);
	dumped(keyed, text, sizeof text);
	assert_ptr_equal(strstr(text, "queuepool 'fake' of kind fake, max_size 4\n"
				      "  2 keys, 2 places taken, 0 waiting\n"),
	    text);
	assert_non_null(strstr(text, "queuepool 'fake/a' of kind fake, max_size 2\n"));
	assert_non_null(strstr(text, "queuepool 'fake/b' of kind fake, max_size 2\n"));
	assert_non_null(strstr(text, "queuepool 'fake/bad' of kind fake, max_size 2\n"));
	assert_non_null(strstr(text, "opening fails: 1 times"));
	dumped(NULL, text, sizeof text);
	assert_string_equal(text, "queuepool: no keyed pool\n");
	qpool_release(&a);
	end_keyed(keyed, peer, 4);
}

static void
hist_and_words_are_the_whole_pools(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b");
	qpool_hist h = qpool_hist_init();

	(void)state;
	assert_int_equal(qpool_get_hist(qpool_of(&a), QPOOL_HIST_OPEN, &h), QPOOL_OK);
	assert_int_equal(h.count, 2);
	assert_ptr_equal(qpool_intern(qpool_of(&a), "label"), qpool_intern(qpool_of(&b), "label"));
	qpool_release(&a);
	qpool_release(&b);
	end_keyed(keyed, peer, 2);
}

static void
what_belongs_to_the_whole_is_misuse_on_one_key(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_options o = qpool_options_init();
	qpool_lease a = must_borrow(keyed, "a");
	qpool *pool = qpool_of(&a);
	qpool_error error;
	int resource;

	(void)state;
	o.max_size = 1;
	assert_int_equal(qpool_configure(pool, &o, &error), QPOOL_EMISUSE);
	assert_int_equal(qpool_adopt(pool, &resource, &error), QPOOL_EMISUSE);
	assert_int_equal(qpool_wait_ready(pool, 1, 0, &error), QPOOL_EMISUSE);
	qpool_pause(pool);
	qpool_resume(pool);
	assert_int_equal(stats_of_key(keyed, NULL).misuses, 5);
	qpool_renew(pool); /* these are fine */
	qpool_suspect(pool);
	qpool_release(&a);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_RENEWED);
	end_keyed(keyed, peer, 2);
}

/* ---- from inside callbacks ---- */

typedef struct inner {
	qpool_keyed *keyed;
	bool busy;
	unsigned tries, lent;
	qpool_err would_wait;
} inner;

/* All verbs, from wherever we are; what would wait or open says so. */
static void
use_it_again(fake *peer, fake_step step, void *argument)
{
	inner *in = argument;
	qpool_lease lease;

	(void)peer;
	(void)step;
	if (in->keyed == NULL || in->busy)
		return;
	in->busy = true;
	in->tries++;
	if (qpool_keyed_acquire(in->keyed, "idle", QPOOL_FOREVER, &lease, NULL) == QPOOL_OK) {
		in->lent++;
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
	}
	in->would_wait = qpool_keyed_acquire(in->keyed, "new", QPOOL_FOREVER, &lease, NULL);
	assert_int_equal(qpool_keyed_close(in->keyed, QPOOL_FOREVER), QPOOL_EMISUSE);
	(void)stats_of_key(in->keyed, NULL);
	(void)qpool_keyed_maintain(in->keyed);
	in->busy = false;
}

/* Who kept it longer than the lease it was asked of: nothing is opened for no key. */
static void
the_pool_of_a_key_that_is_gone_lends_nothing(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_lease lease = must_borrow(keyed, "a");
	qpool *pool = qpool_of(&lease);
	const qpool_nsec timeouts[] = {QPOOL_NOWAIT, QPOOL_SEC(1), QPOOL_FOREVER};
	qpool_error error;

	(void)state;
	qpool_discard(&lease);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(qpool_acquire(pool, timeouts[i], &lease, &error), QPOOL_EMISUSE);
		assert_string_equal(error.message,
		    "this pool of keyed pool 'fake' is of a key that is gone; acquire from the "
		    "keyed pool, by key");
		assert_int_equal(stats_of_key(keyed, NULL).misuses, i + 1);
	}
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1);
	lease = must_borrow(keyed, "b");
	qpool_release(&lease);
	assert_keyed_whole(keyed);
	end_keyed(keyed, peer, 2);
}

static void
every_verb_works_inside_callbacks(void **state)
{
	fake *peer = fake_new();
	inner in = {NULL, false, 0, 0, QPOOL_OK};
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_lease lease = must_borrow(keyed, "idle");
	unsigned tries = 0;

	(void)state;
	qpool_release(&lease);
	in.keyed = keyed;
	for (fake_step step = FAKE_OPEN; step < FAKE_DESTROY; step++) {
		fake_hook_on(peer, step, use_it_again, &in);
		lease = must_borrow(keyed, "a"); /* opens, or looks */
		qpool_release(&lease);
		qp_testing_clock_advance(QPOOL_SEC(31)); /* the next one checks */
		lease = must_borrow(keyed, "a");
		qpool_discard(&lease);
		fake_hook_on(peer, step, NULL, NULL);
		assert_true(in.tries > tries);
		tries = in.tries;
		assert_int_equal(in.would_wait, QPOOL_EMISUSE);
	}
	assert_int_equal(in.lent, in.tries);
	in.keyed = NULL;
	end_keyed(keyed, peer, 2);
}

/* The close of what was ousted may itself borrow, and end the whole. */
static void
free_it(fake *peer, fake_step step, void *argument)
{
	(void)step;
	fake_hook_on(peer, FAKE_CLOSE, NULL, NULL);
	qpool_keyed_free(argument);
}

static void
freed_by_the_close_of_what_was_ousted(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease lease = must_borrow(keyed, "a");
	qpool_error error;

	(void)state;
	qpool_release(&lease);
	fake_hook_on(peer, FAKE_CLOSE, free_it, keyed);
	/* The open had begun: it is lent, and its end ends all. */
	assert_int_equal(qpool_keyed_acquire(keyed, "b", QPOOL_SEC(1), &lease, &error), QPOOL_OK);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 0);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	fake_await_destroyed(peer);
	fake_end(peer);
}

/* ---- cancelled ---- */

static void *
waits_to_be_cancelled(void *argument)
{
	qpool_lease lease;

	(void)!qpool_keyed_acquire(argument, "b", QPOOL_FOREVER, &lease, NULL);
	return NULL;
}

static void
a_cancelled_waiter_passes_its_place_on(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "a");
	pthread_t thread;
	void *end;
	actor c;

	(void)state;
	actor_runs(&thread, waits_to_be_cancelled, keyed);
	qp_testing_await_parked(1);
	actor_acquires_key(&c, keyed, "c", QPOOL_FOREVER);
	qp_testing_await_parked(2);
	assert_int_equal(pthread_cancel(thread), 0);
	assert_int_equal(pthread_join(thread, &end), 0);
	assert_ptr_equal(end, PTHREAD_CANCELED);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 2);
	qpool_release(&held);
	assert_int_equal(actor_join(&c), QPOOL_OK);
	qpool_release(&c.lease);
	assert_keyed_whole(keyed);
	end_keyed(keyed, peer, 1);
}

/* It was handed the place of an idle one, and is cancelled before it closed that. */
static void
a_cancel_crosses_the_place_of_one_that_was_ousted(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease held = must_borrow(keyed, "a");
	pthread_t thread;
	void *end;

	(void)state;
	actor_runs(&thread, waits_to_be_cancelled, keyed);
	qp_testing_await_parked(1);
	qp_testing_hold(true);
	qpool_release(&held);
	assert_int_equal(stats_of_key(keyed, NULL).closing, 1);
	assert_int_equal(pthread_cancel(thread), 0);
	assert_int_equal(pthread_join(thread, &end), 0);
	qp_testing_hold(false);
	assert_ptr_equal(end, PTHREAD_CANCELED);
	assert_int_equal(fake_live(peer), 0);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 0);
	assert_keyed_whole(keyed);
	end_keyed(keyed, peer, 1);
}

/* ---- the end ---- */

static void
close_waits_for_leases_and_refuses_newcomers(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease a = must_borrow(keyed, "a"), lease;
	qpool_error error;
	actor b;

	(void)state;
	actor_acquires_key(&b, keyed, "b", QPOOL_FOREVER);
	await_key_waiting(keyed, "b", 1);
	assert_int_equal(qpool_keyed_close(keyed, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	assert_int_equal(actor_join(&b), QPOOL_ECLOSED);
	assert_int_equal(
	    qpool_keyed_acquire(keyed, "a", QPOOL_NOWAIT, &lease, &error), QPOOL_ECLOSED);
	assert_int_equal(
	    qpool_keyed_acquire(keyed, "z", QPOOL_NOWAIT, &lease, &error), QPOOL_ECLOSED);
	assert_string_equal(error.message, "keyed pool 'fake' is closing or closed");
	qpool_release(&a);
	assert_int_equal(qpool_keyed_close(keyed, QPOOL_NOWAIT), QPOOL_OK);
	assert_int_equal(qpool_keyed_close(keyed, QPOOL_NOWAIT), QPOOL_OK);
	assert_int_equal(qpool_keyed_close(NULL, QPOOL_NOWAIT), QPOOL_EINVAL);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 1);
	end_keyed(keyed, peer, 1);
}

static void
the_last_lease_of_a_freed_one_ends_it(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 3, 0);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b");
	qpool_lease c = must_borrow(keyed, "c");

	(void)state;
	qpool_release(&c);
	qpool_keyed_free(keyed);
	assert_int_equal(fake_live(peer), 2);
	qpool_release(&b);
	assert_int_equal(fake_calls(peer, FAKE_DESTROY), 0);
	qpool_release(&a);
	fake_await_destroyed(peer);
	fake_end(peer);
	qpool_keyed_free(NULL);
}

/* ---- keys whose opens fail ---- */

static void
one_keys_refusal_is_no_other_keys(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_lease lease;
	qpool_error error;

	(void)state;
	fake_refuse(peer, "bad", QPOOL_EDENIED);
	assert_int_equal(
	    qpool_keyed_acquire(keyed, "bad", QPOOL_SEC(9), &lease, &error), QPOOL_EDENIED);
	lease = must_borrow(keyed, "good");
	qpool_release(&lease);
	assert_int_equal(stats_of_key(keyed, "bad").down, 1);
	assert_int_equal(stats_of_key(keyed, "good").down, 0);
	assert_int_equal(stats_of_key(keyed, NULL).down, 1);
	end_keyed(keyed, peer, 2);
}

static void
a_key_remembers_that_it_fails(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_keyed *keyed;
	qpool_lease lease;

	(void)state;
	o.max_size = 2;
	o.retry_min = QPOOL_SEC(3); /* and yet asked after 100 ms */
	keyed = keyed_of_with(peer, fake_ops(), &o, 0);
	fake_refuse(peer, "bad", QPOOL_EDENIED);
	for (int i = 0; i < 10; i++)
		assert_int_equal(
		    qpool_keyed_acquire(keyed, "bad", QPOOL_SEC(9), &lease, NULL), QPOOL_EDENIED);
	assert_true(fake_calls(peer, FAKE_OPEN) < 10); /* the jitter may draw short pauses */
	assert_int_equal(
	    stats_of_key(keyed, NULL).keys, 0); /* it is not there, but not forgotten */
	assert_int_equal(keyed->rests, 1);
	qp_testing_clock_advance(QPOOL_SEC(5));
	lease = must_borrow(keyed, "good"); /* whoever comes cleans up */
	assert_int_equal(keyed->rests, 0);
	assert_int_equal(stats_of_key(keyed, NULL).open_failures + 1, fake_calls(peer, FAKE_OPEN));
	qpool_release(&lease);
	end_keyed(keyed, peer, 2);
}

static void
not_too_many_failures_are_remembered(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_lease lease;
	char key[16];

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EDENIED);
	for (unsigned i = 0; i < QP_KEYED_RESTS + 500; i++) {
		snprintf(key, sizeof key, "%u", i);
		assert_int_equal(
		    qpool_keyed_acquire(keyed, key, QPOOL_SEC(1), &lease, NULL), QPOOL_EDENIED);
	}
	assert_true(keyed->rests <= QP_KEYED_RESTS + 1);
	assert_true(keyed->count <= QP_KEYED_RESTS + 2);
	qp_testing_clock_advance(QPOOL_SEC(6));
	assert_int_equal(qpool_keyed_maintain(keyed), 0);
	assert_int_equal(keyed->rests, 0);
	end_keyed(keyed, peer, 0);
}

/* ---- without memory ---- */

static qpool_err
borrow_many(qpool_keyed *keyed, qpool_lease *leases, unsigned count)
{
	qpool_err err = QPOOL_OK;
	qpool_error error;
	char key[16];

	for (unsigned i = 0; i < count; i++) {
		qpool_err one;
		snprintf(key, sizeof key, "%u", i / 4);
		one = qpool_keyed_acquire(keyed, key, QPOOL_NOWAIT, &leases[i], &error);
		/* More slots of a key there is: one more lease, or not now. */
		assert_true(one == QPOOL_OK || one == QPOOL_ENOMEM || one == QPOOL_EAGAIN);
		if (one == QPOOL_ENOMEM)
			assert_string_equal(
			    error.message, "no memory for one more key of keyed pool 'fake'");
		err = err == QPOOL_OK ? one : err;
	}
	return err;
}

static void
without_memory_an_acquire_fails_and_nothing_is_lost(void **state)
{
	enum { LEASES = 80 };
	qpool_lease leases[LEASES];
	qpool_options o = qpool_options_init();
	bool failed = true;

	(void)state;
	o.max_size = LEASES;
	for (unsigned nth = 1; failed; nth++) {
		fake *peer = fake_new();
		qpool_keyed *keyed = keyed_of_with(peer, fake_ops_plain(), &o, 0);
		qpool_err err;
		qp_testing_fail(QP_FAULT_ALLOC, nth, nth % 2 == 0);
		err = borrow_many(keyed, leases, LEASES);
		failed = qp_testing_calls(QP_FAULT_ALLOC) >= nth;
		qp_testing_fail(QP_FAULT_ALLOC, 1, true); /* the way back wants for nothing */
		assert_true(failed || err == QPOOL_OK);
		for (unsigned i = 0; i < LEASES; i++)
			assert_int_equal(qpool_discard(&leases[i]), QPOOL_OK);
		assert_int_equal(stats_of_key(keyed, NULL).keys, 0);
		qp_testing_fail(QP_FAULT_ALLOC, 0, false);
		assert_int_equal(borrow_many(keyed, leases, LEASES), QPOOL_OK);
		for (unsigned i = 0; i < LEASES; i++)
			qpool_release(&leases[i]);
		assert_keyed_whole(keyed);
		end_keyed(keyed, peer, LEASES);
	}
}

static void
without_memory_none_is_made(void **state)
{
	qpool_ops ops = fake_ops();
	qpool_error error;

	(void)state;
	for (unsigned nth = 1;; nth++) {
		fake *peer = fake_new();
		qpool_keyed *keyed = NULL;
		qpool_err err;
		qp_testing_fail(QP_FAULT_ALLOC, nth, false);
		err = qpool_keyed_create(&keyed, NULL, 0, &ops, peer, &error);
		qp_testing_fail(QP_FAULT_ALLOC, 0, false);
		if (err == QPOOL_OK) {
			assert_true(nth > 1);
			end_keyed(keyed, peer, 0);
			break;
		}
		assert_int_equal(err, QPOOL_ENOMEM);
		assert_string_equal(error.message, "no memory for keyed pool 'fake'");
		assert_null(keyed);
		fake_end(peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(renew_is_of_one_key_or_of_all),
	    VIRTUAL(suspect_is_of_one_key_or_of_all),
	    VIRTUAL(renew_serves_who_waits_for_a_place),
	    VIRTUAL(the_dump_shows_all_and_each_key),
	    VIRTUAL(hist_and_words_are_the_whole_pools),
	    VIRTUAL(what_belongs_to_the_whole_is_misuse_on_one_key),
	    VIRTUAL(the_pool_of_a_key_that_is_gone_lends_nothing),
	    VIRTUAL(every_verb_works_inside_callbacks),
	    VIRTUAL(freed_by_the_close_of_what_was_ousted),
	    VIRTUAL(a_cancelled_waiter_passes_its_place_on),
	    VIRTUAL(a_cancel_crosses_the_place_of_one_that_was_ousted),
	    VIRTUAL(close_waits_for_leases_and_refuses_newcomers),
	    VIRTUAL(the_last_lease_of_a_freed_one_ends_it),
	    VIRTUAL(one_keys_refusal_is_no_other_keys),
	    VIRTUAL(a_key_remembers_that_it_fails),
	    VIRTUAL(not_too_many_failures_are_remembered),
	    VIRTUAL(without_memory_an_acquire_fails_and_nothing_is_lost),
	    VIRTUAL(without_memory_none_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
