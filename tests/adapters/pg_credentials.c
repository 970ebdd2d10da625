/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_credentials: the callback that says who connects: when it is asked, when once more, what wins, and that
 * nothing it says is shown.  The server wants passwords of alice and bob.
 */
#include "pg_opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWERS = 6 };

static pg_server *server;

static int
begin(void **state)
{
	const pg_server_options options = {.hba = "local all alice,bob scram-sha-256\n"
						  "host all alice,bob 127.0.0.1/32 md5\n"
						  "local all mallory reject\n"};

	(void)state;
	server = pg_server_start(&options);
	pg_do(server,
	    "CREATE ROLE alice LOGIN PASSWORD 'alices-word'; CREATE ROLE bob LOGIN PASSWORD "
	    "'bobs-word'; CREATE ROLE mallory LOGIN");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* ---- the callback -------------------------------------------------------------------- */

/* What it says, call by call, and what it was asked. */
typedef struct answer {
	const char *user, *password;
	qpool_err err;
	const char *message;
} answer;

typedef struct clerk {
	answer answers[ANSWERS];
	bool asked_again[ANSWERS];
	unsigned calls;
	bool is_clean; /* *out came empty each time */
	char user[64], password[64];
	char told[4096]; /* all that events said */
} clerk;

/* The texts live until the next call: so they are overwritten by it. */
static qpool_err
credentials(void *of, bool again, qpool_pg_credentials *out, qpool_error *error)
{
	clerk *c = of;
	const answer *a = &c->answers[c->calls < ANSWERS ? c->calls : ANSWERS - 1];

	if (c->calls < ANSWERS)
		c->asked_again[c->calls] = again;
	c->calls++;
	c->is_clean = c->is_clean && out->size == qpool_pg_credentials_init().size &&
	              out->user == NULL && out->password == NULL;
	memset(c->user, 'x', sizeof c->user - 1);
	memset(c->password, 'x', sizeof c->password - 1);
	if (a->user != NULL)
		(void)snprintf(c->user, sizeof c->user, "%s", a->user);
	if (a->password != NULL)
		(void)snprintf(c->password, sizeof c->password, "%s", a->password);
	out->user = a->user != NULL ? c->user : NULL;
	out->password = a->password != NULL ? c->password : NULL;
	if (a->message != NULL)
		(void)snprintf(error->message, sizeof error->message, "%s", a->message);
	return a->err;
}

static void
on_event(void *of, qpool *pool, const qpool_event *event)
{
	clerk *c = of;
	size_t used = strlen(c->told);

	(void)pool;
	if (event->error != NULL)
		(void)snprintf(
		    c->told + used, sizeof c->told - used, "%s\n", event->error->message);
}

static opening
asking(clerk *c, const char *more)
{
	opening o = opening_init();

	c->is_clean = true;
	o.pg.credentials = credentials;
	o.pg.user = c;
	o.options.on_event = on_event;
	o.options.event_user = c;
	opening_pool(&o, "%s %s", pg_server_conninfo(server), more);
	return o;
}

static void
shows_no_password(const char *text)
{
	static const char *const words[] = {"alices-word", "bobs-word", "wrong-word", "old-word"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strstr(text, words[i]) != NULL)
			fail_msg("\"%s\" is shown: %s", words[i], text);
}

/* Neither by errors, events, dumps nor on standard error. */
static void
end_quietly(opening *o, const clerk *c)
{
	char dumped[8192] = "";
	FILE *out = tmpfile();

	assert_non_null(out);
	qpool_dump(o->pool, fileno(out));
	assert_true(pread(fileno(out), dumped, sizeof dumped - 1, 0) > 0);
	(void)fclose(out);
	shows_no_password(dumped);
	shows_no_password(c->told);
	shows_no_password(o->error.message);
	assert_true(c->is_clean);
	opening_end(o);
}

static void
expect_user(opening *o, const char *user)
{
	assert_string_equal(opening_say(opening_take(o), "SELECT session_user"), user);
}

/* ---- asked --------------------------------------------------------------------------- */

static void
asked_for_each_connect(void **state)
{
	clerk c = {.answers = {{.user = "alice", .password = "alices-word"},
		       {.user = "bob", .password = "bobs-word"},
		       {.user = "alice", .password = "alices-word"}}};
	opening o = asking(&c, "");

	(void)state;
	assert_int_equal(c.calls, 0);
	expect_user(&o, "alice");
	opening_put(&o);
	expect_user(&o, "alice");
	assert_int_equal(c.calls, 1);
	assert_int_equal(qpool_discard(&o.lease), QPOOL_OK);
	expect_user(&o, "bob");
	assert_int_equal(qpool_discard(&o.lease), QPOOL_OK);
	expect_user(&o, "alice");
	opening_put(&o);
	assert_int_equal(c.calls, 3);
	for (int i = 0; i < 3; i++)
		assert_false(c.asked_again[i]);
	end_quietly(&o, &c);
}

static void
wins_over_the_conninfo(void **state)
{
	clerk c = {.answers = {{.user = "alice", .password = "alices-word"}, {.user = NULL},
		       {.password = "bobs-word"}, {.user = "alice"}}};
	opening o = asking(&c, "user=bob password=wrong-word");

	(void)state;
	expect_user(&o, "alice");
	opening_put(&o);
	end_quietly(&o, &c);
	/* What it leaves out is as the conninfo says. */
	o = asking(&c, "user=bob password=bobs-word");
	expect_user(&o, "bob");
	opening_put(&o);
	end_quietly(&o, &c);
	o = asking(&c, "user=bob password=wrong-word");
	expect_user(&o, "bob");
	opening_put(&o);
	end_quietly(&o, &c);
	o = asking(&c, "user=bob password=alices-word");
	expect_user(&o, "alice");
	opening_put(&o);
	end_quietly(&o, &c);
	assert_int_equal(c.calls, 4);
}

/* ---- asked again --------------------------------------------------------------------- */

static void
asked_again_after_a_refusal(void **state)
{
	clerk c = {.answers = {{.user = "alice", .password = "old-word"},
		       {.user = "alice", .password = "alices-word"},
		       {.user = "alice", .password = "alices-word"}}};
	opening o = asking(&c, "");

	(void)state;
	expect_user(&o, "alice");
	assert_int_equal(c.calls, 2);
	assert_false(c.asked_again[0]);
	assert_true(c.asked_again[1]);
	assert_int_equal(opening_stats(&o).open_failures, 0);
	/* The next connect begins anew. */
	assert_int_equal(qpool_discard(&o.lease), QPOOL_OK);
	expect_user(&o, "alice");
	assert_int_equal(c.calls, 3);
	assert_false(c.asked_again[2]);
	opening_put(&o);
	end_quietly(&o, &c);
}

static void
refused_twice(void **state)
{
	clerk c = {.answers = {{.user = "alice", .password = "old-word"},
		       {.user = "alice", .password = "wrong-word"},
		       {.user = "alice", .password = "alices-word"}}};
	opening o = asking(&c, "");

	(void)state;
	opening_refused(&o, QPOOL_EDENIED, "28P01", "password authentication failed");
	assert_int_equal(c.calls, 2);
	assert_true(c.asked_again[1]);
	assert_true(strlen(c.told) > 0);
	end_quietly(&o, &c);
}

/* Other words of class 28: no password at all, and a server that rejects the user. */
static void
asked_again_after_any_28(void **state)
{
	clerk none = {.answers = {{.user = "alice"}, {.user = "alice", .password = "alices-word"}}};
	clerk rejected = {
	    .answers = {{.user = "mallory"}, {.user = "bob", .password = "bobs-word"}}};
	clerk unknown = {.answers = {{.user = "nobody-here"}, {.user = "nobody-here"}}};
	opening o = asking(&none, "");

	(void)state;
	expect_user(&o, "alice");
	assert_int_equal(none.calls, 2);
	opening_put(&o);
	end_quietly(&o, &none);
	o = asking(&rejected, "");
	expect_user(&o, "bob");
	assert_int_equal(rejected.calls, 2);
	opening_put(&o);
	end_quietly(&o, &rejected);
	o = asking(&unknown, "");
	opening_refused(&o, QPOOL_EDENIED, "28000", "nobody-here");
	assert_int_equal(unknown.calls, 2);
	end_quietly(&o, &unknown);
}

static void
not_asked_again_for_other_errors(void **state)
{
	clerk c = {.answers = {{.user = "alice", .password = "alices-word"}}};
	opening o = asking(&c, "dbname=nowhere");

	(void)state;
	opening_refused(&o, QPOOL_EDENIED, "3D000", "nowhere");
	assert_int_equal(c.calls, 1);
	end_quietly(&o, &c);
	c.calls = 0;
	o = asking(&c, "host=/nowhere");
	opening_refused(&o, QPOOL_EOPEN, "", "/nowhere");
	assert_int_equal(c.calls, 1);
	end_quietly(&o, &c);
}

/* The second answer meets another error: that one counts. */
static void
asked_again_and_another_error(void **state)
{
	clerk c = {.answers = {{.user = "alice", .password = "old-word"},
		       {.user = "alice", .password = "alices-word"}}};
	opening o = asking(&c, "dbname=nowhere");

	(void)state;
	opening_refused(&o, QPOOL_EDENIED, "3D000", "nowhere");
	assert_null(strstr(o.error.message, "password authentication failed"));
	assert_int_equal(c.calls, 2);
	end_quietly(&o, &c);
}

/* ---- its own failures ---------------------------------------------------------------- */

static void
fails_with(qpool_err err, const char *message, qpool_err expected, const char *words)
{
	clerk c = {
	    .answers = {
		{.user = "alice", .password = "alices-word", .err = err, .message = message}}};
	opening o = asking(&c, "");

	opening_refused(&o, expected, "", words);
	assert_int_equal(c.calls, 1);
	end_quietly(&o, &c);
}

static void
fails_by_itself(void **state)
{
	clerk c = {.answers = {{.user = "alice", .password = "old-word"},
		       {.err = QPOOL_EFULL, .message = "the vault is sealed"}}};
	opening o;

	(void)state;
	fails_with(QPOOL_EDENIED, "the vault says no", QPOOL_EDENIED, "the vault says no");
	fails_with(QPOOL_EFULL, "too many for the vault", QPOOL_EFULL, "too many for the vault");
	/* The pool knows three kinds of failed opens. */
	fails_with(QPOOL_ETIMEOUT, "the vault is slow", QPOOL_EOPEN, "the vault is slow");
	fails_with(QPOOL_EDENIED, NULL, QPOOL_EDENIED, "credentials failed without a word");
	/* When it is asked again, its failure counts. */
	o = asking(&c, "");
	opening_refused(&o, QPOOL_EFULL, "", "the vault is sealed");
	assert_int_equal(c.calls, 2);
	end_quietly(&o, &c);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asked_for_each_connect),
	    cmocka_unit_test(wins_over_the_conninfo),
	    cmocka_unit_test(asked_again_after_a_refusal),
	    cmocka_unit_test(refused_twice),
	    cmocka_unit_test(asked_again_after_any_28),
	    cmocka_unit_test(not_asked_again_for_other_errors),
	    cmocka_unit_test(asked_again_and_another_error),
	    cmocka_unit_test(fails_by_itself),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_credentials", tests, begin, end);
}
