/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyed pools, one sentence at a time: what is lent under which key, what is ousted, which keys there are, what
 * is refused.
 */
#include "keyed.h"

#include "core/keyed.h"

#include <stdio.h>

static void
each_key_is_lent_its_own(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 4, 0);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b");
	void *of_a = a.resource;

	(void)state;
	assert_ptr_not_equal(a.resource, b.resource);
	qpool_release(&a);
	qpool_release(&b);
	a = must_borrow(keyed, "a");
	assert_ptr_equal(a.resource, of_a);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 2);
	qpool_release(&a);
	end_keyed(keyed, peer, 4);
}

static void
a_key_is_its_text(void **state)
{
	char twice[2][8] = {"tenant", "tenant"};
	char longest[QP_KEY_MOST + 1];
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 4, 0);
	qpool_lease lease = must_borrow(keyed, twice[0]);
	void *resource = lease.resource;

	(void)state;
	qpool_release(&lease);
	memset(twice[0], 'x', 6); /* it was copied */
	lease = must_borrow(keyed, twice[1]);
	assert_ptr_equal(lease.resource, resource);
	qpool_release(&lease);
	memset(longest, 'k', QP_KEY_MOST);
	longest[QP_KEY_MOST] = '\0';
	lease = must_borrow(keyed, longest);
	qpool_release(&lease);
	lease =
	    must_borrow(keyed, "\xc3\xa9t\xc3\xa9\n\t\xff/ \xe2\x82\xac"); /* any bytes but NUL */
	assert_string_equal(
	    qpool_name(qpool_of(&lease)), "fake/\xc3\xa9t\xc3\xa9??\xff/ \xe2\x82\xac");
	qpool_release(&lease);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 3);
	end_keyed(keyed, peer, 4);
}

static void
refuses(qpool_keyed *keyed, const char *key, const char *sentence)
{
	qpool_lease lease;
	qpool_error error;

	memset(&lease, 1, sizeof lease);
	assert_int_equal(
	    qpool_keyed_acquire(keyed, key, QPOOL_NOWAIT, &lease, &error), QPOOL_EINVAL);
	assert_string_equal(error.message, sentence);
	assert_null(lease.slot_);
}

static void
what_is_no_key_is_refused(void **state)
{
	char too_long[QP_KEY_MOST + 2];
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_request request = qpool_request_init();
	qpool_lease lease;
	qpool_error error;

	(void)state;
	memset(too_long, 'k', sizeof too_long);
	too_long[QP_KEY_MOST + 1] = '\0';
	refuses(keyed, NULL, "key is NULL");
	refuses(keyed, "", "key is empty; it must have 1 to 255 bytes");
	refuses(keyed, too_long, "key is too long; it must have 1 to 255 bytes");
	refuses(NULL, "a", "keyed is NULL");
	assert_int_equal(qpool_keyed_acquire(keyed, "a", -7, &lease, &error), QPOOL_EINVAL);
	assert_non_null(strstr(error.message, "timeout is -7 ns"));
	assert_int_equal(qpool_keyed_acquire(keyed, "a", 0, NULL, &error), QPOOL_EINVAL);
	assert_non_null(strstr(error.message, "out is NULL"));
	assert_int_equal(qpool_keyed_acquire_with(keyed, "a", NULL, &lease, &error), QPOOL_EINVAL);
	assert_non_null(strstr(error.message, "request is NULL"));
	request.interrupt_every = -1;
	assert_int_equal(
	    qpool_keyed_acquire_with(keyed, "a", &request, &lease, &error), QPOOL_EINVAL);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 0);
	end_keyed(keyed, peer, 0);
}

static void
create_refuses(const qpool_options *o, uint32_t max_per_key, const char *sentence)
{
	qpool_keyed *keyed = NULL;
	qpool_ops ops = fake_ops();
	qpool_error error;

	assert_int_equal(
	    qpool_keyed_create(&keyed, o, max_per_key, &ops, NULL, &error), QPOOL_EINVAL);
	assert_string_equal(error.message, sentence);
	assert_null(keyed);
}

