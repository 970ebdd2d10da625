/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events: each type with what it carries, the mask, the order per resource, verbs from inside.
 */
#include "testing.h"

#include "platform/testing.h"

typedef struct record {
	qpool_event event;
	char message[240];
} record;

static struct log {
	pthread_mutex_t mutex;
	record records[200];
	unsigned count;
} seen = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void
note(void *user, qpool *pool, const qpool_event *event)
{
	struct log *log = user;
	record *r;

	assert_non_null(qpool_name(pool));
	(void)stats_of(pool); /* a verb from inside works */
	pthread_mutex_lock(&log->mutex);
	r = &log->records[log->count++ % 200];
	r->event = *event;
	r->message[0] = '\0';
	if (event->error != NULL)
		memcpy(r->message, event->error->message, sizeof r->message);
	pthread_mutex_unlock(&log->mutex);
}

static int virtual(void **state)
{
	(void)state;
	qp_testing_clock_virtual(QPOOL_SEC(1000));
	seen.count = 0;
	return 0;
}

static int
real(void **state)
{
	(void)state;
	qp_testing_clock_real();
	return 0;
}

static qpool_options
with_events(uint64_t mask)
{
	qpool_options o = qpool_options_init();

	o.on_event = note;
	o.event_user = &seen;
	o.event_mask = mask;
	o.max_size = 1;
	return o;
}

static const record *
only(unsigned at, qpool_event_type type)
{
	if (at >= seen.count)
		fail_msg("only %u events", seen.count);
	assert_int_equal(seen.records[at].event.size, sizeof(qpool_event));
	assert_int_equal(seen.records[at].event.type, type);
	return &seen.records[at];
}

static void
a_resources_life_is_told_in_order(void **state)
{
	qpool_options o = with_events(UINT64_MAX);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease;

	(void)state;
	assert_int_equal(qpool_acquire(pool, 0, &lease, NULL), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_SEC(3));
	qpool_discard(&lease);
	assert_int_equal(seen.count, 4);
	assert_int_equal(only(0, QPOOL_EV_OPENED)->event.resource_id, 1);
	assert_non_null(strstr(only(1, QPOOL_EV_ACQUIRED)->event.site, "test_notice.c:"));
	assert_int_equal(only(2, QPOOL_EV_RELEASED)->event.took, QPOOL_SEC(3));
	assert_int_equal(only(3, QPOOL_EV_CLOSED)->event.why, QPOOL_WHY_DISCARDED);
	assert_int_equal(only(3, QPOOL_EV_CLOSED)->event.resource_id, 1);
	assert_int_equal(qpool_acquire(pool, 0, &lease, NULL), QPOOL_OK);
	assert_int_equal(only(4, QPOOL_EV_OPENED)->event.resource_id, 2); /* never reused */
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
acquired_and_released_are_quiet_by_default(void **state)
{
	qpool_options o = with_events(0);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qpool_release(&lease);
	assert_int_equal(seen.count, 1);
	only(0, QPOOL_EV_OPENED);
	end_pool(pool, peer);
}

static void
the_mask_chooses(void **state)
{
	qpool_options o = with_events(1u << QPOOL_EV_CLOSED);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qpool_release(&lease);
	assert_int_equal(qpool_close(pool, 0), QPOOL_OK);
	assert_int_equal(seen.count, 1);
	assert_int_equal(only(0, QPOOL_EV_CLOSED)->event.why, QPOOL_WHY_CLOSED);
	qpool_free(pool);
	fake_end(peer);
}

static void
waits_timeouts_and_refusals_are_told(void **state)
{
	qpool_options o =
	    with_events(1u << QPOOL_EV_WAITED | 1u << QPOOL_EV_TIMED_OUT | 1u << QPOOL_EV_REFUSED);
	fake *peer = fake_new();
	qpool_lease held, none;
	qpool *pool;
	actor a;

	(void)state;
	o.max_waiters = 1;
	pool = pool_of(peer, fake_ops(), &o);
	held = must_acquire(pool);
	actor_acquires(&a, pool, QPOOL_SEC(1));
	qp_testing_await_parked(1);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &none, NULL), QPOOL_EBUSY);
	assert_memory_equal(
	    only(0, QPOOL_EV_REFUSED)->message, "the line of pool 'fake' is full", 31);
	assert_non_null(only(0, QPOOL_EV_REFUSED)->event.site);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	assert_int_equal(only(1, QPOOL_EV_TIMED_OUT)->event.took, QPOOL_SEC(1));
	assert_memory_equal(seen.records[1].message, "all are lent", 12);
	actor_acquires(&a, pool, QPOOL_SEC(1));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_MSEC(300));
	qpool_release(&held);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	assert_int_equal(only(2, QPOOL_EV_WAITED)->event.took, QPOOL_MSEC(300));
	assert_null(seen.records[2].event.error);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
