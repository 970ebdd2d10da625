/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mask: in one story in which everything is told, each type is told when its bit is set, and only then; and
 * what is told of one resource comes in the order of its life.
 */
#include "virtual.h"

#include "core/chunk.h"
#include "platform/thread.h"

#include <sched.h>
#include <stdlib.h>

#define TYPES 16u

static const struct {
	qpool_event_type type;
	const char *name;
} types[] = {
#define TYPE(type)          \
	{                   \
		type, #type \
	}
    TYPE(QPOOL_EV_OPENED),
    TYPE(QPOOL_EV_OPEN_FAILED),
    TYPE(QPOOL_EV_CLOSED),
    TYPE(QPOOL_EV_ACQUIRED),
    TYPE(QPOOL_EV_RELEASED),
    TYPE(QPOOL_EV_WAITED),
    TYPE(QPOOL_EV_TIMED_OUT),
    TYPE(QPOOL_EV_REFUSED),
    TYPE(QPOOL_EV_HELD_LONG),
    TYPE(QPOOL_EV_HELD_BACK),
    TYPE(QPOOL_EV_HOLDER_GONE),
    TYPE(QPOOL_EV_DOWN),
    TYPE(QPOOL_EV_UP),
    TYPE(QPOOL_EV_CONFIGURED),
    TYPE(QPOOL_EV_MISUSE),
};

typedef struct ear {
	pthread_mutex_t mutex;
	unsigned counts[TYPES];
	qpool_event_type order[64]; /* of those about a resource */
	unsigned told;
} ear;

static void
hear(void *user, qpool *pool, const qpool_event *event)
{
	ear *e = user;

	(void)pool;
	pthread_mutex_lock(&e->mutex);
	e->counts[event->type]++;
	if (event->resource_id == 1)
		e->order[e->told++ % 64] = event->type;
	pthread_mutex_unlock(&e->mutex);
}

/* Opening fails, and works; a thread takes the only one and exits; one times out on it while another is
 * refused; the lease comes back and serves a third, which discards it, twice. */
static void
live_through(ear *e, uint64_t mask)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool_lease lease, copy;
	actor gone, late, served;
	qpool *pool;

	memset(e, 0, sizeof *e);
	pthread_mutex_init(&e->mutex, NULL);
	o.max_size = o.max_waiters = 1;
	o.retry_min = o.retry_max = o.down_after = QPOOL_ZERO;
	o.held_long = QPOOL_SEC(1);
	o.on_event = hear;
	o.event_user = e;
	o.event_mask = mask;
	pool = pool_of(peer, fake_ops_plain(), &o);
	fake_fail(peer, FAKE_OPEN, 1, QPOOL_EOPEN);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, NULL), QPOOL_EOPEN);
	actor_acquires(&gone, pool, QPOOL_SEC(1));
	assert_int_equal(actor_join(&gone), QPOOL_OK);
	while (!qp_thread_is_gone(qp_load_relaxed(&qp_slot_note(gone.lease.slot_)->thread)))
		sched_yield();
	actor_acquires(&late, pool, QPOOL_SEC(1));
	qp_testing_await_parked(1);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(1), &lease, NULL), QPOOL_EBUSY);
	qp_testing_clock_advance(QPOOL_SEC(1));
	assert_int_equal(actor_join(&late), QPOOL_ETIMEOUT);
	actor_acquires(&served, pool, QPOOL_SEC(1));
	qp_testing_await_parked(1);
	qpool_release(&gone.lease);
	assert_int_equal(actor_join(&served), QPOOL_OK);
	o = qpool_options_init();
	o.max_size = 2;
	assert_int_equal(qpool_configure(pool, &o, NULL), QPOOL_OK);
	copy = served.lease;
	qpool_discard(&served.lease);
	assert_int_equal(qpool_discard(&copy), QPOOL_EMISUSE);
	end_pool(pool, peer);
	pthread_mutex_destroy(&e->mutex);
}

static void
each_is_told_exactly_when_its_bit_is_set(void **state)
{
	const unsigned count = sizeof types / sizeof types[0];
	ear e;

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		live_through(&e, UINT64_C(1) << types[i].type);
		for (unsigned k = 0; k < TYPES; k++)
			if ((e.counts[k] > 0) != (k == (unsigned)types[i].type))
				fail_msg("of %s alone, type %u was told %u times", types[i].name, k,
				    e.counts[k]);
		live_through(&e, ~(UINT64_C(1) << types[i].type));
		for (unsigned k = 0; k < count; k++)
			if ((e.counts[types[k].type] > 0) != (k != i))
				fail_msg("of all but %s, %s was told %u times", types[i].name,
				    types[k].name, e.counts[types[k].type]);
	}
}

static void
what_is_told_of_a_resource_is_its_life(void **state)
{
	const qpool_event_type life[] = {QPOOL_EV_OPENED, QPOOL_EV_ACQUIRED, QPOOL_EV_HELD_LONG,
	    QPOOL_EV_HOLDER_GONE, QPOOL_EV_HELD_BACK, QPOOL_EV_RELEASED, QPOOL_EV_ACQUIRED,
	    QPOOL_EV_RELEASED, QPOOL_EV_CLOSED};
	ear e;

	(void)state;
	live_through(&e, UINT64_MAX);
	assert_int_equal(e.told, sizeof life / sizeof life[0]);
	for (unsigned i = 0; i < e.told; i++)
		assert_int_equal(e.order[i], life[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(each_is_told_exactly_when_its_bit_is_set),
	    VIRTUAL(what_is_told_of_a_resource_is_its_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
