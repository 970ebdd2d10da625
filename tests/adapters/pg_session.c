/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_session: what a new session is when its first holder gets it: callbacks and statements that ran,
 * settings in force, the socket's options, where its notices go, what it is called.
 */
#include "pg_opening.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pg_server *server;

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* ---- on_connect ---------------------------------------------------------------------- */

/* What a callback does and what it saw. */
typedef struct ear {
	const char *sql;     /* run, or NULL */
	qpool_err answer;    /* returned */
	const char *message; /* NULL: *error is not filled */
	const char *native;
	unsigned calls, notices;
	char notice[128];
	qpool_nsec budget;
} ear;

static qpool_err
hear(ear *e, PGconn *conn, qpool_error *error)
{
	e->calls++;
	if (e->sql != NULL)
		PQclear(PQexec(conn, e->sql));
	if (e->answer == QPOOL_OK || e->message == NULL)
		return e->answer;
	/* As a program does that relies on it: without a look at NULL. */
	(void)snprintf(error->message, sizeof error->message, "%s", e->message);
	(void)snprintf(error->native, sizeof error->native, "%s", e->native);
	return e->answer;
}

static qpool_err
on_connect(void *user, PGconn *conn, const qpool_step *step, qpool_error *error)
{
	ear *e = user;

	e->budget = step->budget;
	return hear(e, conn, error);
}

static void
on_connect_once(void **state)
{
	ear e = {.sql = "SET work_mem = '99kB'"};
	opening o = opening_init();

	(void)state;
	o.pg.on_connect = on_connect;
	o.pg.user = &e;
	o.options.open_budget = QPOOL_SEC(50);
	opening_pool(&o, "%s", pg_server_conninfo(server));
	assert_int_equal(e.calls, 0);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(opening_say(opening_take(&o), "SHOW work_mem"), "99kB");
		opening_put(&o);
	}
	assert_int_equal(e.calls, 1);
	assert_true(e.budget > 0 && e.budget < QPOOL_SEC(50));
	(void)opening_take(&o);
	assert_int_equal(qpool_discard(&o.lease), QPOOL_OK);
	(void)opening_take(&o);
	assert_int_equal(e.calls, 2);
	opening_put(&o);
	opening_end(&o);
}

