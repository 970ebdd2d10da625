/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options from text: every name and unit, every way to be wrong, and that a wrong text changes nothing and shows
 * nothing that may be a password.
 */
#include "testing.h"

#include <stdio.h>

static qpool_options
parsed(const char *text)
{
	qpool_options o = qpool_options_init();
	qpool_error error;

	if (qpool_options_parse(&o, text, &error) != QPOOL_OK)
		fail_msg("%s: %s", text, error.message);
	assert_int_equal(o.size, sizeof o);
	return o;
}

/* EINVAL with exactly this sentence; nothing is changed. */
static void
refused(const char *text, const char *message)
{
	qpool_options o = qpool_options_init(), before;
	qpool_error error;

	o.max_size = 3;
	o.name = "kept";
	o.max_idle = QPOOL_SEC(7);
	before = o;
	assert_int_equal(qpool_options_parse(&o, text, &error), QPOOL_EINVAL);
	assert_int_equal(error.code, QPOOL_EINVAL);
	assert_string_equal(error.message, message);
	assert_memory_equal(&o, &before, sizeof o);
	assert_int_equal(qpool_options_parse(&o, text, NULL), QPOOL_EINVAL);
}

static void
nothing_is_nothing_to_do(void **state)
{
	qpool_options o = qpool_options_init(), before;

	(void)state;
	o.max_size = 3;
	o.event_user = &o;
	before = o;
	assert_int_equal(qpool_options_parse(&o, NULL, NULL), QPOOL_OK);
	assert_int_equal(qpool_options_parse(&o, "", NULL), QPOOL_OK);
	assert_int_equal(qpool_options_parse(&o, "&&", NULL), QPOOL_OK);
	assert_memory_equal(&o, &before, sizeof o);
	assert_int_equal(qpool_options_parse(NULL, "", NULL), QPOOL_EINVAL);
}

static void
every_name_is_as_in_the_struct(void **state)
{
	qpool_options o = parsed("name=db&max_size=20&min_idle=2&max_waiters=5&max_uses=7&"
				 "max_opening=3&order=oldest&open_failure=tell&"
				 "flags=strict,reset_on_workers&age_jitter=25");

	(void)state;
	assert_null(o.name);
	assert_string_equal(o.name_text, "db");
	assert_int_equal(o.max_size, 20);
	assert_int_equal(o.min_idle, 2);
	assert_int_equal(o.max_waiters, 5);
	assert_int_equal(o.max_uses, 7);
	assert_int_equal(o.max_opening, 3);
	assert_int_equal(o.order, QPOOL_OLDEST_FIRST);
	assert_int_equal(o.open_failure, QPOOL_OPEN_TELL);
	assert_int_equal(o.flags, QPOOL_STRICT | QPOOL_RESET_ON_WORKERS);
	assert_int_equal(o.age_jitter, 25);
	o = parsed("acquire_timeout=1s&max_overtake=1.25ms&max_idle=5min&max_age=2h&"
		   "check_after=30s&open_budget=10s&step_budget=500us&retry_min=7ns&"
		   "retry_max=5s&down_after=0.5s&maintain_every=1min&"
		   "event_mask=opened,closed,misuse");
	assert_int_equal(o.acquire_timeout, QPOOL_SEC(1));
	assert_int_equal(o.max_overtake, 1250000);
	assert_int_equal(o.max_idle, QPOOL_SEC(300));
	assert_int_equal(o.max_age, QPOOL_SEC(7200));
	assert_int_equal(o.check_after, QPOOL_SEC(30));
	assert_int_equal(o.open_budget, QPOOL_SEC(10));
	assert_int_equal(o.step_budget, 500000);
	assert_int_equal(o.retry_min, 7);
	assert_int_equal(o.retry_max, QPOOL_SEC(5));
	assert_int_equal(o.down_after, QPOOL_MSEC(500));
	assert_int_equal(o.maintain_every, QPOOL_SEC(60));
	assert_int_equal(
	    o.event_mask, 1 << QPOOL_EV_OPENED | 1 << QPOOL_EV_CLOSED | 1 << QPOOL_EV_MISUSE);
}

static void
every_event_has_a_name(void **state)
{
	qpool_options o = parsed("event_mask=opened,open_failed,closed,acquired,released,waited,"
				 "timed_out,refused,held_long,held_back,holder_gone,down,up,"
				 "configured,misuse");

	(void)state;
	assert_int_equal(o.event_mask, 0xfffe);
}

static void
zero_and_no_limit_read_as_they_are(void **state)
{
	qpool_options o = parsed("max_size=0&max_waiters=nolimit&max_uses=0&max_idle=forever&"
				 "max_age=0&retry_min=0s&order=newest&open_failure=retry");

	(void)state;
	assert_int_equal(o.max_size, QPOOL_ZERO32);
	assert_int_equal(o.max_waiters, QPOOL_NOLIMIT);
	assert_int_equal(o.max_uses, QPOOL_ZERO32);
	assert_int_equal(o.max_idle, QPOOL_FOREVER);
	assert_int_equal(o.max_age, QPOOL_ZERO);
	assert_int_equal(o.retry_min, QPOOL_ZERO);
	assert_int_equal(o.order, QPOOL_NEWEST_FIRST);
	assert_int_equal(o.open_failure, QPOOL_OPEN_RETRY);
}

