/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_session: what a session is from its connect to its first use: what runs at connect, what is set on
 * its socket, where notices go, what on_lease and BEGIN do, and what is left when it is detached.
 */
#include "pg_scene.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
	unsigned connects, leases, notices;
	qpool_err answer;
	const char *sql;
	char notice[128];
} heard;

static qpool_err
run(PGconn *conn, qpool_error *error)
{
	if (heard.sql != NULL)
		PQclear(PQexec(conn, heard.sql));
	if (heard.answer != QPOOL_OK)
		(void)snprintf(error->message, sizeof error->message, "it does not please");
	return heard.answer;
}

static qpool_err
on_connect(void *user, PGconn *conn, const qpool_step *step, qpool_error *error)
{
	(void)user;
	heard.connects++;
	assert_true(step->budget > 0 && step->budget <= QPOOL_SEC(10));
	return run(conn, error);
}

static qpool_err
on_lease(void *user, PGconn *conn, qpool_error *error)
{
	(void)user;
	heard.leases++;
	return run(conn, error);
}

static void
on_notice(void *user, const PGresult *notice)
{
	(void)user;
	heard.notices++;
	(void)snprintf(heard.notice, sizeof heard.notice, "%s",
	    PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
}

static scene
fresh(void)
{
	scene s = scene_init();

	memset(&heard, 0, sizeof heard);
	s.options.open_failure = QPOOL_OPEN_TELL;
	return s;
}

/* What acquire says when the open fails. */
static qpool_err
refusal(scene *s)
{
	qpool_err err = qpool_acquire(s->pool, QPOOL_SEC(30), &s->lease, &s->error);

	assert_int_not_equal(err, QPOOL_OK);
	return err;
}

/* ---- at connect ---- */

static void
a_callback_after_connect(void **state)
{
	scene s = fresh();

	(void)state;
	s.pg.on_connect = on_connect;
	heard.sql = "SET work_mem = '77kB'";
	scene_open(&s, "");
	assert_string_equal(pg_say(take(&s), "SHOW work_mem"), "77kB");
	put(&s);
	(void)take(&s);
	assert_int_equal(heard.connects, 1);
	assert_int_equal(qpool_discard(&s.lease), QPOOL_OK);
	(void)take(&s);
	assert_int_equal(heard.connects, 2);
	put(&s);
	scene_end(&s);
}

static void
a_callback_that_fails(void **state)
{
	static const qpool_err says[] = {QPOOL_EOPEN, QPOOL_EDENIED, QPOOL_EFULL, QPOOL_EPEER};
	static const qpool_err told[] = {QPOOL_EOPEN, QPOOL_EDENIED, QPOOL_EFULL, QPOOL_EOPEN};

	(void)state;
	for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
		scene s = fresh();
		s.pg.on_connect = on_connect;
		heard.answer = says[i];
		scene_open(&s, "");
		assert_int_equal(refusal(&s), told[i]);
		assert_non_null(strstr(s.error.message, "it does not please"));
		scene_end(&s);
	}
	pg_await(server,
	    "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'postgres'");
}

static void
a_callback_that_leaves_a_transaction(void **state)
{
	scene s = fresh();

	(void)state;
	s.pg.on_connect = on_connect;
	heard.sql = "BEGIN";
	scene_open(&s, "");
	assert_int_equal(refusal(&s), QPOOL_EOPEN);
	assert_non_null(strstr(s.error.message, "on_connect left a transaction"));
	scene_end(&s);
}

static void
statements_that_fail(void **state)
{
	static const char *const unknown[] = {"SET work_mem = '77kB'", "SELEC 'S3cret'", NULL};
	static const char *const passing[] = {"SELECT 1 / 0", NULL};
	scene s = fresh();

	(void)state;
	s.pg.at_connect = unknown;
	scene_open(&s, "");
	assert_int_equal(refusal(&s), QPOOL_EDENIED);
	assert_string_equal(s.error.native, "42601");
	assert_non_null(strstr(s.error.message, "at_connect[1]"));
	assert_null(strstr(s.error.message, "S3cret"));
	scene_end(&s);
	s = fresh();
	s.pg.at_connect = passing;
	scene_open(&s, "");
	assert_int_equal(refusal(&s), QPOOL_EOPEN);
	assert_string_equal(s.error.native, "22012");
	assert_non_null(strstr(s.error.message, "at_connect[0]"));
	scene_end(&s);
}