static void
on_connect_refuses(ear e, qpool_err code, const char *native, const char *words)
{
	opening o = opening_init();

	o.pg.on_connect = on_connect;
	o.pg.user = &e;
	opening_pool(&o, "%s application_name=refused", pg_server_conninfo(server));
	opening_refused(&o, code, native, words);
	assert_int_equal(e.calls, 1);
	assert_int_equal(opening_stats(&o).opens, 0);
	opening_end(&o);
	pg_await(
	    server, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'refused'");
}

static void
on_connect_fails(void **state)
{
	(void)state;
	on_connect_refuses(
	    (ear){.answer = QPOOL_EDENIED, .message = "not this one", .native = "P0001"},
	    QPOOL_EDENIED, "P0001", "not this one");
	on_connect_refuses((ear){.answer = QPOOL_EPEER, .message = "no use", .native = ""},
	    QPOOL_EOPEN, "", "no use");
	on_connect_refuses((ear){.answer = QPOOL_ECHECK}, QPOOL_EOPEN, "", "on_connect");
	on_connect_refuses((ear){.answer = QPOOL_EDENIED}, QPOOL_EDENIED, "", "on_connect");
}

static void
on_connect_leaves_a_transaction(void **state)
{
	(void)state;
	on_connect_refuses((ear){.sql = "BEGIN"}, QPOOL_EOPEN, "",
	    "on_connect left a transaction or a result open; end it there");
	on_connect_refuses(
	    (ear){.sql = "BEGIN; SELECT 1/0"}, QPOOL_EOPEN, "", "on_connect left a transaction");
}

static qpool_err
leave_a_pipeline(void *user, PGconn *conn, const qpool_step *step, qpool_error *error)
{
	(void)user;
	(void)step;
	(void)error;
	return PQenterPipelineMode(conn) ? QPOOL_OK : QPOOL_EOPEN;
}

static void
on_connect_leaves_a_pipeline(void **state)
{
	opening o = opening_init();

	(void)state;
	o.pg.on_connect = leave_a_pipeline;
	opening_pool(&o, "%s", pg_server_conninfo(server));
	opening_refused(&o, QPOOL_EOPEN, "", "on_connect left a pipeline open; end it there");
	opening_end(&o);
}

static void
on_connect_loses_the_connection(void **state)
{
	(void)state;
	on_connect_refuses((ear){.sql = "SELECT pg_terminate_backend(pg_backend_pid())"},
	    QPOOL_EOPEN, "", "terminating connection");
}

/* ---- at_connect ---------------------------------------------------------------------- */

static void
at_connect_refuses(
    const char *const *statements, qpool_err code, const char *native, const char *words)
{
	opening o = opening_init();

	o.pg.at_connect = statements;
	opening_pool(&o, "%s", pg_server_conninfo(server));
	opening_refused(&o, code, native, words);
	assert_null(strstr(o.error.message, "hunter2"));
	assert_int_equal(opening_stats(&o).opens, 0);
	opening_end(&o);
}

static void
at_connect_fails(void **state)
{
	(void)state;
	at_connect_refuses(
	    (const char *const[]){"SELECT 1", "SELECT 'hunter2' FROM nowhere", "SELECT 2", NULL},
	    QPOOL_EDENIED, "42P01", "at_connect[1]");
	at_connect_refuses((const char *const[]){"SELECT 'hunter2', 1/0", NULL}, QPOOL_EOPEN,
	    "22012", "at_connect[0]");
	at_connect_refuses((const char *const[]){"SELECT 1", "SELECT 2",
			       "SELECT set_config('app.pw', 'hunter2', false), 1/0", NULL},
	    QPOOL_EOPEN, "22012", "at_connect[2]");
	at_connect_refuses((const char *const[]){"SELECT 'hunter2'",
			       "SELECT pg_terminate_backend(pg_backend_pid())", NULL},
	    QPOOL_EOPEN, "57P01", "at_connect[1]");
}

static void
at_connect_before_on_connect(void **state)
{
	static const char *const statements[] = {
	    "CREATE TEMP TABLE hers (n int)", "INSERT INTO hers VALUES (1)", NULL};
	ear e = {.sql = "UPDATE hers SET n = n + 1"};
	opening o = opening_init();

	(void)state;
	o.pg.at_connect = statements;
	o.pg.on_connect = on_connect;
	o.pg.user = &e;
	opening_pool(&o, "%s", pg_server_conninfo(server));
	assert_string_equal(opening_say(opening_take(&o), "SELECT n FROM hers"), "2");
	opening_put(&o);
	opening_end(&o);
}

/* What the program itself made read-only has not lost anything. */
static void
read_only_by_at_connect(void **state)
{
	static const char *const statements[] = {"SET default_transaction_read_only = on", NULL};
	opening o = opening_init();
	PGresult *result;
	PGconn *conn;
	int pid;

	(void)state;
	o.pg.at_connect = statements;
	opening_pool(&o, "%s", pg_server_conninfo(server));
	conn = opening_take(&o);
	pid = PQbackendPID(conn);
	result = PQexec(conn, "CREATE TABLE nix (a int)");
	assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "25006");
	assert_false(qpool_pg_note(&o.lease, result));
	PQclear(result);
	opening_put(&o);
	for (int i = 0; i < 2; i++) {
		qpool_suspect(o.pool);
		assert_int_equal(PQbackendPID(opening_take(&o)), pid);
		opening_put(&o);
	}
	assert_int_equal(opening_stats(&o).closes[QPOOL_WHY_CHECK], 0);
	opening_end(&o);
}

/* As a wrapper calls it that has no use for words: the code is the same. */
static void
nobody_reads_the_error(void **state)
{
	static const char *const statements[] = {"SELECT * FROM nowhere", NULL};
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	qpool_step step = {.size = sizeof step, .budget = OPENING_PATIENCE};
	void *user, *resource;

	(void)state;
	pg.at_connect = statements;
	assert_int_equal(
	    qpool_pg_ops(pg_server_conninfo(server), &pg, &options, &ops, &user, NULL), QPOOL_OK);
	assert_int_equal(ops.open(user, &step, &resource, NULL), QPOOL_EDENIED);
	ops.destroy(user);
	pg.at_connect = NULL;
	assert_int_equal(qpool_pg_ops("host=/nowhere", &pg, &options, &ops, &user, NULL), QPOOL_OK);
	assert_int_equal(ops.open(user, &step, &resource, NULL), QPOOL_EOPEN);
	ops.destroy(user);
}

/* ---- settings and names -------------------------------------------------------------- */

static const char *const shown[] = {"default_transaction_isolation", "statement_timeout",
    "lock_timeout", "idle_in_transaction_session_timeout", "default_transaction_read_only",
    "default_transaction_deferrable"};