static void
limits_that_cannot_be_are_refused(void **state)
{
	qpool_options o = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	qpool_error error;
	qpool_keyed *keyed;

	(void)state;
	o.max_size = 4;
	create_refuses(
	    &o, 5, "max_per_key is 5; it must be 0 (max_size) or at most max_size, which is 4");
	o.min_idle = 1;
	create_refuses(&o, 1,
	    "min_idle is 1; it must be 0 for a keyed pool: callers open, when they need one");
	assert_int_equal(qpool_keyed_create(NULL, NULL, 0, &ops, NULL, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_keyed_create(&keyed, NULL, 0, &ops, NULL, &error), QPOOL_EINVAL);
	assert_string_equal(error.message, "ops.open is NULL: it is required");
}

static void
an_idle_one_of_another_key_makes_room(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 3, 0);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b");
	qpool_lease c = must_borrow(keyed, "c");
	qpool_stats s;

	(void)state;
	qpool_release(&b); /* the one that is idle longest */
	qpool_release(&a);
	qpool_release(&c);
	a = must_borrow(keyed, "d");
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_SHRUNK);
	s = stats_of_key(keyed, NULL);
	assert_int_equal(s.closes[QPOOL_WHY_SHRUNK], 1);
	assert_int_equal(s.idle, 2);
	assert_int_equal(s.keys, 3);
	assert_int_equal(stats_of_key(keyed, "b").keys, 0);
	assert_int_equal(stats_of_key(keyed, "a").idle, 1);
	qpool_release(&a);
	end_keyed(keyed, peer, 3);
}

static void
nothing_is_ousted_while_there_is_room_or_one_of_ones_own(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_lease a = must_borrow(keyed, "a"), b;

	(void)state;
	qpool_release(&a);
	b = must_borrow(keyed, "b"); /* there is room */
	qpool_release(&b);
	for (int i = 0; i < 10; i++) {
		a = must_borrow(keyed, i & 1 ? "a" : "b"); /* idle already */
		qpool_release(&a);
	}
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 0);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 2);
	end_keyed(keyed, peer, 2);
}

/* No answer, and the caller's time is over. */
static qpool_err
silent_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	(void)fake_ops().check(user, resource, step, error);
	qp_testing_clock_advance(step->budget);
	return QPOOL_EAGAIN;
}

/* It goes back as if it had been idle for longest, under all keys too, and is the first to be ousted. */
static void
what_did_not_answer_in_a_short_time_is_ousted_first(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_ops ops = fake_ops();
	qpool_keyed *keyed;
	qpool_lease a, b, c;

	(void)state;
	o.max_size = 3;
	ops.check = silent_check;
	keyed = keyed_of_with(peer, ops, &o, 0);
	a = must_borrow(keyed, "a");
	b = must_borrow(keyed, "b");
	c = must_borrow(keyed, "c");
	qpool_release(&a);
	qpool_release(&b);
	qpool_release(&c);
	qpool_keyed_suspect(keyed, "b");
	assert_int_equal(qpool_keyed_acquire(keyed, "b", QPOOL_MSEC(1), &b, NULL), QPOOL_ETIMEOUT);
	assert_int_equal(stats_of_key(keyed, "b").idle, 1);
	b = must_borrow(keyed, "d");
	assert_int_equal(stats_of_key(keyed, "b").keys, 0);
	a = must_borrow(keyed, "e");
	assert_int_equal(stats_of_key(keyed, "a").keys, 0);
	assert_int_equal(stats_of_key(keyed, "c").idle, 1);
	qpool_release(&a);
	qpool_release(&b);
	end_keyed(keyed, peer, 3);
}

