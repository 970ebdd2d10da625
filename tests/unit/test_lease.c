/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be asked of a lease and written on it: its resource's number, and the times limits are measured by.
 */
#include "virtual.h"

#include "core/slot.h"

static qpool_times
times_of(const qpool_lease *lease)
{
	qpool_times times = qpool_times_init();

	assert_int_equal(qpool_get_times(lease, &times), QPOOL_OK);
	return times;
}

static void
set(qpool_lease *lease, qpool_nsec opened, qpool_nsec used, uint64_t uses)
{
	qpool_times times = qpool_times_init();

	times.opened = opened;
	times.used = used;
	times.uses = uses;
	assert_int_equal(qpool_set_times(lease, &times), QPOOL_OK);
}

static void
a_resource_keeps_its_number(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool), stale = lease, empty = QPOOL_LEASE_INIT;
	qpool_lease foreign = {.resource = peer, .slot_ = peer, .turn_ = 1};

	(void)state;
	assert_int_equal(qpool_resource_id(&lease), 1);
	qpool_release(&lease);
	assert_int_equal(qpool_resource_id(&lease), 0);
	assert_int_equal(qpool_resource_id(&stale), 0);
	assert_int_equal(qpool_resource_id(&empty), 0);
	assert_int_equal(qpool_resource_id(&foreign), 0);
	assert_int_equal(qpool_resource_id(NULL), 0);
	lease = must_acquire(pool);
	assert_int_equal(qpool_resource_id(&lease), 1);
	qpool_discard(&lease);
	lease = must_acquire(pool);
	assert_int_equal(qpool_resource_id(&lease), 2); /* never reused */
	qpool_release(&lease);
	assert_int_equal(stats_of(pool).misuses, 0); /* to ask is none */
	end_pool(pool, peer);
}

static void
times_are_measured_from_where_limits_are(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qp_testing_clock_advance(QPOOL_SEC(3));
	assert_int_equal(times_of(&lease).opened, QPOOL_SEC(3));
	assert_int_equal(times_of(&lease).used, QPOOL_SEC(3)); /* never before: since open */
	assert_int_equal(times_of(&lease).uses, 1);
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(4));
	lease = must_acquire(pool);
	qp_testing_clock_advance(QPOOL_SEC(5));
	assert_int_equal(times_of(&lease).opened, QPOOL_SEC(12));
	assert_int_equal(times_of(&lease).used, QPOOL_SEC(9));
	assert_int_equal(times_of(&lease).uses, 2);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
what_is_set_is_what_is_got(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	set(&lease, QPOOL_SEC(5000), QPOOL_SEC(7), 99); /* before the clock began */
	assert_int_equal(times_of(&lease).opened, QPOOL_SEC(5000));
	assert_int_equal(times_of(&lease).used, QPOOL_SEC(7));
	assert_int_equal(times_of(&lease).uses, 99);
	set(&lease, 0, 0, 0);
	assert_int_equal(times_of(&lease).opened, 0);
	assert_int_equal(times_of(&lease).uses, 0);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
the_limits_go_by_what_is_set(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.max_uses = 10;
	o.max_age = QPOOL_SEC(100);
	o.age_jitter = QPOOL_ZERO32;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	set(&lease, 0, 0, 9);
	qpool_release(&lease); /* the tenth may go out */
	lease = must_acquire(pool);
	assert_int_equal(qpool_resource_id(&lease), 1);
	qpool_release(&lease);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_USES);
	lease = must_acquire(pool);
	set(&lease, QPOOL_SEC(99), 0, 1);
	qpool_release(&lease);
	assert_int_equal(stats_of(pool).idle, 1);
	lease = must_acquire(pool);
	set(&lease, QPOOL_SEC(100), 0, 1);
	qpool_release(&lease);
	assert_int_equal(fake_last_why(peer), QPOOL_WHY_AGE);
	lease = must_acquire(pool);
	set(&lease, QPOOL_FOREVER, QPOOL_FOREVER, UINT64_MAX); /* no overflow, and over */
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_true(times_of(&lease).opened > QPOOL_SEC(1000000000));
	set(&lease, 0, 0, 1); /* and all the time is there again */
	qp_testing_clock_advance(QPOOL_SEC(99));
	qpool_release(&lease);
	assert_int_equal(stats_of(pool).idle, 1);
	end_pool(pool, peer);
}

static void
no_new_jitter_is_drawn(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease;
	int64_t draw;
	qpool *pool;
	qp_slot *slot;

	(void)state;
	o.max_age = QPOOL_SEC(1000);
	o.age_jitter = 50;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	slot = lease.slot_;
	draw = slot->age_draw;
	set(&lease, QPOOL_SEC(499), 0, 1); /* at most half is taken off */
	assert_int_equal(slot->age_draw, draw);
	qpool_release(&lease);
	assert_int_equal(stats_of(pool).idle, 1);
	lease = must_acquire(pool);
	set(&lease, QPOOL_SEC(1000), 0, 1);
	assert_int_equal(slot->age_draw, draw);
	qpool_release(&lease);
	assert_int_equal(stats_of(pool).idle, 0);
	end_pool(pool, peer);
}

static void
bad_times_and_leases_are_refused(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool), stale = lease, empty = QPOOL_LEASE_INIT;
	qpool_lease foreign = {.resource = peer, .slot_ = peer, .turn_ = 1};
	qpool_times times = qpool_times_init(), longer[2];

	(void)state;
	times.opened = -1;
	times.uses = 5;
	assert_int_equal(qpool_set_times(&lease, &times), QPOOL_EINVAL);
	times.opened = 0;
	times.used = -1;
	assert_int_equal(qpool_set_times(&lease, &times), QPOOL_EINVAL);
	times.used = 0;
	assert_int_equal(qpool_set_times(NULL, &times), QPOOL_EINVAL);
	assert_int_equal(qpool_set_times(&lease, NULL), QPOOL_EINVAL);
	assert_int_equal(qpool_get_times(NULL, &times), QPOOL_EINVAL);
	assert_int_equal(qpool_get_times(&lease, NULL), QPOOL_EINVAL);
	memset(longer, 0, sizeof longer);
	assert_int_equal(qpool_set_times(&lease, &longer[0]), QPOOL_EINVAL); /* no size */
	assert_int_equal(qpool_get_times(&lease, &longer[0]), QPOOL_EINVAL);
	longer[0].size = sizeof longer;
	longer[1].opened = 1;
	assert_int_equal(qpool_set_times(&lease, &longer[0]), QPOOL_ENOTSUP);
	assert_int_equal(times_of(&lease).uses, 1); /* untouched by all of these */
	assert_int_equal(stats_of(pool).misuses, 0);
	qpool_release(&lease);
	assert_int_equal(qpool_get_times(&stale, &times), QPOOL_EMISUSE);
	assert_int_equal(qpool_set_times(&stale, &times), QPOOL_EMISUSE);
	assert_int_equal(stats_of(pool).misuses, 2);
	assert_int_equal(qpool_get_times(&empty, &times), QPOOL_EMISUSE);
	assert_int_equal(qpool_set_times(&foreign, &times), QPOOL_EMISUSE);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_resource_keeps_its_number),
	    VIRTUAL(times_are_measured_from_where_limits_are),
	    VIRTUAL(what_is_set_is_what_is_got),
	    VIRTUAL(the_limits_go_by_what_is_set),
	    VIRTUAL(no_new_jitter_is_drawn),
	    VIRTUAL(bad_times_and_leases_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