enum { SHOWN = sizeof shown / sizeof shown[0] };

static void
expect_settings(opening *o, const char *more, const char *const expected[SHOWN])
{
	PGconn *conn;

	opening_pool(o, "%s%s", pg_server_conninfo(server), more);
	conn = opening_take(o);
	for (size_t i = 0; i < SHOWN; i++) {
		char sql[64];
		(void)snprintf(sql, sizeof sql, "SHOW %s", shown[i]);
		assert_string_equal(opening_say(conn, sql), expected[i]);
	}
	opening_put(o);
	opening_end(o);
}

static void
settings_in_force(void **state)
{
	opening o = opening_init();

	(void)state;
	expect_settings(
	    &o, "", (const char *const[SHOWN]){"read committed", "0", "0", "0", "off", "off"});
	o = opening_init();
	o.pg.isolation_level = QPOOL_PG_SERIALIZABLE;
	o.pg.flags = QPOOL_PG_READ_ONLY | QPOOL_PG_DEFERRABLE;
	o.pg.statement_timeout = QPOOL_MSEC(1500);
	o.pg.lock_timeout = 1; /* rounded up */
	o.pg.idle_in_transaction_session_timeout = QPOOL_SEC(60);
	expect_settings(&o, "",
	    (const char *const[SHOWN]){"serializable", "1500ms", "1ms", "1min", "on", "on"});
	/* The server's default is not the pool's; ZERO: none. */
	pg_do(server,
	    "ALTER ROLE postgres SET statement_timeout = 7000; ALTER ROLE postgres SET "
	    "default_transaction_read_only = on; ALTER ROLE postgres SET lock_timeout = 5000");
	o = opening_init();
	o.pg.isolation_level = QPOOL_PG_REPEATABLE_READ;
	o.pg.flags = QPOOL_PG_READ_WRITE;
	o.pg.statement_timeout = QPOOL_ZERO;
	expect_settings(
	    &o, "", (const char *const[SHOWN]){"repeatable read", "0", "5s", "0", "off", "off"});
	pg_do(server, "SET default_transaction_read_only = off; ALTER ROLE postgres RESET ALL");
	o = opening_init();
	expect_settings(&o,
	    " pool_isolation_level=serializable pool_statement_timeout=3s pool_read_only=1",
	    (const char *const[SHOWN]){"serializable", "3s", "0", "0", "on", "off"});
}

static void
expect_name(opening *o, const char *more, const char *expected)
{
	opening_pool(o, "%s%s", pg_server_conninfo(server), more);
	assert_string_equal(opening_say(opening_take(o), "SHOW application_name"), expected);
	opening_put(o);
	opening_end(o);
}

static void
application_names(void **state)
{
	opening o = opening_init();

	(void)state;
	o.options.name = "orders";
	expect_name(&o, "", "orders");
	o = opening_init();
	(void)snprintf(o.options.name_text, sizeof o.options.name_text, "by text");
	expect_name(&o, "", "by text");
	o.pg.application_name = "shop";
	expect_name(&o, "", "shop");
	expect_name(&o, " application_name=web", "web");
	o.pg.application_name = NULL;
	expect_name(&o, " fallback_application_name=spare", "spare");
}

static void
described(void **state)
{
	opening o = opening_init();
	char expected[128], file[8192] = "";
	FILE *out = tmpfile();
	PGconn *conn;

	(void)state;
	assert_non_null(out);
	o.pg.pooler = QPOOL_PG_POOLER_NONE;
	opening_pool(&o, "%s password=hunter2", pg_server_tcp_conninfo(server));
	conn = opening_take(&o);
	(void)snprintf(expected, sizeof expected, "pid %d at 127.0.0.1:%d, database postgres",
	    PQbackendPID(conn), pg_server_port(server));
	qpool_dump(o.pool, fileno(out));
	assert_true(pread(fileno(out), file, sizeof file - 1, 0) > 0);
	if (strstr(file, expected) == NULL)
		fail_msg("\"%s\" is not in: %s", expected, file);
	assert_null(strstr(file, "hunter2"));
	(void)fclose(out);
	opening_put(&o);
	opening_end(&o);
}

static bool
note_description(void *user, const qpool_entry *entry)
{
	(void)snprintf(user, 128, "%s", entry->describe);
	return true;
}

