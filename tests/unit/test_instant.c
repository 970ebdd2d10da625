/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is shown of a slot is of one instant, while its owners work on it; and what is not says so.
 */
#include "testing.h"

#include "core/show.h"

#include <stdio.h>
#include <unistd.h>

static void
describe_number(void *user, void *resource, char *out, size_t room)
{
	fake_resource *r = resource;

	assert_ptr_equal(user, r->peer);
	snprintf(out, room, "fake %u", (unsigned)r->number);
}

static qpool *
described_pool(fake *peer, uint32_t max_size)
{
	qpool_ops ops = fake_ops();
	qpool_options o = qpool_options_init();

	ops.describe = describe_number;
	o.max_size = max_size;
	return pool_of(peer, ops, &o);
}

#define CHURNERS 4u

static const char *const places[CHURNERS] = {"site 0", "site 1", "site 2", "site 3"};
static const char *const tasks[CHURNERS] = {"task 0", "task 1", "task 2", "task 3"};

static struct {
	qpool *pool;
	qp_atomic_u32 stop, next;
	qp_atomic_u32 ids[CHURNERS];
	uint32_t leased, others;
} churn;

static void *
churns(void *argument)
{
	uint32_t self = qp_add_release(&churn.next, 1);
	qpool_request request = qpool_request_init();

	(void)argument;
	qp_store_release(&churn.ids[self], (uint32_t)gettid());
	request.timeout = QPOOL_MSEC(1);
	request.site = places[self];
	request.label = tasks[self];
	for (unsigned i = 0; qp_load_acquire(&churn.stop) == 0; i++) {
		qpool_lease lease;
		if (qpool_acquire_with(churn.pool, &request, &lease, NULL) != QPOOL_OK)
			continue;
		if (i % 8 == 0)
			qpool_discard(&lease);
		else
			qpool_release(&lease);
	}
	return NULL;
}

static bool
is_of_one_instant(void *user, const qpool_entry *entry)
{
	(void)user;
	if (strcmp(entry->state, "leased") != 0) {
		assert_null(entry->site);
		assert_null(entry->label);
		assert_int_equal(entry->thread, 0);
		churn.others++;
		return true;
	}
	uint32_t who = (uint32_t)(entry->site[5] - '0');
	assert_ptr_equal(entry->site, places[who]);
	assert_ptr_equal(entry->label, tasks[who]);
	assert_int_equal(entry->thread, qp_load_acquire(&churn.ids[who]));
	assert_true(entry->uses >= 1);
	assert_true(entry->resource_id >= 1);
	assert_memory_equal(entry->describe, "fake ", 5);
	assert_true(entry->age >= 0 && entry->held >= 0);
	churn.leased++;
	return true;
}

static void
entries_are_of_one_instant_while_everything_moves(void **state)
{
	pthread_t threads[CHURNERS];
	fake *peer = fake_new();

	(void)state;
	memset(&churn, 0, sizeof churn);
	churn.pool = described_pool(peer, 3);
	for (unsigned i = 0; i < CHURNERS; i++)
		actor_runs(&threads[i], churns, NULL);
	for (unsigned i = 0; i < 5000 || churn.leased < 100 || churn.others < 100; i++)
		assert_in_range(qpool_each(churn.pool, is_of_one_instant, NULL), 0, 3);
	qp_store_release(&churn.stop, 1);
	for (unsigned i = 0; i < CHURNERS; i++)
		pthread_join(threads[i], NULL);
	end_pool(churn.pool, peer);
}

/* A copy that was disturbed is told, and its texts end all the same. */
static struct {
	qp_slot *slot;
	qp_atomic_u32 stop;
} shaken;

static void *
shakes(void *argument)
{
	char text[2][QP_ABOUT + 1];

	(void)argument;
	memset(text[0], 'a', QP_ABOUT + 1);
	memset(text[1], 'b', QP_ABOUT + 1);
	for (uint64_t i = 1; qp_load_acquire(&shaken.stop) == 0; i++) {
		qp_slot_move(shaken.slot, QP_EMPTY, QP_OPENING);
		qp_chunk_describe(shaken.slot, text[i % 2]);
		qp_store64_release(qp_slot_resource_id(shaken.slot), i);
		qp_store64_release(&shaken.slot->uses, i);
		qp_slot_move(shaken.slot, QP_OPENING, QP_CHECKING);
		qp_slot_move(shaken.slot, QP_CHECKING, QP_CLOSING);
		qp_slot_move(shaken.slot, QP_CLOSING, QP_EMPTY);
	}
	return NULL;
}

static void
a_copy_is_whole_or_says_so(void **state)
{
	qp_chunk *chunk = qp_chunk_make(NULL, 0, 2, QP_HAS_ABOUTS);
	unsigned whole = 0;
	pthread_t thread;
	qp_shown s;

	(void)state;
	shaken.slot = qp_chunk_slots(chunk);
	qp_slot_init(shaken.slot, 0);
	actor_runs(&thread, shakes, NULL);
	while (whole < 2000) {
		bool agrees = qp_show_slot(shaken.slot, &s);
		assert_int_equal(s.about[QP_ABOUT - 1], 0);
		if (!agrees || (s.state != QP_CHECKING && s.state != QP_CLOSING))
			continue;
		assert_int_equal(s.resource_id, s.uses);
		for (size_t i = 0; i < QP_ABOUT - 1; i++)
			assert_int_equal(s.about[i], s.uses % 2 == 0 ? 'a' : 'b');
		whole++;
	}
	qp_store_release(&shaken.stop, 1);
	pthread_join(thread, NULL);
	qp_chunk_free(chunk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(entries_are_of_one_instant_while_everything_moves),
	    cmocka_unit_test(a_copy_is_whole_or_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
