/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What qpool_each shows: every field in every state, descriptions of all kinds, holders that are gone; and what
 * the function it calls may do.
 */
#include "virtual.h"

#include "core/pool.h"
#include "core/show.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

/* ---- what it shows ---- */

typedef struct copy {
	qpool_entry entry;
	char describe[QP_ABOUT];
} copy;

static struct {
	copy entries[300];
	unsigned count, stop_at;
} shown;

static bool
keep(void *user, const qpool_entry *entry)
{
	copy *c = &shown.entries[shown.count++];

	assert_ptr_equal(user, &shown);
	c->entry = *entry;
	snprintf(c->describe, sizeof c->describe, "%s", entry->describe);
	return shown.count != shown.stop_at;
}

static unsigned
look(qpool *pool)
{
	size_t count;

	shown.count = 0;
	count = qpool_each(pool, keep, &shown);
	assert_int_equal(count, shown.count);
	return shown.count;
}

static const qpool_entry *
only(qpool *pool)
{
	assert_int_equal(look(pool), 1);
	assert_int_equal(shown.entries[0].entry.size, sizeof(qpool_entry));
	assert_null(shown.entries[0].entry.key);
	return &shown.entries[0].entry;
}

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

static void
a_life_is_shown_state_by_state(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 1);
	const qpool_entry *e;
	qpool_lease lease;

	(void)state;
	assert_int_equal(look(pool), 0);
	lease = must_acquire(pool);
	qpool_label(&lease, "report");
	qp_testing_clock_advance(QPOOL_SEC(3));
	e = only(pool);
	assert_string_equal(e->state, "leased");
	assert_string_equal(shown.entries[0].describe, "fake 1");
	assert_non_null(strstr(e->site, "testing.h:"));
	assert_string_equal(e->label, "report");
	assert_int_equal(e->resource_id, 1);
	assert_int_equal(e->thread, gettid());
	assert_false(e->gone);
	assert_int_equal(e->age, QPOOL_SEC(3));
	assert_int_equal(e->held, QPOOL_SEC(3));
	assert_int_equal(e->idle, 0);
	assert_int_equal(e->uses, 1);
	qpool_release(&lease);
	qp_testing_clock_advance(QPOOL_SEC(2));
	e = only(pool);
	assert_string_equal(e->state, "idle");
	assert_int_equal(e->age, QPOOL_SEC(5));
	assert_int_equal(e->idle, QPOOL_SEC(2));
	assert_int_equal(e->held, 0);
	assert_int_equal(e->thread, 0);
	assert_null(e->site);
	assert_null(e->label);
	assert_int_equal(e->uses, 1);
	lease = must_acquire(pool);
	e = only(pool);
	assert_null(e->label); /* the one before had one */
	assert_int_equal(e->held, 0);
	assert_int_equal(e->uses, 2);
	qpool_discard(&lease);
	assert_int_equal(look(pool), 0);
	end_pool(pool, peer);
}

/* An actor stops in a step of the way out, and is shown there. */
static void
stands_in(fake *peer, qpool *pool, fake_step step, const char *name, bool exists)
{
	const qpool_entry *e;
	actor a;

	fake_gate_shut(peer, step);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, step, 1);
	e = only(pool);
	assert_string_equal(e->state, name);
	assert_int_equal(e->resource_id, exists ? 2 : 0);
	assert_string_equal(shown.entries[0].describe, exists ? "fake 2" : "");
	assert_int_equal(e->age, exists ? QPOOL_SEC(60) : 0);
	assert_int_equal(e->uses, exists ? 1 : 0);
	assert_int_equal(e->thread, 0);
	assert_null(e->site);
	assert_int_equal(e->idle, 0);
	assert_int_equal(e->held, 0);
	fake_gate_open(peer, step);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	qp_testing_clock_advance(QPOOL_SEC(60));
}

static void
every_step_of_the_way_is_shown(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 1);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qpool_discard(&lease); /* so that the slot holds what is over */
	stands_in(peer, pool, FAKE_OPEN, "opening", false);
	stands_in(peer, pool, FAKE_CHECK, "checking", true); /* it has been idle for long */
	end_pool(pool, peer);
}

static void *
releases(void *lease)
{
	qpool_release(lease);
	return NULL;
}

static void *
discards(void *lease)
{
	qpool_discard(lease);
	return NULL;
}