static void
described_to_each(void **state)
{
	opening o = opening_init();
	char expected[128], told[128] = "";

	(void)state;
	opening_pool(&o, "%s", pg_server_tcp_conninfo(server));
	(void)snprintf(expected, sizeof expected, "pid %d at 127.0.0.1:%d, database postgres",
	    PQbackendPID(opening_take(&o)), pg_server_port(server));
	(void)qpool_each(o.pool, note_description, told);
	assert_string_equal(told, expected);
	opening_put(&o);
	opening_end(&o);
}

/* ---- the socket ---------------------------------------------------------------------- */

static int
socket_says(const PGconn *conn, int level, int option)
{
	int value = -1;
	socklen_t length = sizeof value;

	assert_int_equal(getsockopt(PQsocket(conn), level, option, &value, &length), 0);
	return value;
}

static void
expect_socket(const char *more, int is_kept, int idle, int interval, int count, int timeout)
{
	opening o = opening_init();
	PGconn *conn;

	opening_pool(&o, "%s%s", pg_server_tcp_conninfo(server), more);
	conn = opening_take(&o);
	assert_int_equal(socket_says(conn, SOL_SOCKET, SO_KEEPALIVE), is_kept);
	if (is_kept) {
		assert_int_equal(socket_says(conn, IPPROTO_TCP, TCP_KEEPIDLE), idle);
		assert_int_equal(socket_says(conn, IPPROTO_TCP, TCP_KEEPINTVL), interval);
		assert_int_equal(socket_says(conn, IPPROTO_TCP, TCP_KEEPCNT), count);
	}
	assert_int_equal(socket_says(conn, IPPROTO_TCP, TCP_USER_TIMEOUT), timeout);
	opening_put(&o);
	opening_end(&o);
}

static void
keepalives(void **state)
{
	(void)state;
	expect_socket("", 1, 30, 10, 3, 15000);
	expect_socket(" keepalives_idle=77", 1, 77, 10, 3, 15000);
	expect_socket(
	    " keepalives_interval=7 keepalives_count=9 tcp_user_timeout=4321", 1, 30, 7, 9, 4321);
	/* Without keepalives libpq sets no timeout either. */
	expect_socket(" keepalives=0", 0, 0, 0, 0, 0);
	expect_socket(" tcp_user_timeout=0", 1, 30, 10, 3, 0);
}

/* ---- notices ------------------------------------------------------------------------- */

static void
on_notice(void *user, const PGresult *notice)
{
	ear *e = user;

	e->notices++;
	(void)snprintf(
	    e->notice, sizeof e->notice, "%s", PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
}

#define RAISE(words) "DO $$ BEGIN RAISE WARNING '" words "'; END $$"

/* Of at_connect, of a holder, and of the pool's ROLLBACK. */
static void
raise_everywhere(opening *o)
{
	static const char *const statements[] = {RAISE("at connect"), NULL};
	int saved = opening_hush_begin();
	char *printed;

	o->pg.at_connect = statements;
	opening_pool(o, "%s", pg_server_conninfo(server));
	(void)opening_say(opening_take(o), RAISE("hers"));
	(void)opening_say(qpool_pg_conn(&o->lease), "COMMIT");
	opening_put(o);
	opening_end(o);
	printed = opening_hush_end(saved);
	assert_string_equal(printed, "");
	free(printed);
}

static void
notices_are_told(void **state)
{
	ear e = {0};
	opening o = opening_init();

	(void)state;
	raise_everywhere(&o); /* dropped */
	o = opening_init();
	o.pg.on_notice = on_notice;
	o.pg.user = &e;
	raise_everywhere(&o);
	assert_int_equal(e.notices, 3);
	assert_string_equal(e.notice, "there is no transaction in progress");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(on_connect_once),
	    cmocka_unit_test(on_connect_fails),
	    cmocka_unit_test(on_connect_leaves_a_transaction),
	    cmocka_unit_test(on_connect_leaves_a_pipeline),
	    cmocka_unit_test(on_connect_loses_the_connection),
	    cmocka_unit_test(at_connect_fails),
	    cmocka_unit_test(at_connect_before_on_connect),
	    cmocka_unit_test(read_only_by_at_connect),
	    cmocka_unit_test(nobody_reads_the_error),
	    cmocka_unit_test(settings_in_force),
	    cmocka_unit_test(application_names),
	    cmocka_unit_test(described),
	    cmocka_unit_test(described_to_each),
	    cmocka_unit_test(keepalives),
	    cmocka_unit_test(notices_are_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_session", tests, begin, end);
}