static void
what_is_lent_is_never_ousted(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 1);
	qpool_lease a = must_borrow(keyed, "a"), lease;
	actor b;

	(void)state;
	assert_int_equal(qpool_keyed_acquire(keyed, "b", QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
	assert_int_equal(qpool_keyed_acquire(keyed, "a", QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
	actor_acquires_key(&b, keyed, "b", QPOOL_FOREVER);
	await_key_waiting(keyed, "b", 1);
	assert_int_equal(fake_calls(peer, FAKE_CLOSE), 0);
	qpool_release(&a);
	assert_int_equal(actor_join(&b), QPOOL_OK);
	assert_int_equal(fake_live(peer), 1);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 1); /* "a" has gone */
	qpool_release(&b.lease);
	end_keyed(keyed, peer, 1);
}

static void
no_key_has_more_than_its_most(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 4, 2);
	qpool_lease one = must_borrow(keyed, "a"), two = must_borrow(keyed, "a"), lease;
	static const char timed_out[] =
	    "all are lent: pool 'fake/a' gave nothing within 2 s: 2 of 2 lent, 2 open, 0 opening, "
	    "0 more wait; all keys: 3 of 4 places taken, 0 more wait";
	actor third;

	(void)state;
	assert_int_equal(qpool_keyed_acquire(keyed, "a", QPOOL_NOWAIT, &lease, NULL), QPOOL_EAGAIN);
	actor_acquires_key(&third, keyed, "a", QPOOL_SEC(2));
	await_key_waiting(keyed, "a", 1);
	/* Who waits only because of that holds up nobody else. */
	lease = must_borrow(keyed, "b");
	qpool_release(&lease);
	assert_int_equal(qpool_keyed_acquire(keyed, "b", QPOOL_NOWAIT, &lease, NULL), QPOOL_OK);
	qpool_release(&lease);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(2));
	assert_int_equal(actor_join(&third), QPOOL_ETIMEOUT);
	assert_memory_equal(third.error.message, timed_out, strlen(timed_out));
	qpool_release(&one);
	qpool_release(&two);
	end_keyed(keyed, peer, 4);
}

static void
empty_keys_vanish_and_what_they_counted_stays(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_stats s;
	char key[16];

	(void)state;
	for (int i = 0; i < 100; i++) {
		qpool_lease lease;
		snprintf(key, sizeof key, "key %d", i);
		lease = must_borrow(keyed, key);
		qpool_discard(&lease);
		s = stats_of_key(keyed, NULL);
		assert_int_equal(s.keys, 0);
		assert_int_equal(s.acquires, i + 1);
		assert_int_equal(s.opens, i + 1);
		assert_int_equal(s.closes[QPOOL_WHY_DISCARDED], i + 1);
	}
	assert_int_equal(s.open_peak, 1);
	assert_int_equal(s.leased_peak, 1);
	assert_int_equal(keyed->count, 1); /* all were the same member */
	end_keyed(keyed, peer, 1);
}

static void
a_stale_lease_of_a_key_that_is_gone_is_misuse(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_lease first = must_borrow(keyed, "gone"), stale = first, lease;

	(void)state;
	qpool_discard(&first);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 0);
	first = stale;
	assert_int_equal(qpool_release(&first), QPOOL_EMISUSE); /* of no key */
	assert_int_equal(stats_of_key(keyed, NULL).misuses, 1);
	lease = must_borrow(keyed, "next");
	assert_ptr_equal(lease.slot_, stale.slot_);
	first = stale;
	assert_int_equal(qpool_release(&first), QPOOL_EMISUSE); /* of another one */
	assert_null(qpool_detach(&first));
	assert_int_equal(stats_of_key(keyed, NULL).misuses, 3);
	assert_int_equal(stats_of_key(keyed, NULL).leased, 1);
	qpool_release(&lease);
	end_keyed(keyed, peer, 1);
}

static void
the_pool_of_a_lease_is_its_keys(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 4, 2);
	qpool_lease lease = must_borrow(keyed, "a"), more, many[2];
	qpool_request request = qpool_request_init();
	qpool *pool = qpool_of(&lease);
	qpool_error error;

	(void)state;
	assert_string_equal(qpool_name(pool), "fake/a");
	assert_string_equal(qpool_kind(pool), "fake");
	assert_int_equal(stats_of(pool).max_size, 2);
	assert_int_equal(stats_of(pool).leased, 1);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &more, NULL), QPOOL_OK);
	assert_string_equal(fake_of(&more)->key, "a");
	qpool_release(&more);
	assert_int_equal(qpool_maintain(pool), 0);
	/* These belong to the whole. */
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_EMISUSE);
	qpool_free(pool);
	assert_int_equal(qpool_start(pool, 1, &error), QPOOL_EMISUSE);
	assert_string_equal(error.message,
	    "pool 'fake/a': qpool_start is not for the pool of one key: it belongs to its keyed pool");
	assert_int_equal(qpool_stop(pool), QPOOL_EMISUSE);
	assert_int_equal(qpool_acquire_many(pool, 2, &request, many, &error), QPOOL_EMISUSE);
	assert_int_equal(stats_of_key(keyed, "a").misuses, 5);
	qpool_release(&lease);
	end_keyed(keyed, peer, 4);
}