static void
the_way_back_is_shown(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 1);
	qpool_lease lease = must_acquire(pool);
	pthread_t thread;

	(void)state;
	fake_gate_shut(peer, FAKE_RESET);
	actor_runs(&thread, releases, &lease);
	fake_gate_await(peer, FAKE_RESET, 1);
	assert_string_equal(only(pool)->state, "resetting");
	assert_null(only(pool)->site);
	fake_gate_open(peer, FAKE_RESET);
	pthread_join(thread, NULL);
	lease = must_acquire(pool);
	fake_gate_shut(peer, FAKE_CLOSE);
	actor_runs(&thread, discards, &lease);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	assert_string_equal(only(pool)->state, "closing");
	assert_int_equal(only(pool)->thread, 0);
	fake_gate_open(peer, FAKE_CLOSE);
	pthread_join(thread, NULL);
	end_pool(pool, peer);
}

static void
all_of_a_large_pool_are_shown_once(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 300);
	qpool_lease leases[200];
	uint64_t sum = 0;

	(void)state;
	for (int i = 0; i < 200; i++)
		leases[i] = must_acquire(pool);
	for (int i = 20; i < 170; i++) /* more than a stride with nothing in it */
		qpool_discard(&leases[i]);
	assert_int_equal(look(pool), 50);
	for (unsigned i = 0; i < 50; i++)
		sum += shown.entries[i].entry.resource_id;
	assert_int_equal(sum, 20 * 21 / 2 + (171 + 200) * 30 / 2);
	shown.stop_at = 7;
	assert_int_equal(look(pool), 7);
	shown.stop_at = 0;
	for (int i = 0; i < 200; i++)
		qpool_release(&leases[i]);
	end_pool(pool, peer);
}

static void
nothing_is_shown_of_nothing(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 1);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	qpool_release(&lease);
	assert_int_equal(qpool_each(NULL, keep, &shown), 0);
	assert_int_equal(qpool_each(pool, NULL, &shown), 0);
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	assert_int_equal(look(pool), 0);
	qpool_free(pool);
	fake_end(peer);
}

/* ---- descriptions ---- */

static struct {
	const char *text;
	unsigned calls;
} saying;

static void
describe_as_told(void *user, void *resource, char *out, size_t room)
{
	(void)user;
	assert_non_null(((fake_resource *)resource)->peer);
	assert_int_equal(room, QP_ABOUT);
	saying.calls++;
	if (saying.text != NULL)
		strncpy(out, saying.text, room); /* which leaves out the NUL when it does not fit */
}

static void
is_described(const char *said, const char *expected)
{
	fake *peer = fake_new();
	qpool_ops ops = fake_ops();
	qpool_lease lease;
	qpool *pool;

	ops.describe = describe_as_told;
	pool = pool_of(peer, ops, NULL);
	saying.text = said;
	saying.calls = 0;
	lease = must_acquire(pool);
	qpool_release(&lease);
	lease = must_acquire(pool);
	(void)only(pool);
	assert_int_equal(saying.calls, 1); /* once an open, not once a lease */
	assert_string_equal(shown.entries[0].describe, expected);
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
descriptions_always_end(void **state)
{
	char full[QP_ABOUT + 1], expected[QP_ABOUT];

	(void)state;
	is_described(NULL, ""); /* writes nothing */
	is_described("", "");
	is_described("pid 4711 at db1:5432", "pid 4711 at db1:5432");
	memset(full, 'x', QP_ABOUT);
	full[QP_ABOUT] = '\0';
	memset(expected, 'x', QP_ABOUT);
	expected[QP_ABOUT - 1] = '\0';
	is_described(full, expected);                   /* all the room and no NUL */
	memcpy(full + QP_ABOUT - 3, "\xe2\x82\xac", 3); /* a character across the end */
	expected[QP_ABOUT - 3] = '\0';
	is_described(full, expected);
	full[QP_ABOUT - 1] = '\0'; /* its stump, with a NUL: the callback's own */
	full[QP_ABOUT - 3] = full[QP_ABOUT - 2] = 'y';
	expected[QP_ABOUT - 3] = expected[QP_ABOUT - 2] = 'y';
	is_described(full, expected);
}

static void
a_description_does_not_outlive_its_resource(void **state)
{
	fake *peer = fake_new();
	qpool_ops ops = fake_ops();
	qpool_lease lease;
	qpool *pool;

	(void)state;
	ops.describe = describe_as_told;
	pool = pool_of(peer, ops, NULL);
	saying.text = "a long name of the first one";
	lease = must_acquire(pool);
	qpool_discard(&lease);
	saying.text = "2nd";
	lease = must_acquire(pool);
	(void)only(pool);
	assert_string_equal(shown.entries[0].describe, "2nd");
	qpool_discard(&lease);
	saying.text = NULL;
	lease = must_acquire(pool);
	(void)only(pool);
	assert_string_equal(shown.entries[0].describe, "");
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
without_a_describe_it_is_empty(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops_plain(), NULL);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	(void)only(pool);
	assert_string_equal(shown.entries[0].describe, "");
	qpool_release(&lease);
	end_pool(pool, peer);
}

/* ---- holders ---- */

static void
a_holder_that_is_gone_is_told(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 1);
	qpool_lease mine;
	actor a;

	(void)state;
	actor_acquires(&a, pool, QPOOL_FOREVER);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	while (!only(pool)->gone) /* it was joined, but the system may be a moment behind */
		(void)sched_yield();
	assert_int_not_equal(only(pool)->thread, 0);
	assert_int_not_equal(only(pool)->thread, gettid());
	qpool_release(&a.lease);
	assert_false(only(pool)->gone);
	mine = must_acquire(pool);
	assert_false(only(pool)->gone);
	qpool_release(&mine);
	end_pool(pool, peer);
}