static void
what_is_not_named_stays(void **state)
{
	qpool_options o = qpool_options_init();

	(void)state;
	o.max_size = 3;
	o.max_idle = QPOOL_SEC(7);
	o.name = "kept";
	assert_int_equal(qpool_options_parse(&o, "max_uses=9", NULL), QPOOL_OK);
	assert_int_equal(o.max_size, 3);
	assert_int_equal(o.max_uses, 9);
	assert_int_equal(o.max_idle, QPOOL_SEC(7));
	assert_string_equal(o.name, "kept");
	assert_int_equal(qpool_options_parse(&o, "name=new", NULL), QPOOL_OK);
	assert_null(o.name); /* else it would win */
}

static void
text_is_decoded_as_in_a_url(void **state)
{
	qpool_options o = parsed("name=a+b%26%c3%BC%2b&max%5fsize=%34");

	(void)state;
	assert_string_equal(o.name_text, "a b&\xc3\xbc+");
	assert_int_equal(o.max_size, 4);
}

static void
names_are_told_from_their_neighbours(void **state)
{
	(void)state;
	refused("max_sise=3", "'max_sise' is no option; it must be one, such as max_size");
	refused("maxidle=3s", "'maxidle' is no option; it must be one, such as max_idle");
	refused("timeout_of_the_connection=3",
	    "'timeout_of_the_connection' is no option; it must be a field of qpool_options");
	refused("size=3", "'size' is no option; it must be a field of qpool_options");
	refused("max_uses=1&=3", "'' is no option; it must be a field of qpool_options");
	refused("max_uses=1&max_size%3=3",
	    "word 2 is no option; it must be name=value, words joined by &");
	refused("&time_that_an_acquire_may_wait_in_line=3s",
	    "word 2 is no option; it must be name=value, words joined by &");
	refused("max_size", "max_size has no value; it must be max_size=value");
	refused(
	    "max_size=3&max_uses=1&max_size=3", "max_size is given twice; it must be given once");
	refused("on_event=f", "on_event cannot be given as text; it must be set in the program");
	refused(
	    "event_user=f", "event_user cannot be given as text; it must be set in the program");
}

static void
values_are_named_with_what_they_must_be(void **state)
{
	(void)state;
	refused("max_size=70000", "max_size is '70000'; it must be a count from 0 to 65535");
	refused("max_size=99999999999999999999999",
	    "max_size is '99999999999999999999999'; it must be a count from 0 to 65535");
	refused("max_size=-1", "max_size is '-1'; it must be a count from 0 to 65535");
	refused("max_size=", "max_size is ''; it must be a count from 0 to 65535");
	refused("max_size=nolimit", "max_size is 'nolimit'; it must be a count from 0 to 65535");
	refused("max_opening=0", "max_opening is '0'; it must be a count from 1 to 65535");
	refused("max_waiters=4294967294", "max_waiters is '4294967294'; it must be a count from 0 "
					  "to 4294967293, or nolimit");
	refused("order=up", "order is 'up'; it must be newest or oldest");
	refused("flags=strict,loose",
	    "flags is 'strict,loose'; it must be a list of strict,reset_on_workers");
	refused(
	    "flags=strict,", "flags is 'strict,'; it must be a list of strict,reset_on_workers");
	refused("name=", "name is empty; it must have 1 to 100 bytes");
	refused("max_size=%3",
	    "max_size has a value that cannot be decoded; it must be at most 255 "
	    "bytes, with two hexadecimal digits, not 00, after each %");
	refused("name=a%00b", "name has a value that cannot be decoded; it must be at most 255 "
			      "bytes, with two hexadecimal digits, not 00, after each %");
}

static void
durations_need_a_unit_and_room(void **state)
{
	(void)state;
	refused(
	    "max_idle=5", "max_idle is '5'; it must be said with a unit (ns us ms s min h): 5s");
	refused("max_idle=5m", "max_idle is '5m'; it must be a duration such as 90s or 1.5min (ns "
			       "us ms s min h), or 0, or forever");
	refused("max_idle=-5s", "max_idle is '-5s'; it must be a duration such as 90s or 1.5min "
				"(ns us ms s min h), or 0, or forever");
	refused("open_budget=0", "open_budget is '0'; it must be a duration such as 90s or 1.5min "
				 "(ns us ms s min h), or forever");
	refused("retry_min=forever", "retry_min is 'forever'; it must be a duration such as 90s or "
				     "1.5min (ns us ms s min h), or 0");
	refused("max_idle=1.5ns", "max_idle is '1.5ns'; it must be whole nanoseconds");
	refused("max_idle=2562048h",
	    "max_idle is '2562048h'; it must be at most 292 years, or forever");
	refused("max_idle=99999999999999999999s",
	    "max_idle is '99999999999999999999s'; it must be at most 292 years, or forever");
	assert_int_equal(parsed("max_idle=2562046h").max_idle, INT64_C(2562046) * 3600000000000);
}

