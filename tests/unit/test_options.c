/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options: 0 is the default, every bad value is named with its range, and structs of other sizes are
 * understood or refused.  Through qpool_create, as callers see it; what came out is read by the private
 * header.
 */
#include "testing.h"

#include "core/options.h"
#include "platform/testing.h"

#include <stdlib.h>

static qpool_err
try(const qpool_options *options, qpool_error *error)
{
	qpool_ops ops = fake_ops();
	fake *peer = fake_new();
	qpool *pool = NULL;
	qpool_err err;

	memset(error, 0, sizeof *error);
	err = qpool_create(&pool, options, &ops, peer, error);
	if (err == QPOOL_OK) {
		qpool_free(pool);
	} else {
		assert_null(pool);
		assert_int_equal(error->code, err);
		/* user passes to the pool only on OK. */
		assert_int_equal(fake_calls(peer, FAKE_DESTROY), 0);
	}
	fake_end(peer);
	return err;
}

static void
refused(const qpool_options *options, qpool_err expected, const char *option)
{
	qpool_error error;

	assert_int_equal(try(options, &error), expected);
	if (strncmp(error.message, option, strlen(option)) != 0)
		fail_msg("'%s' does not begin with '%s'", error.message, option);
	assert_non_null(strstr(error.message, expected == QPOOL_EINVAL ? "must" : ""));
}