static void
steps_are_told_the_key(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 2, 0);
	qpool_lease lease = must_borrow(keyed, "a");

	(void)state;
	qpool_release(&lease); /* reset; the fake compares */
	qp_testing_clock_advance(QPOOL_SEC(31));
	lease = must_borrow(keyed, "a");
	assert_int_equal(fake_calls(peer, FAKE_CHECK), 1);
	assert_int_equal(fake_calls(peer, FAKE_RESET), 1);
	qpool_release(&lease);
	end_keyed(keyed, peer, 2);
}

typedef struct heard {
	unsigned count[32];
	char keys[32][16];
} heard;

static void
hear(void *user, qpool *pool, const qpool_event *event)
{
	heard *h = user;

	assert_non_null(pool);
	h->count[event->type]++;
	snprintf(
	    h->keys[event->type], sizeof h->keys[0], "%s", event->key != NULL ? event->key : "-");
}

static void
events_are_told_the_key(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease, stale;
	qpool_keyed *keyed;
	heard h;

	(void)state;
	memset(&h, 0, sizeof h);
	o.max_size = 1;
	o.event_mask = UINT64_MAX;
	o.on_event = hear;
	o.event_user = &h;
	keyed = keyed_of_with(peer, fake_ops(), &o, 0);
	stale = lease = must_borrow(keyed, "a");
	qpool_release(&lease);
	lease = must_borrow(keyed, "b");
	assert_string_equal(h.keys[QPOOL_EV_OPENED], "b");
	assert_string_equal(h.keys[QPOOL_EV_CLOSED], "a");
	assert_string_equal(h.keys[QPOOL_EV_ACQUIRED], "b");
	assert_string_equal(h.keys[QPOOL_EV_RELEASED], "a");
	assert_int_equal(qpool_release(&stale), QPOOL_EMISUSE);
	assert_string_equal(h.keys[QPOOL_EV_MISUSE], "-"); /* its key is gone */
	fake_refuse(peer, "c", QPOOL_EDENIED);
	qpool_release(&lease);
	assert_int_equal(
	    qpool_keyed_acquire(keyed, "c", QPOOL_SEC(1), &lease, NULL), QPOOL_EDENIED);
	assert_string_equal(h.keys[QPOOL_EV_OPEN_FAILED], "c");
	assert_string_equal(h.keys[QPOOL_EV_DOWN], "c");
	end_keyed(keyed, peer, 1);
}

static void
resource_ids_are_never_given_twice(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	uint64_t last = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		qpool_lease lease = must_borrow(keyed, i & 1 ? "a" : "b");
		uint64_t id = qp_load64_relaxed(qp_slot_resource_id(lease.slot_));
		assert_true(id > last);
		last = id;
		qpool_release(&lease);
	}
	end_keyed(keyed, peer, 1);
}

static bool
collect(void *user, const qpool_entry *entry)
{
	char *all = user;
	size_t length = strlen(all);

	snprintf(all + length, 64 - length, "%s:%s ", entry->key, entry->state);
	return true;
}

static bool
stop_at_once(void *user, const qpool_entry *entry)
{
	(void)entry;
	++*(unsigned *)user;
	return false;
}

static void
each_shows_all_keys(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 4, 0);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b");
	char all[64] = "";
	unsigned seen = 0;

	(void)state;
	qpool_release(&b);
	assert_int_equal(qpool_keyed_each(keyed, collect, all), 2);
	assert_non_null(strstr(all, "a:leased "));
	assert_non_null(strstr(all, "b:idle "));
	assert_int_equal(qpool_keyed_each(keyed, stop_at_once, &seen), 1);
	assert_int_equal(seen, 1);
	assert_int_equal(qpool_keyed_each(keyed, NULL, NULL), 0);
	assert_int_equal(qpool_keyed_each(NULL, collect, all), 0);
	qpool_release(&a);
	end_keyed(keyed, peer, 4);
}