/* ---- what the function may do ---- */

static struct {
	qpool *pool;
	qpool_lease lease;
	qpool_err waits, closes, stops;
	unsigned count;
} inside;

static bool
does_everything(void *user, const qpool_entry *entry)
{
	qpool_lease waits;

	(void)user;
	inside.count++;
	if (strcmp(entry->state, "idle") == 0)
		assert_int_equal(
		    qpool_acquire(inside.pool, QPOOL_FOREVER, &inside.lease, NULL), QPOOL_OK);
	inside.waits = qpool_acquire(inside.pool, QPOOL_FOREVER, &waits, NULL);
	inside.closes = qpool_close(inside.pool, QPOOL_FOREVER);
	inside.stops = qpool_stop(inside.pool);
	assert_int_equal(look(inside.pool), 1); /* and look again */
	qpool_release(&inside.lease);
	assert_int_equal(qpool_maintain(inside.pool), 0);
	assert_int_equal(stats_of(inside.pool).idle, 1);
	return true;
}

static void
the_function_may_use_the_pool(void **state)
{
	fake *peer = fake_new();

	(void)state;
	memset(&inside, 0, sizeof inside);
	inside.pool = described_pool(peer, 1);
	inside.lease = must_acquire(inside.pool);
	assert_int_equal(qpool_each(inside.pool, does_everything, NULL), 1); /* releases */
	assert_int_equal(inside.waits, QPOOL_EMISUSE);
	assert_int_equal(qpool_each(inside.pool, does_everything, NULL), 1); /* acquires */
	assert_int_equal(inside.waits, QPOOL_EMISUSE);
	assert_int_equal(inside.closes, QPOOL_EMISUSE);
	assert_int_equal(inside.stops, QPOOL_EMISUSE);
	assert_int_equal(inside.count, 2);
	end_pool(inside.pool, peer);
}

static bool
frees(void *user, const qpool_entry *entry)
{
	(void)user;
	(void)entry;
	qpool_free(inside.pool);
	return true;
}

static void
the_function_may_free_the_pool(void **state)
{
	fake *peer = fake_new();
	qpool_lease lease;

	(void)state;
	inside.pool = described_pool(peer, 3);
	lease = must_acquire(inside.pool);
	qpool_release(&lease);
	assert_int_equal(qpool_each(inside.pool, frees, NULL), 1);
	fake_await_destroyed(peer); /* at once: nothing else kept it */
	fake_end(peer);
	peer = fake_new();
	inside.pool = described_pool(peer, 3);
	lease = must_acquire(inside.pool);
	assert_int_equal(qpool_each(inside.pool, frees, NULL), 1);
	assert_int_equal(qpool_release(&lease), QPOOL_OK); /* and now it goes */
	fake_await_destroyed(peer);
	fake_end(peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(a_life_is_shown_state_by_state),
	    VIRTUAL(every_step_of_the_way_is_shown),
	    VIRTUAL(the_way_back_is_shown),
	    cmocka_unit_test(all_of_a_large_pool_are_shown_once),
	    cmocka_unit_test(nothing_is_shown_of_nothing),
	    cmocka_unit_test(descriptions_always_end),
	    cmocka_unit_test(a_description_does_not_outlive_its_resource),
	    cmocka_unit_test(without_a_describe_it_is_empty),
	    cmocka_unit_test(a_holder_that_is_gone_is_told),
	    cmocka_unit_test(the_function_may_use_the_pool),
	    cmocka_unit_test(the_function_may_free_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