static void
nothing_is_shown_that_may_be_a_password(void **state)
{
	static const char *const texts[] = {"postgres://me:hunter2@db/x?max_size=2", "hunter2%zz=1",
	    "max_size=2;password=hunter2", "max_size=2&pass word:hunter2",
	    "name=x&max_idle=user:hunter2@host", "order=newest hunter2"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		qpool_options o = qpool_options_init();
		qpool_error error;
		assert_int_equal(qpool_options_parse(&o, texts[i], &error), QPOOL_EINVAL);
		if (strstr(error.message, "hunter2") != NULL)
			fail_msg("%s", error.message);
	}
}

static void
an_older_struct_has_no_place_for_a_name(void **state)
{
	qpool_options o = qpool_options_init();
	qpool_error error;

	(void)state;
	o.size = offsetof(qpool_options, name_text);
	memset(o.name_text, 'x', sizeof o.name_text);
	assert_int_equal(qpool_options_parse(&o, "max_size=4", &error), QPOOL_OK);
	assert_int_equal(o.max_size, 4);
	assert_int_equal(o.size, offsetof(qpool_options, name_text));
	assert_int_equal(o.name_text[0], 'x'); /* beyond it */
	assert_int_equal(qpool_options_parse(&o, "name=a", &error), QPOOL_ENOTSUP);
	assert_int_equal(o.name_text[0], 'x');
}

static void
a_name_in_the_struct_names_the_pool(void **state)
{
	char text[128] = "name=";
	qpool_options o = parsed("name=by+text&max_size=2");
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), &o);
	qpool_error error;

	(void)state;
	memset(o.name_text, 0, sizeof o.name_text); /* copied */
	assert_string_equal(qpool_name(pool), "by text");
	end_pool(pool, peer);
	peer = fake_new();
	(void)snprintf(o.name_text, sizeof o.name_text, "text");
	o.name = "pointer";
	pool = pool_of(peer, fake_ops(), &o);
	assert_string_equal(qpool_name(pool), "pointer");
	end_pool(pool, peer);
	memset(text + 5, 'n', 101);
	assert_int_equal(qpool_options_parse(&o, text, &error), QPOOL_EINVAL);
	assert_string_equal(error.message, "name is too long; it must have 1 to 100 bytes");
}

/* Whatever comes: no crash, and a failure changes nothing and says a sentence. */
static void
any_text_is_understood_or_refused(void **state)
{
	static const char *const bits[] = {"max_size", "=", "&", "%", "4", "1", "s", "min", "name",
	    "forever", "order", "newest", ",", "flags", "strict", ".", "0", "max_idle", "+", "%3",
	    "event_mask", "opened", "\xff", "nolimit", "max_usessssssssssssssssssssssssssssssss"};
	uint64_t random = 88172645463325252u;
	unsigned taken = 0;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		char text[200] = "";
		qpool_options o = qpool_options_init(), before = o;
		qpool_error error;
		unsigned words = (unsigned)(random >> 60);
		for (unsigned i = 0; i < words; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			if (strlen(text) < 150)
				(void)snprintf(text + strlen(text), sizeof text - strlen(text),
				    "%s", bits[random % (sizeof bits / sizeof bits[0])]);
		}
		random = random * 6364136223846793005u + 1442695040888963407u;
		memset(&error, 0, sizeof error);
		if (qpool_options_parse(&o, text, &error) == QPOOL_OK) {
			taken++;
			assert_int_equal(error.code, QPOOL_OK);
		} else {
			assert_memory_equal(&o, &before, sizeof o);
			assert_int_equal(error.code, QPOOL_EINVAL);
			assert_true(strstr(error.message, "must") != NULL);
		}
	}
	assert_in_range(taken, 1000, 199000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_nothing_to_do),
	    cmocka_unit_test(every_name_is_as_in_the_struct),
	    cmocka_unit_test(every_event_has_a_name),
	    cmocka_unit_test(zero_and_no_limit_read_as_they_are),
	    cmocka_unit_test(what_is_not_named_stays),
	    cmocka_unit_test(text_is_decoded_as_in_a_url),
	    cmocka_unit_test(names_are_told_from_their_neighbours),
	    cmocka_unit_test(values_are_named_with_what_they_must_be),
	    cmocka_unit_test(durations_need_a_unit_and_room),
	    cmocka_unit_test(nothing_is_shown_that_may_be_a_password),
	    cmocka_unit_test(an_older_struct_has_no_place_for_a_name),
	    cmocka_unit_test(a_name_in_the_struct_names_the_pool),
	    cmocka_unit_test(any_text_is_understood_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
