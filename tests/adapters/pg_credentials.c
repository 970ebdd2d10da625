/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_credentials: passwords that rotate.  The server wants one by TCP; a callback says who connects, and is asked
 * once more when it is refused.
 */
#include "pg_kit.h"

#include <queuepool/postgres.h>

#include <stdio.h>
#include <string.h>

static pg_server *server;

static struct {
	unsigned asked, again;
	const char *user, *first, *second; /* the password, and that of the second time */
	qpool_err answer;
	char said[1024]; /* by events */
} keys;

static int
begin(void **state)
{
	const pg_server_options options = {
	    .hba =
		"host all rotating 127.0.0.1/32 scram-sha-256\nhost all other 127.0.0.1/32 trust\n"};

	(void)state;
	server = pg_server_start(&options);
	pg_do(server, "SET password_encryption = 'scram-sha-256';"
		      "CREATE ROLE rotating LOGIN PASSWORD 'S3cret-new'; CREATE ROLE other LOGIN");
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

static qpool_err
ask(void *user, bool again, qpool_pg_credentials *out, qpool_error *error)
{
	qpool_pg_credentials none = qpool_pg_credentials_init();

	(void)user;
	assert_int_equal(out->size, sizeof none);
	assert_memory_equal(out, &none, sizeof none);
	keys.asked++;
	keys.again += again;
	out->user = keys.user;
	out->password = again ? keys.second : keys.first;
	if (keys.answer != QPOOL_OK)
		(void)snprintf(error->message, sizeof error->message, "the vault is locked");
	return keys.answer;
}

static void
hear(void *user, qpool *pool, const qpool_event *event)
{
	(void)user;
	(void)pool;
	if (event->error != NULL)
		(void)snprintf(keys.said, sizeof keys.said, "%s", event->error->message);
}

/* One acquire from a fresh pool; `database` in the conninfo. */
static qpool_err
try(const char *database, qpool_error *error)
{
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_options options = qpool_options_init();
	qpool_lease lease;
	char conninfo[256];
	qpool *pool;
	qpool_err err;

	(void)snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1 port=%d dbname=%s user=nobody password=S3cret-wrong",
	    pg_server_port(server), database);
	pg.credentials = ask;
	options.open_failure = QPOOL_OPEN_TELL;
	options.on_event = hear;
	memset(error, 0, sizeof *error);
	assert_int_equal(qpool_pg_create(&pool, conninfo, &pg, &options, error), QPOOL_OK);
	assert_int_equal(keys.asked, 0);
	err = qpool_acquire(pool, QPOOL_SEC(30), &lease, error);
	if (err == QPOOL_OK)
		assert_string_equal(PQuser(qpool_pg_conn(&lease)), keys.user);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(pool);
	assert_null(strstr(error->message, "S3cret"));
	assert_null(strstr(keys.said, "S3cret"));
	return err;
}

static void
who(const char *user, const char *first, const char *second)
{
	memset(&keys, 0, sizeof keys);
	keys.user = user;
	keys.first = first;
	keys.second = second;
}

static void
asked_for_each_connect(void **state)
{
	qpool_error error;

	(void)state;
	who("rotating", "S3cret-new", "S3cret-worse");
	assert_int_equal(try("postgres", &error), QPOOL_OK);
	assert_int_equal(keys.asked, 1);
	assert_int_equal(keys.again, 0);
}

static void
asked_once_more_when_refused(void **state)
{
	qpool_error error;

	(void)state;
	who("rotating", "S3cret-old", "S3cret-new");
	assert_int_equal(try("postgres", &error), QPOOL_OK);
	assert_int_equal(keys.asked, 2);
	assert_int_equal(keys.again, 1);
}

static void
a_second_refusal_counts(void **state)
{
	qpool_error error;

	(void)state;
	who("rotating", "S3cret-old", "S3cret-older");
	assert_int_equal(try("postgres", &error), QPOOL_EDENIED);
	assert_string_equal(error.native, "28P01");
	assert_int_equal(keys.asked, 2);
}

static void
another_refusal_asks_nobody(void **state)
{
	qpool_error error;

	(void)state;
	who("other", NULL, NULL);
	assert_int_equal(try("nowhere", &error), QPOOL_EDENIED);
	assert_string_equal(error.native, "3D000");
	assert_int_equal(keys.asked, 1);
}

static void
a_callback_that_has_none(void **state)
{
	static const qpool_err says[] = {QPOOL_EDENIED, QPOOL_EOPEN, QPOOL_ESYS};
	static const qpool_err told[] = {QPOOL_EDENIED, QPOOL_EOPEN, QPOOL_EOPEN};
	qpool_error error;

	(void)state;
	for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
		who("rotating", NULL, NULL);
		keys.answer = says[i];
		assert_int_equal(try("postgres", &error), told[i]);
		assert_non_null(strstr(error.message, "the vault is locked"));
		assert_int_equal(keys.asked, 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asked_for_each_connect),
	    cmocka_unit_test(asked_once_more_when_refused),
	    cmocka_unit_test(a_second_refusal_counts),
	    cmocka_unit_test(another_refusal_asks_nobody),
	    cmocka_unit_test(a_callback_that_has_none),
	};
	return cmocka_run_group_tests(tests, begin, finish);
}
