/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A key whose opens fail, beside others: that it is waited for hastens its probes where there is a place for them, and
 * else they go out at their own pace, as each costs another key what it has idle.
 */
#include "keyed.h"

/* Time goes on in small steps, while somebody uses "good" after each; returns for how many of its own it was closed. */
static uint64_t
use_beside_a_failing_key(qpool_keyed *keyed, actor *bad, int64_t span_ns)
{
	for (int64_t passed = 0; passed < span_ns && !actor_is_done(bad);
	     passed += QPOOL_MSEC(20)) {
		qpool_lease lease = must_borrow(keyed, "good");
		qpool_release(&lease);
		qp_testing_await_parked(1);
		qp_testing_clock_advance(QPOOL_MSEC(20));
		qp_testing_await_parked(1);
	}
	return stats_of_key(keyed, NULL).closes[QPOOL_WHY_SHRUNK];
}

static qpool_keyed *
with_a_failing_key(fake *peer, actor *bad, uint32_t total)
{
	qpool_options o = qpool_options_init();
	qpool_keyed *keyed;

	o.max_size = total;
	o.retry_min = o.retry_max = QPOOL_SEC(20);
	o.down_after = QPOOL_FOREVER;
	keyed = keyed_of_with(peer, fake_ops(), &o, 0);
	fake_refuse(peer, "bad", QPOOL_EOPEN);
	actor_acquires_key(bad, keyed, "bad", QPOOL_SEC(1000));
	await_key_waiting(keyed, "bad", 1);
	return keyed;
}

/* That it is waited for hastens its probes, but not at the cost of what others use. */
static void
a_failing_key_does_not_oust_at_every_probe(void **state)
{
	fake *peer = fake_new();
	actor bad;
	qpool_keyed *keyed = with_a_failing_key(peer, &bad, 1);

	(void)state;
	/* About two in twenty seconds, not two hundred. */
	assert_in_range(use_beside_a_failing_key(keyed, &bad, QPOOL_SEC(20)), 0, 40);
	fake_refuse(peer, NULL, QPOOL_OK);
	while (!actor_is_done(&bad))
		qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&bad), QPOOL_OK);
	qpool_release(&bad.lease);
	end_keyed(keyed, peer, 1);
}

static void
where_there_is_a_place_it_is_asked_for_as_ever(void **state)
{
	fake *peer = fake_new();
	actor bad;
	qpool_keyed *keyed = with_a_failing_key(peer, &bad, 2);
	unsigned asked = fake_calls(peer, FAKE_OPEN);
	qpool_lease one, two;

	(void)state;
	assert_int_equal(use_beside_a_failing_key(keyed, &bad, QPOOL_SEC(2)), 0);
	assert_in_range(fake_calls(peer, FAKE_OPEN) - asked, 20, 200);
	/* None is left, for longer than most pauses; when one comes free it is asked for within 100 ms. */
	one = must_borrow(keyed, "good");
	two = must_borrow(keyed, "good");
	for (int i = 0; i < 300; i++) {
		qp_testing_clock_advance(QPOOL_MSEC(100));
		qp_testing_await_parked(1);
	}
	asked = fake_calls(peer, FAKE_OPEN);
	qpool_discard(&two);
	for (int i = 0; i < 2; i++) {
		qp_testing_clock_advance(QPOOL_MSEC(100));
		qp_testing_await_parked(1);
	}
	assert_true(fake_calls(peer, FAKE_OPEN) > asked);
	qpool_release(&one);
	assert_int_equal(qpool_keyed_close(keyed, QPOOL_FOREVER), QPOOL_OK);
	assert_int_equal(actor_join(&bad), QPOOL_ECLOSED);
	qpool_keyed_free(keyed);
	fake_end(peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_failing_key_does_not_oust_at_every_probe),
	    VIRTUAL(where_there_is_a_place_it_is_asked_for_as_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
