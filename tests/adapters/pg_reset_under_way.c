/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_reset_under_way: the leftovers that are not over: COPY, pipelines, results.  Each is brought to where it is by
 * waiting for the server, so that the return finds the same each time.
 */
#include "pg_reset_under_way.h"

#include <poll.h>

static void
send(const pg_stay *s, const char *sql)
{
	assert_int_equal(PQsendQuery(s->conn, sql), 1);
}

/* Until PQgetResult would not wait. */
static void
await_result(const pg_stay *s)
{
	while (PQisBusy(s->conn)) {
		struct pollfd at = {.fd = PQsocket(s->conn), .events = POLLIN};

		assert_int_equal(PQflush(s->conn), 0);
		(void)poll(&at, 1, 30000);
		assert_int_equal(PQconsumeInput(s->conn), 1);
	}
}

static void
expect(const pg_stay *s, ExecStatusType status)
{
	PGresult *result;

	await_result(s);
	result = PQgetResult(s->conn);
	assert_int_equal(PQresultStatus(result), status);
	PQclear(result);
}

/* ---- COPY --------------------------------------------------------------------------- */

void
pg_leave_copy_in(pg_stay *s)
{
	send(s, "COPY t FROM STDIN");
	expect(s, PGRES_COPY_IN);
	assert_int_equal(PQputCopyData(s->conn, "99\n", 3), 1);
}

void
pg_leave_copy_in_unread(pg_stay *s)
{
	send(s, "COPY t FROM STDIN");
	await_result(s);
}

void
pg_leave_copy_in_transaction(pg_stay *s)
{
	(void)pg_say(s->conn, "BEGIN; DELETE FROM t; INSERT INTO t VALUES (99)");
	pg_leave_copy_in(s);
}

void
pg_leave_copy_out(pg_stay *s)
{
	char *line = NULL;

	send(s, "COPY t TO STDOUT");
	expect(s, PGRES_COPY_OUT);
	assert_int_equal(PQgetCopyData(s->conn, &line, 0), 2);
	PQfreemem(line);
}

void
pg_leave_huge_copy_out(pg_stay *s)
{
	char *line = NULL;

	send(s, "COPY (SELECT generate_series(1, 1000000000)) TO STDOUT");
	expect(s, PGRES_COPY_OUT);
	assert_int_equal(PQgetCopyData(s->conn, &line, 0), 2);
	PQfreemem(line);
}

/* ---- pipelines ---------------------------------------------------------------------- */

void
pg_queue(const pg_stay *s, const char *sql)
{
	assert_int_equal(PQsendQueryParams(s->conn, sql, 0, NULL, NULL, NULL, NULL, 0), 1);
}

void
pg_leave_empty_pipeline(pg_stay *s)
{
	assert_int_equal(PQenterPipelineMode(s->conn), 1);
}

void
pg_leave_unsent_pipeline(pg_stay *s)
{
	pg_leave_empty_pipeline(s);
	pg_queue(s, "INSERT INTO t VALUES (99)");
}

/* The server has done it, and waits for a sync to commit it. */
void
pg_leave_unsynced_pipeline(pg_stay *s)
{
	pg_leave_unsent_pipeline(s);
	assert_int_equal(PQsendFlushRequest(s->conn), 1);
	expect(s, PGRES_COMMAND_OK);
	assert_null(PQgetResult(s->conn));
}

void
pg_leave_unread_pipeline(pg_stay *s)
{
	pg_leave_empty_pipeline(s);
	pg_queue(s, "SELECT 1");
	pg_queue(s, "SELECT generate_series(1, 100)");
	assert_int_equal(PQpipelineSync(s->conn), 1);
	await_result(s);
}

void
pg_leave_transaction_in_pipeline(pg_stay *s)
{
	pg_leave_empty_pipeline(s);
	pg_queue(s, "BEGIN");
	pg_queue(s, "INSERT INTO t VALUES (99)");
	assert_int_equal(PQpipelineSync(s->conn), 1);
	await_result(s);
	pg_queue(s, "INSERT INTO t VALUES (98)");
}

void
pg_leave_aborted_pipeline(pg_stay *s)
{
	pg_leave_empty_pipeline(s);
	pg_queue(s, "INSERT INTO t VALUES (99)");
	pg_queue(s, "SELECT 1/0");
	pg_queue(s, "INSERT INTO t VALUES (98)");
	assert_int_equal(PQsendFlushRequest(s->conn), 1);
	expect(s, PGRES_COMMAND_OK);
	assert_null(PQgetResult(s->conn));
	expect(s, PGRES_FATAL_ERROR);
	assert_int_equal(PQpipelineStatus(s->conn), PQ_PIPELINE_ABORTED);
}

/* ---- results ------------------------------------------------------------------------ */

void
pg_leave_unread(pg_stay *s)
{
	send(s, "SELECT 1; SELECT generate_series(1, 100)");
	await_result(s);
}

void
pg_leave_unread_error(pg_stay *s)
{
	send(s, "SELECT 1/0");
	await_result(s);
}

void
pg_leave_unread_transaction(pg_stay *s)
{
	send(s, "BEGIN; INSERT INTO t VALUES (99)");
	await_result(s);
}

/* Until the server is at it, and a cancel finds something. */
static void
await_running(const pg_stay *s)
{
	char sql[128];

	assert_int_equal(PQflush(s->conn), 0);
	(void)snprintf(sql, sizeof sql,
	    "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %d", PQbackendPID(s->conn));
	pg_await(s->server, sql);
}

void
pg_leave_huge(pg_stay *s)
{
	send(s, "SELECT generate_series(1, 1000000000)");
	await_running(s);
}

void
pg_leave_huge_in_single_rows(pg_stay *s)
{
	send(s, "SELECT generate_series(1, 1000000000)");
	assert_int_equal(PQsetSingleRowMode(s->conn), 1);
	expect(s, PGRES_SINGLE_TUPLE);
}

void
pg_leave_slow(pg_stay *s)
{
	send(s, "SELECT pg_sleep(600)");
	await_running(s);
}

void
pg_leave_slow_in_transaction(pg_stay *s)
{
	(void)pg_say(s->conn, "BEGIN; DELETE FROM t; INSERT INTO t VALUES (99)");
	pg_leave_slow(s);
}