static void
the_pools_name_is_the_applications(void **state)
{
	scene s = fresh();

	(void)state;
	s.options.name = "orders";
	scene_open(&s, "");
	assert_string_equal(pg_say(take(&s), "SHOW application_name"), "orders");
	put(&s);
	scene_end(&s);
	s = fresh();
	s.options.name = "orders";
	scene_open(&s, " application_name=mine");
	assert_string_equal(pg_say(take(&s), "SHOW application_name"), "mine");
	put(&s);
	scene_end(&s);
}

/* ---- the socket ---- */

static int
option_of(const PGconn *conn, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof value;

	assert_int_equal(getsockopt(PQsocket(conn), level, name, &value, &size), 0);
	return value;
}

static void
a_silent_peer_is_noticed(void **state)
{
	scene s = fresh();
	PGconn *conn;

	(void)state;
	s.pg.user = &s;
	assert_int_equal(
	    qpool_pg_create(&s.pool, pg_server_tcp_conninfo(server), &s.pg, &s.options, NULL), 0);
	conn = take(&s);
	assert_int_not_equal(option_of(conn, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option_of(conn, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	assert_int_equal(option_of(conn, IPPROTO_TCP, TCP_KEEPINTVL), 10);
	assert_int_equal(option_of(conn, IPPROTO_TCP, TCP_KEEPCNT), 3);
	assert_int_equal(option_of(conn, IPPROTO_TCP, TCP_USER_TIMEOUT), 15000);
	put(&s);
	scene_end(&s);
}

static void
as_the_conninfo_says(void **state)
{
	char conninfo[512];
	scene s = fresh();
	PGconn *conn;

	(void)state;
	(void)snprintf(conninfo, sizeof conninfo, "%s keepalives_idle=77 tcp_user_timeout=4321",
	    pg_server_tcp_conninfo(server));
	assert_int_equal(qpool_pg_create(&s.pool, conninfo, &s.pg, &s.options, NULL), 0);
	conn = take(&s);
	assert_int_equal(option_of(conn, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	assert_int_equal(option_of(conn, IPPROTO_TCP, TCP_KEEPINTVL), 10);
	assert_int_equal(option_of(conn, IPPROTO_TCP, TCP_USER_TIMEOUT), 4321);
	put(&s);
	scene_end(&s);
}

/* ---- notices ---- */

/* What is written to stderr meanwhile; from a file, as a pipe may fill. */
typedef struct ear {
	FILE *file;
	int kept;
} ear;

static ear
listen_to_stderr(void)
{
	ear e = {.file = tmpfile(), .kept = dup(2)};

	assert_non_null(e.file);
	(void)fflush(stderr);
	assert_int_equal(dup2(fileno(e.file), 2), 2);
	return e;
}

static long
end_listening(ear e)
{
	long length;

	(void)fflush(stderr);
	(void)dup2(e.kept, 2);
	(void)close(e.kept);
	length = lseek(fileno(e.file), 0, SEEK_END);
	(void)fclose(e.file);
	return length;
}

static void
notices_are_never_printed(void **state)
{
	scene s = fresh();
	ear e;

	(void)state;
	for (int hears = 0; hears < 2; hears++) {
		s = fresh();
		s.pg.on_notice = hears ? on_notice : NULL;
		scene_open(&s, "");
		e = listen_to_stderr();
		PQclear(PQexec(take(&s), "ROLLBACK"));
		put(&s);
		assert_int_equal(end_listening(e), 0);
		assert_int_equal(heard.notices, hears);
		scene_end(&s);
	}
	assert_string_equal(heard.notice, "there is no transaction in progress");
}

/* ---- first use ---- */

static void
once_a_lease_at_first_use(void **state)
{
	scene s = fresh();

	(void)state;
	s.pg.on_lease = on_lease;
	scene_open(&s, "");
	for (unsigned i = 1; i <= 3; i++) {
		(void)take(&s);
		assert_non_null(qpool_pg_conn(&s.lease));
		assert_int_equal(heard.leases, i);
		put(&s);
	}
	assert_int_equal(qpool_acquire(s.pool, QPOOL_SEC(9), &s.lease, NULL), QPOOL_OK);
	put(&s); /* untouched */
	assert_int_equal(heard.leases, 3);
	scene_end(&s);
}

static void
a_first_use_that_fails(void **state)
{
	scene s = fresh();
	PGconn *conn = NULL;

	(void)state;
	s.pg.on_lease = on_lease;
	scene_open(&s, "");
	heard.answer = QPOOL_EDENIED;
	assert_int_equal(qpool_acquire(s.pool, QPOOL_SEC(9), &s.lease, NULL), QPOOL_OK);
	assert_int_equal(qpool_pg_use(&s.lease, &conn, &s.error), QPOOL_EDENIED);
	assert_null(conn);
	assert_non_null(strstr(s.error.message, "it does not please"));
	assert_null(qpool_pg_conn(&s.lease));
	put(&s);
	assert_int_equal(stats(&s).closes[QPOOL_WHY_DISCARDED], 1);
	heard.answer = QPOOL_OK;
	(void)take(&s);
	put(&s);
	scene_end(&s);
}

static void
without_autocommit(void **state)
{
	scene s = fresh();
	PGconn *conn;

	(void)state;
	s.pg.flags = QPOOL_PG_TRANSACTION | QPOOL_PG_READ_ONLY;
	s.pg.isolation_level = QPOOL_PG_REPEATABLE_READ;
	scene_open(&s, "");
	conn = take(&s);
	assert_int_equal(PQtransactionStatus(conn), PQTRANS_INTRANS);
	assert_string_equal(pg_say(conn, "SHOW transaction_isolation"), "repeatable read");
	assert_string_equal(pg_say(conn, "SHOW transaction_read_only"), "on");
	assert_int_equal(qpool_pg_commit(&s.lease, &s.error), QPOOL_OK);
	assert_int_equal(PQtransactionStatus(conn), PQTRANS_IDLE);
	assert_ptr_equal(qpool_pg_conn(&s.lease), conn);
	assert_int_equal(PQtransactionStatus(conn), PQTRANS_INTRANS);
	put(&s);
	assert_int_equal(stats(&s).opens, 1);
	scene_end(&s);
}

/* ---- what is shown, and what is left ---- */

static bool
is_described(void *user, const qpool_entry *entry)
{
	char *said = user;

	(void)snprintf(said, 128, "%s", entry->describe);
	return true;
}

static void
a_session_is_described(void **state)
{
	char said[128], should[256];
	scene s = fresh();
	PGconn *conn;

	(void)state;
	s.pg.pooler = QPOOL_PG_POOLER_NONE;
	assert_int_equal(
	    qpool_pg_create(&s.pool, pg_server_tcp_conninfo(server), &s.pg, &s.options, NULL), 0);
	conn = take(&s);
	(void)snprintf(should, sizeof should, "pid %d at 127.0.0.1:%d, database postgres",
	    PQbackendPID(conn), pg_server_port(server));
	assert_int_equal(qpool_each(s.pool, is_described, said), 1);
	assert_string_equal(said, should);
	put(&s);
	scene_end(&s);
}

static void
what_is_detached_lives_on(void **state)
{
	scene s = fresh();
	PGconn *conn;
	ear e;

	(void)state;
	s.pg.on_notice = on_notice;
	scene_open(&s, "");
	(void)take(&s);
	conn = qpool_pg_detach(&s.lease);
	assert_non_null(conn);
	assert_null(s.lease.resource);
	assert_null(qpool_pg_detach(&s.lease));
	scene_end(&s);
	assert_string_equal(pg_say(conn, "SELECT 1"), "1");
	e = listen_to_stderr();
	PQclear(PQexec(conn, "ROLLBACK"));
	assert_int_not_equal(end_listening(e), 0);
	assert_int_equal(heard.notices, 0);
	PQfinish(conn);
}

static void
no_lease_of_ours(void **state)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_error error;
	PGconn *conn;

	(void)state;
	assert_null(qpool_pg_conn(&lease));
	assert_null(qpool_pg_conn(NULL));
	assert_int_equal(qpool_pg_use(&lease, &conn, &error), QPOOL_EMISUSE);
	assert_int_equal(qpool_pg_use(&lease, NULL, &error), QPOOL_EINVAL);
	assert_false(qpool_pg_note(&lease, NULL));
	assert_int_equal(qpool_pg_epoch(NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_callback_after_connect),
	    cmocka_unit_test(a_callback_that_fails),
	    cmocka_unit_test(a_callback_that_leaves_a_transaction),
	    cmocka_unit_test(statements_that_fail),
	    cmocka_unit_test(the_pools_name_is_the_applications),
	    cmocka_unit_test(a_silent_peer_is_noticed),
	    cmocka_unit_test(as_the_conninfo_says),
	    cmocka_unit_test(notices_are_never_printed),
	    cmocka_unit_test(once_a_lease_at_first_use),
	    cmocka_unit_test(a_first_use_that_fails),
	    cmocka_unit_test(without_autocommit),
	    cmocka_unit_test(a_session_is_described),
	    cmocka_unit_test(what_is_detached_lives_on),
	    cmocka_unit_test(no_lease_of_ours),
	};
	return cmocka_run_group_tests(tests, scene_begin, scene_finish);
}