failures_down_and_up_are_told_once(void **state)
{
	qpool_options o =
	    with_events(1u << QPOOL_EV_OPEN_FAILED | 1u << QPOOL_EV_DOWN | 1u << QPOOL_EV_UP);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease;

	(void)state;
	fake_fail(peer, FAKE_OPEN, 2, QPOOL_EDENIED);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, NULL), QPOOL_EDENIED);
	assert_int_equal(only(0, QPOOL_EV_OPEN_FAILED)->event.error != NULL, 1);
	assert_string_equal(only(1, QPOOL_EV_DOWN)->message, "fake refuses to open");
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, NULL), QPOOL_EDENIED);
	only(2, QPOOL_EV_OPEN_FAILED);
	assert_int_equal(seen.count, 3); /* still down: not told again */
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, NULL), QPOOL_OK);
	only(3, QPOOL_EV_UP);
	assert_int_equal(seen.count, 4);
	qpool_release(&lease);
	end_pool(pool, peer);
}

/* Whoever tries the peer itself was not refused by the pool; whoever comes before the next try is. */
static void
while_it_is_down_acquires_are_refused(void **state)
{
	qpool_options o = with_events(1u << QPOOL_EV_DOWN | 1u << QPOOL_EV_REFUSED);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease;

	(void)state;
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EDENIED);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, NULL), QPOOL_EDENIED);
	only(0, QPOOL_EV_DOWN);
	assert_int_equal(seen.count, 1);
	assert_int_equal(stats_of(pool).refusals, 0);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, NULL), QPOOL_EDENIED);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EDENIED);
	assert_string_equal(only(1, QPOOL_EV_REFUSED)->message, only(2, QPOOL_EV_REFUSED)->message);
	assert_memory_equal(only(1, QPOOL_EV_REFUSED)->message, "fake refuses to open", 20);
	assert_non_null(only(1, QPOOL_EV_REFUSED)->event.site);
	assert_int_equal(seen.count, 3);
	assert_int_equal(stats_of(pool).refusals, 2);
	qp_testing_clock_advance(QPOOL_MSEC(100));
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, NULL), QPOOL_OK);
	assert_int_equal(stats_of(pool).refusals, 2);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static struct {
	pthread_barrier_t inside, go_on;
	qpool_event_type types[4];
	unsigned count;
} gate;

static void
stand_in_down(void *user, qpool *pool, const qpool_event *event)
{
	(void)user;
	(void)pool;
	if (event->type == QPOOL_EV_DOWN) {
		pthread_barrier_wait(&gate.inside);
		pthread_barrier_wait(&gate.go_on);
	}
	gate.types[gate.count++ % 4] = event->type;
}

static void
up_is_never_told_before_its_down(void **state)
{
	qpool_options o = with_events(1u << QPOOL_EV_DOWN | 1u << QPOOL_EV_UP);
	fake *peer = fake_new();
	qpool_lease lease;
	qpool *pool;
	actor a;

	(void)state;
	pthread_barrier_init(&gate.inside, NULL, 2);
	pthread_barrier_init(&gate.go_on, NULL, 2);
	o.on_event = stand_in_down;
	pool = pool_of(peer, fake_ops(), &o);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EDENIED);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	pthread_barrier_wait(&gate.inside); /* it is about to say that the pool is down, ... */
	qp_testing_clock_advance(QPOOL_MSEC(100));
	lease = must_acquire(pool); /* ... which is over meanwhile */
	qpool_release(&lease);
	pthread_barrier_wait(&gate.go_on);
	assert_int_equal(actor_join(&a), QPOOL_OK); /* it looks again, and something is idle */
	qpool_release(&a.lease);
	assert_int_equal(gate.count, 2);
	assert_int_equal(gate.types[0], QPOOL_EV_DOWN);
	assert_int_equal(gate.types[1], QPOOL_EV_UP);
	end_pool(pool, peer);
	pthread_barrier_destroy(&gate.inside);
	pthread_barrier_destroy(&gate.go_on);
}

