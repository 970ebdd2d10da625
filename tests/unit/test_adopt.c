/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resources that the pool did not open: counted, told, aged and lent like its own.
 */
#include "virtual.h"

static void
an_adopted_one_is_lent_like_any_other(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool *pool;
	qpool_lease lease;
	qpool_stats s;

	(void)state;
	o.max_age = QPOOL_SEC(10);
	o.age_jitter = QPOOL_ZERO32;
	pool = pool_of(peer, fake_ops(), &o);
	assert_int_equal(qpool_adopt(pool, fake_make(peer), NULL), QPOOL_OK);
	s = stats_of(pool);
	assert_int_equal(s.idle, 1);
	assert_int_equal(s.opens, 1);
	assert_int_equal(s.open_ns, 0);
	lease = must_acquire(pool);
	assert_int_equal(fake_of(&lease)->number, 1);
	assert_int_equal(fake_calls(peer, FAKE_OPEN), 0);
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(10));
	assert_int_equal(qpool_maintain(pool), 1);
	s = stats_of(pool);
	assert_int_equal(s.closes[QPOOL_WHY_AGE], 1);
	end_pool(pool, peer);
}

static void
there_must_be_an_empty_slot(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_error error;
	qpool_lease lease;
	qpool *pool;
	void *mine;

	(void)state;
	o.max_size = 1;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	mine = fake_make(peer);
	assert_int_equal(qpool_adopt(pool, mine, &error), QPOOL_EAGAIN);
	assert_string_equal(error.message, "pool 'fake' has no empty slot: max_size is 1");
	assert_true(fake_detach(peer, &lease));
	assert_int_equal(qpool_adopt(pool, mine, &error), QPOOL_OK);
	assert_int_equal(qpool_adopt(pool, NULL, &error), QPOOL_EINVAL);
	assert_string_equal(error.message, "resource is NULL: there is nothing to adopt");
	assert_int_equal(qpool_adopt(NULL, mine, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	mine = fake_make(peer);
	assert_int_equal(qpool_adopt(pool, mine, &error), QPOOL_ECLOSED);
	assert_string_equal(error.message, "pool 'fake' is closing or closed");
	fake_unmake(mine); /* ours again */
	end_pool(pool, peer);
}

static void
who_waits_is_served_by_it(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	actor a;

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EFULL);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	qp_testing_await_parked(1);
	assert_int_equal(qpool_adopt(pool, fake_make(peer), NULL), QPOOL_OK);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

typedef struct told {
	unsigned count[16];
} told;

static void
on_event(void *user, qpool *pool, const qpool_event *event)
{
	(void)pool;
	((told *)user)->count[event->type]++;
}

static void
a_pool_that_is_down_is_up_again(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease lease;
	told t = {{0}};
	qpool *pool;

	(void)state;
	o.on_event = on_event;
	o.event_user = &t;
	pool = pool_of(peer, fake_ops(), &o);
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EDENIED);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_EDENIED);
	assert_int_equal(t.count[QPOOL_EV_DOWN], 1);
	assert_int_equal(qpool_adopt(pool, fake_make(peer), NULL), QPOOL_OK);
	assert_int_equal(t.count[QPOOL_EV_OPENED], 1);
	assert_int_equal(t.count[QPOOL_EV_UP], 1);
	assert_int_equal(stats_of(pool).down, 0);
	lease = must_acquire(pool);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
shrink(qpool *pool)
{
	qpool_options o = qpool_options_init();

	o.max_size = QPOOL_ZERO32;
	assert_int_equal(qpool_configure(pool, &o, NULL), QPOOL_OK);
}

typedef struct fate {
	void (*verb)(qpool *pool);
	qpool_why why;
} fate;

static void
meet_it_when_opened(void *user, qpool *pool, const qpool_event *event)
{
	if (event->type == QPOOL_EV_OPENED)
		((const fate *)user)->verb(pool);
}

/* Between its coming and its place something happens that it is not to outlive. */
static void
it_is_the_pools_from_the_first_moment(void **state)
{
	fate fates[] = {{qpool_renew, QPOOL_WHY_RENEWED}, {shrink, QPOOL_WHY_SHRUNK},
	    {qpool_free, QPOOL_WHY_CLOSED}};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fake *peer = fake_new();
		qpool_options o = qpool_options_init();
		qpool *pool;
		o.on_event = meet_it_when_opened;
		o.event_user = &fates[i];
		pool = pool_of(peer, fake_ops(), &o);
		assert_int_equal(qpool_adopt(pool, fake_make(peer), NULL), QPOOL_OK);
		assert_int_equal(fake_live(peer), 0);
		assert_int_equal(fake_last_why(peer), fates[i].why);
		if (i < 2)
			end_pool(pool, peer);
		else
			fake_end(peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(an_adopted_one_is_lent_like_any_other),
	    VIRTUAL(there_must_be_an_empty_slot),
	    VIRTUAL(who_waits_is_served_by_it),
	    VIRTUAL(a_pool_that_is_down_is_up_again),
	    VIRTUAL(it_is_the_pools_from_the_first_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