static void
maintain_closes_what_is_idle_too_long_under_any_key(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 4, 0);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b");

	(void)state;
	qpool_release(&a);
	assert_int_equal(qpool_keyed_maintain(keyed), 0);
	qp_testing_clock_advance(QPOOL_SEC(601));
	qpool_release(&b);
	assert_int_equal(qpool_keyed_maintain(keyed), 1);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_IDLE);
	assert_int_equal(stats_of_key(keyed, NULL).keys, 1);
	assert_int_equal(qpool_keyed_maintain(NULL), 0);
	end_keyed(keyed, peer, 4);
}

static void
counts_of_all_add_up(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 3, 0);
	qpool_lease a = must_borrow(keyed, "a"), b = must_borrow(keyed, "b");
	qpool_stats s;

	(void)state;
	qpool_release(&b);
	s = stats_of_key(keyed, NULL);
	assert_int_equal(s.max_size, 3);
	assert_int_equal(s.leased, 1);
	assert_int_equal(s.idle, 1);
	assert_int_equal(s.empty, 1);
	assert_int_equal(s.over, 0);
	assert_int_equal(s.exact, 1);
	assert_int_equal(s.acquires, 2);
	assert_int_equal(s.open_peak, 2);
	assert_int_equal(s.leased_peak, 2);
	s = stats_of_key(keyed, "nobody");
	assert_int_equal(s.keys, 0);
	assert_int_equal(s.max_size, 3);
	assert_int_equal(s.empty, 3);
	s = stats_of_key(NULL, NULL);
	assert_int_equal(s.max_size, 0);
	qpool_keyed_get_stats(keyed, NULL, NULL);
	qpool_release(&a);
	end_keyed(keyed, peer, 3);
}

/* While the one that was ousted is being closed its place is counted once. */
static void
counts_of_all_add_up_while_a_place_goes_over(void **state)
{
	fake *peer = fake_new();
	qpool_keyed *keyed = keyed_of(peer, 1, 0);
	qpool_lease a = must_borrow(keyed, "a");
	qpool_stats s;
	actor b;

	(void)state;
	qpool_release(&a);
	fake_gate_shut(peer, FAKE_CLOSE);
	actor_acquires_key(&b, keyed, "b", QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	s = stats_of_key(keyed, NULL);
	assert_int_equal(s.closing, 1);
	assert_int_equal(s.opening, 0);
	assert_int_equal(s.empty, 0);
	assert_int_equal(s.over, 0);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 1); /* it waits for the close */
	fake_gate_open(peer, FAKE_CLOSE);
	assert_int_equal(actor_join(&b), QPOOL_OK);
	qpool_release(&b.lease);
	end_keyed(keyed, peer, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(each_key_is_lent_its_own),
	    VIRTUAL(a_key_is_its_text),
	    VIRTUAL(what_is_no_key_is_refused),
	    VIRTUAL(limits_that_cannot_be_are_refused),
	    VIRTUAL(an_idle_one_of_another_key_makes_room),
	    VIRTUAL(nothing_is_ousted_while_there_is_room_or_one_of_ones_own),
	    VIRTUAL(what_did_not_answer_in_a_short_time_is_ousted_first),
	    VIRTUAL(what_is_lent_is_never_ousted),
	    VIRTUAL(no_key_has_more_than_its_most),
	    VIRTUAL(empty_keys_vanish_and_what_they_counted_stays),
	    VIRTUAL(a_stale_lease_of_a_key_that_is_gone_is_misuse),
	    VIRTUAL(the_pool_of_a_lease_is_its_keys),
	    VIRTUAL(steps_are_told_the_key),
	    VIRTUAL(events_are_told_the_key),
	    VIRTUAL(resource_ids_are_never_given_twice),
	    VIRTUAL(each_shows_all_keys),
	    VIRTUAL(maintain_closes_what_is_idle_too_long_under_any_key),
	    VIRTUAL(counts_of_all_add_up),
	    VIRTUAL(counts_of_all_add_up_while_a_place_goes_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
