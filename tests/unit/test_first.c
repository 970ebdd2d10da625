/* SPDX-License-Identifier: BSD-3-Clause */
#include "testing.h"
#include "platform/testing.h"
static void
one_is_lent_and_comes_back(void **state)
{
	(void)state;
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);
	fake_use(&lease);
	fake_unuse(&lease);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_whole(pool);
	end_pool(pool, peer);
}
static void
timeout_is_exact(void **state)
{
	(void)state;
	qp_testing_clock_virtual(QPOOL_SEC(1000));
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	o.max_size = 1;
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease = must_acquire(pool);
	actor a;
	actor_acquires(&a, pool, QPOOL_SEC(2));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(2) - 1);
	qp_testing_await_parked(1);
	assert_int_equal(stats_of(pool).waiting, 1);
	qp_testing_clock_advance(1);
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	print_message("%s\n", a.error.message);
	qpool_release(&lease);
	end_pool(pool, peer);
	qp_testing_clock_real();
}
int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_is_lent_and_comes_back), cmocka_unit_test(timeout_is_exact)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