#define REFUSED(field, value)                              \
	do {                                               \
		qpool_options o_ = qpool_options_init();   \
		o_.field = (value);                        \
		refused(&o_, QPOOL_EINVAL, #field " is "); \
	} while (0)
#define TAKEN(field, value)                                     \
	do {                                                    \
		qpool_options o_ = qpool_options_init();        \
		qpool_error e_;                                 \
		o_.field = (value);                             \
		if (try(&o_, &e_) != QPOOL_OK)                  \
			fail_msg("%s: %s", #field, e_.message); \
	} while (0)

static void
zero_means_the_default(void **state)
{
	qpool_options options = qpool_options_init();
	qp_config c;

	(void)state;
	assert_int_equal(qp_options_read(&c, &options, "kind", NULL), QPOOL_OK);
	assert_string_equal(c.name, "kind");
	assert_int_equal(c.max_size, 10);
	assert_int_equal(c.min_idle, 0);
	assert_int_equal(c.max_waiters, QPOOL_NOLIMIT);
	assert_int_equal(c.limits.max_uses, QPOOL_NOLIMIT);
	assert_int_equal(c.max_opening, 4);
	assert_int_equal(c.limits.age_jitter_percent, 10);
	assert_false(c.oldest_first || c.tells || c.is_strict || c.resets_on_workers);
	assert_int_equal(c.acquire_timeout_ns, QPOOL_SEC(30));
	assert_int_equal(c.max_overtake_ns, 1250000);
	assert_int_equal(c.limits.max_idle_ns, QPOOL_SEC(600));
	assert_int_equal(c.limits.max_age_ns, QPOOL_SEC(1800));
	assert_int_equal(c.limits.check_after_ns, QPOOL_SEC(30));
	assert_int_equal(c.open_budget_ns, QPOOL_SEC(10));
	assert_int_equal(c.step_budget_ns, QPOOL_SEC(1));
	assert_int_equal(c.retry_min_ns, QPOOL_MSEC(50));
	assert_int_equal(c.retry_max_ns, QPOOL_SEC(5));
	assert_int_equal(c.down_after_ns, QPOOL_SEC(5));
	assert_int_equal(c.maintain_every_ns, QPOOL_SEC(30));
	assert_int_equal(c.held_long_ns, QPOOL_FOREVER);
	assert_false(c.event_mask >> QPOOL_EV_ACQUIRED & 1);
	assert_false(c.event_mask >> QPOOL_EV_RELEASED & 1);
	assert_true(c.event_mask >> QPOOL_EV_CLOSED & 1);
	assert_int_equal(qp_options_read(&c, NULL, "kind", NULL), QPOOL_OK);
	assert_int_equal(c.max_size, 10);
}

static void
zero_itself_has_a_name(void **state)
{
	qpool_options o = qpool_options_init();
	qp_config c;

	(void)state;
	o.max_size = o.min_idle = o.max_waiters = o.max_uses = o.age_jitter = QPOOL_ZERO32;
	o.acquire_timeout = o.max_overtake = o.max_idle = o.max_age = o.check_after = QPOOL_ZERO;
	o.retry_min = o.retry_max = o.down_after = QPOOL_ZERO;
	assert_int_equal(qp_options_read(&c, &o, "kind", NULL), QPOOL_OK);
	assert_int_equal(c.max_size + c.min_idle + c.max_waiters + c.limits.max_uses, 0);
	assert_int_equal(c.limits.age_jitter_percent, 0);
	assert_int_equal(c.acquire_timeout_ns | c.max_overtake_ns | c.limits.max_idle_ns, 0);
	assert_int_equal(c.limits.max_age_ns | c.limits.check_after_ns | c.retry_min_ns, 0);
	assert_int_equal(c.retry_max_ns | c.down_after_ns, 0);
}

static void
bad_counts_are_named_with_their_range(void **state)
{
	(void)state;
	REFUSED(max_size, 65536);
	REFUSED(max_size, QPOOL_NOLIMIT);
	REFUSED(min_idle, 65536);
	REFUSED(min_idle, QPOOL_NOLIMIT);
	REFUSED(min_idle, 11); /* more than max_size */
	REFUSED(max_opening, 65536);
	REFUSED(max_opening, QPOOL_ZERO32);
	REFUSED(max_opening, QPOOL_NOLIMIT);
	REFUSED(age_jitter, 101);
	REFUSED(age_jitter, QPOOL_NOLIMIT);
	REFUSED(order, 2);
	REFUSED(open_failure, 2);
	TAKEN(max_size, 65535);
	TAKEN(max_waiters, QPOOL_NOLIMIT);
	TAKEN(max_uses, QPOOL_NOLIMIT);
	TAKEN(age_jitter, 100);
}

static void
bad_durations_are_named_with_their_range(void **state)
{
	(void)state;
#define DURATION(field)                \
	REFUSED(field, QPOOL_DEFAULT); \
	REFUSED(field, -3);            \
	REFUSED(field, INT64_MIN);     \
	TAKEN(field, 1)
	DURATION(acquire_timeout);
	DURATION(max_overtake);
	DURATION(max_idle);
	DURATION(max_age);
	DURATION(check_after);
	DURATION(open_budget);
	DURATION(step_budget);
	DURATION(retry_min);
	DURATION(down_after);
	DURATION(maintain_every);
	DURATION(held_long);
#undef DURATION
	REFUSED(retry_max, QPOOL_DEFAULT);
	REFUSED(retry_min, QPOOL_SEC(6)); /* more than retry_max */
	REFUSED(open_budget, QPOOL_ZERO);
	REFUSED(step_budget, QPOOL_ZERO);
	REFUSED(maintain_every, QPOOL_ZERO);
	REFUSED(held_long, QPOOL_ZERO);
	REFUSED(retry_min, QPOOL_FOREVER);
	REFUSED(retry_max, QPOOL_FOREVER);
	TAKEN(max_idle, QPOOL_FOREVER);
	TAKEN(held_long, QPOOL_FOREVER);
	TAKEN(max_age, INT64_MAX - 1);
}

static void
what_this_version_does_not_know_is_refused(void **state)
{
	qpool_options o = qpool_options_init();

	(void)state;
	o.flags = 1u << 7;
	refused(&o, QPOOL_ENOTSUP, "flags is 0x80");
	o = qpool_options_init();
	o.reserved_ = 1;
	refused(&o, QPOOL_ENOTSUP, "reserved_");
}

static void
names_have_one_to_a_hundred_bytes(void **state)
{
	char name[102];

	(void)state;
	memset(name, 'n', sizeof name);
	name[101] = '\0';
	REFUSED(name, "");
	REFUSED(name, name);
	name[100] = '\0';
	TAKEN(name, name);
}

static void
a_longer_struct_is_taken_only_with_a_zero_tail(void **state)
{
	struct {
		qpool_options known;
		uint64_t later[4];
	} newer;
	qpool_error error;

	(void)state;
	memset(&newer, 0, sizeof newer);
	newer.known.size = sizeof newer;
	assert_int_equal(try(&newer.known, &error), QPOOL_OK);
	newer.later[2] = 1;
	refused(&newer.known, QPOOL_ENOTSUP, "qpool_options is ");
	newer.known.size = 5000; /* no struct is as long: whatever was in memory there */
	assert_int_equal(try(&newer.known, &error), QPOOL_EINVAL);
	assert_string_equal(
	    error.message, "qpool_options.size is 5000: start from qpool_options_init()");
}

static void
a_shorter_struct_leaves_the_rest_default(void **state)
{
	qpool_options older = qpool_options_init();
	qp_config c;
	qpool_error error;

	(void)state;
	older.max_size = 3;
	older.max_age = -77; /* beyond what the old caller knew */
	older.size = offsetof(qpool_options, max_idle);
	assert_int_equal(qp_options_read(&c, &older, "kind", &error), QPOOL_OK);
	assert_int_equal(c.max_size, 3);
	assert_int_equal(c.limits.max_age_ns, QPOOL_SEC(1800));
	older.size = 0;
	assert_int_equal(try(&older, &error), QPOOL_EINVAL);
	assert_string_equal(
	    error.message, "qpool_options.size is 0: start from qpool_options_init()");
}

static void
ops_are_looked_at(void **state)
{
	qpool_ops ops = fake_ops();
	fake *peer = fake_new();
	qpool *pool = NULL;
	qpool_error error;

	(void)state;
	assert_int_equal(qpool_create(NULL, NULL, &ops, peer, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_create(&pool, NULL, NULL, peer, &error), QPOOL_EINVAL);
	ops.open = NULL;
	assert_int_equal(qpool_create(&pool, NULL, &ops, peer, &error), QPOOL_EINVAL);
	assert_string_equal(error.message, "ops.open is NULL: it is required");
	ops = fake_ops();
	ops.close = NULL;
	assert_int_equal(qpool_create(&pool, NULL, &ops, peer, &error), QPOOL_EINVAL);
	assert_string_equal(error.message, "ops.close is NULL: it is required");
	ops = fake_ops();
	ops.size = 3;
	assert_int_equal(qpool_create(&pool, NULL, &ops, peer, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_create(&pool, NULL, &ops, peer, NULL), QPOOL_EINVAL);
	assert_null(pool);
	fake_end(peer);
}

static void
a_refusal_says_all_of_it(void **state)
{
	qpool_options o = qpool_options_init();
	qpool_error error;

	(void)state;
	o.max_size = 70000;
	assert_int_equal(try(&o, &error), QPOOL_EINVAL);
	assert_string_equal(error.message,
	    "max_size is 70000; it must be 0 (the default), 1 to 65535, QPOOL_ZERO32");
	o = qpool_options_init();
	o.open_budget = QPOOL_ZERO;
	assert_int_equal(try(&o, &error), QPOOL_EINVAL);
	assert_string_equal(error.message,
	    "open_budget is QPOOL_ZERO; it must be 0 (the default, 10 s), "
	    "a positive number of nanoseconds, QPOOL_FOREVER");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(zero_means_the_default),
	    cmocka_unit_test(zero_itself_has_a_name),
	    cmocka_unit_test(bad_counts_are_named_with_their_range),
	    cmocka_unit_test(bad_durations_are_named_with_their_range),
	    cmocka_unit_test(what_this_version_does_not_know_is_refused),
	    cmocka_unit_test(names_have_one_to_a_hundred_bytes),
	    cmocka_unit_test(a_longer_struct_is_taken_only_with_a_zero_tail),
	    cmocka_unit_test(a_shorter_struct_leaves_the_rest_default),
	    cmocka_unit_test(ops_are_looked_at),
	    cmocka_unit_test(a_refusal_says_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