static void
a_close_says_what_its_check_or_reset_said(void **state)
{
	qpool_options o = with_events(1u << QPOOL_EV_CLOSED);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	fake_fail(peer, FAKE_RESET, 1, QPOOL_EPEER);
	qpool_release(&lease);
	assert_int_equal(only(0, QPOOL_EV_CLOSED)->event.why, QPOOL_WHY_RESET);
	assert_string_equal(seen.records[0].message, "fake cannot be cleaned");
	lease = must_acquire(pool);
	fake_of(&lease)->dead = true;
	qpool_release(&lease);
	lease = must_acquire(pool);
	assert_int_equal(only(1, QPOOL_EV_CLOSED)->event.why, QPOOL_WHY_CHECK);
	assert_string_equal(seen.records[1].message, "fake looks dead");
	qpool_discard(&lease);
	assert_null(only(2, QPOOL_EV_CLOSED)->event.error);
	assert_int_equal(seen.count, 3); /* each once */
	end_pool(pool, peer);
}

static void
misuse_is_told(void **state)
{
	qpool_options o = with_events(1u << QPOOL_EV_MISUSE);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease = must_acquire(pool), copy = lease;

	(void)state;
	qpool_release(&lease);
	qpool_release(&copy);
	assert_memory_equal(only(0, QPOOL_EV_MISUSE)->message,
	    "pool 'fake': a lease was ended that is not out", 46);
	end_pool(pool, peer);
}

static void
closes_whatever_happens(void *user, qpool *pool, const qpool_event *event)
{
	unsigned *misuses = user;

	*misuses += event->type == QPOOL_EV_MISUSE;
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_EMISUSE);
}

static void
a_misuse_by_who_is_told_of_one_is_counted_only(void **state)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	unsigned told = 0;
	qpool_lease lease;
	qpool *pool;

	(void)state;
	o.event_mask = 1u << QPOOL_EV_OPENED | 1u << QPOOL_EV_MISUSE;
	o.on_event = closes_whatever_happens;
	o.event_user = &told;
	pool = pool_of(peer, fake_ops(), &o);
	lease = must_acquire(pool);
	assert_int_equal(told, 1);
	assert_int_equal(stats_of(pool).misuses, 2);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
nothing_is_told_after_close(void **state)
{
	qpool_options o = with_events(~(uint64_t)0);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_lease lease = must_acquire(pool), copy = lease;
	size_t told;

	(void)state;
	qpool_release(&lease);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	told = seen.count;
	assert_int_equal(qpool_release(&copy), QPOOL_EMISUSE);
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL), QPOOL_ECLOSED);
	assert_int_equal(seen.count, told);
	assert_int_equal(stats_of(pool).misuses, 1); /* counted it is */
	qpool_free(pool);
	fake_end(peer);
}

/* In real time: one that lives for less than a tick of the coarse clock, some of whose ticks begin before it opened. */
static void
nothing_took_less_than_no_time(void **state)
{
	qpool_options o = with_events(UINT64_MAX);
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops_plain(), &o);

	(void)state;
	seen.count = 0;
	for (unsigned i = 0; i < 40; i++) {
		qpool_lease lease = must_acquire(pool);
		qpool_discard(&lease);
	}
	assert_in_range(seen.count, 160, 200);
	for (unsigned i = 0; i < seen.count; i++)
		assert_true(seen.records[i].event.took >= 0);
	end_pool(pool, peer);
}

#define VIRTUAL(test) cmocka_unit_test_setup_teardown(test, virtual, real)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_resources_life_is_told_in_order),
	    VIRTUAL(acquired_and_released_are_quiet_by_default),
	    VIRTUAL(the_mask_chooses),
	    VIRTUAL(waits_timeouts_and_refusals_are_told),
	    VIRTUAL(failures_down_and_up_are_told_once),
	    VIRTUAL(while_it_is_down_acquires_are_refused),
	    VIRTUAL(a_close_says_what_its_check_or_reset_said),
	    VIRTUAL(up_is_never_told_before_its_down),
	    VIRTUAL(misuse_is_told),
	    VIRTUAL(a_misuse_by_who_is_told_of_one_is_counted_only),
	    VIRTUAL(nothing_is_told_after_close),
	    cmocka_unit_test(nothing_took_less_than_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
