/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_reset_rows: each leftover twice: how it is left, and how the next holder would notice.
 */
#include "pg_reset_rows.h"

#include "pg_reset_under_way.h"

#include <stdlib.h>
#include <string.h>

#include <libpq-events.h>

void
pg_rows_prepare(pg_server *s)
{
	pg_do(s, "CREATE TABLE t(a int PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3);"
		 "CREATE ROLE other; GRANT ALL ON t TO other; CREATE SEQUENCE counter");
}

const char *
pg_say(PGconn *conn, const char *sql)
{
	static char text[256];
	PGresult *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	(void)snprintf(
	    text, sizeof text, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	return text;
}

static bool
says(const pg_stay *s, const char *sql, const char *expected)
{
	return strcmp(pg_say(s->conn, sql), expected) == 0;
}

static void
leave_nothing(pg_stay *s)
{
	(void)pg_say(s->conn, "SELECT 1");
}

/* ---- transactions ------------------------------------------------------------------- */

static void
leave_transaction(pg_stay *s)
{
	(void)pg_say(s->conn, "BEGIN; DELETE FROM t; INSERT INTO t VALUES (99)");
}

static void
leave_failed_transaction(pg_stay *s)
{
	leave_transaction(s);
	PQclear(PQexec(s->conn, "SELECT 1/0"));
	assert_int_equal(PQtransactionStatus(s->conn), PQTRANS_INERROR);
}

static void
leave_savepoint(pg_stay *s)
{
	leave_transaction(s);
	(void)pg_say(s->conn, "SAVEPOINT one; INSERT INTO t VALUES (98)");
}

static bool
is_written(pg_stay *s)
{
	return !says(s, "SELECT count(*) FROM t WHERE a < 4", "3") ||
	       !says(s, "SELECT count(*) FROM t", "3");
}

/* ---- settings ----------------------------------------------------------------------- */

static void
leave_set(pg_stay *s)
{
	(void)pg_say(s->conn, "SET work_mem = '77kB'");
}

static bool
is_set(pg_stay *s)
{
	return says(s, "SHOW work_mem", "77kB");
}

static void
leave_set_in_transaction(pg_stay *s)
{
	(void)pg_say(s->conn, "BEGIN; SET work_mem = '77kB'");
}

static void
leave_set_local(pg_stay *s)
{
	(void)pg_say(s->conn, "BEGIN; SET LOCAL work_mem = '77kB'");
}

static void
leave_search_path(pg_stay *s)
{
	(void)pg_say(s->conn, "SET search_path = pg_catalog");
}

static bool
is_search_path(pg_stay *s)
{
	return says(s, "SHOW search_path", "pg_catalog");
}

static void
leave_role(pg_stay *s)
{
	(void)pg_say(s->conn, "SET ROLE other");
}

static void
leave_authorization(pg_stay *s)
{
	(void)pg_say(s->conn, "SET SESSION AUTHORIZATION other");
}

static bool
is_other(pg_stay *s)
{
	return says(s, "SELECT current_user", "other");
}

/* ---- what the server keeps for a session -------------------------------------------- */

static void
leave_temp_table(pg_stay *s)
{
	(void)pg_say(s->conn, "CREATE TEMP TABLE x(a int)");
}

static void
leave_temp_table_in_transaction(pg_stay *s)
{
	(void)pg_say(s->conn, "BEGIN; CREATE TEMP TABLE x(a int)");
}

static bool
is_temp_table(pg_stay *s)
{
	return says(s, "SELECT to_regclass('pg_temp.x') IS NOT NULL", "t");
}

static void
leave_listen(pg_stay *s)
{
	(void)pg_say(s->conn, "LISTEN news");
}

static bool
is_listening(pg_stay *s)
{
	return says(s, "SELECT count(*) FROM pg_listening_channels()", "1");
}

static void
leave_lock(pg_stay *s)
{
	(void)pg_say(s->conn, "SELECT pg_advisory_lock(7)");
}

static void
leave_lock_in_transaction(pg_stay *s)
{
	(void)pg_say(s->conn, "BEGIN; SELECT pg_advisory_lock(7)");
}

static void
leave_transaction_lock(pg_stay *s)
{
	(void)pg_say(s->conn, "BEGIN; SELECT pg_advisory_xact_lock(7)");
}

static bool
is_locked(pg_stay *s)
{
	return says(s,
	    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
	    "1");
}

static void
leave_prepare(pg_stay *s)
{
	(void)pg_say(s->conn, "PREPARE p AS SELECT 1");
}

static void
leave_pqprepare(pg_stay *s)
{
	PQclear(PQprepare(s->conn, "p", "SELECT 1", 0, NULL));
}

static bool
is_prepared(pg_stay *s)
{
	return says(s, "SELECT count(*) FROM pg_prepared_statements WHERE name = 'p'", "1");
}

static void
leave_cursor(pg_stay *s)
{
	(void)pg_say(s->conn, "DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t");
}

static void
leave_cursor_in_transaction(pg_stay *s)
{
	(void)pg_say(s->conn, "BEGIN; DECLARE c CURSOR FOR SELECT a FROM t");
}

static bool
is_cursor(pg_stay *s)
{
	return says(s, "SELECT count(*) FROM pg_cursors WHERE name = 'c'", "1");
}

static void
leave_currval(pg_stay *s)
{
	(void)pg_say(s->conn, "SELECT nextval('counter')");
}

static bool
is_currval(pg_stay *s)
{
	PGresult *result = PQexec(s->conn, "SELECT currval('counter')");
	bool is_seen = PQresultStatus(result) == PGRES_TUPLES_OK;

	PQclear(result);
	return is_seen;
}

/* ---- what only libpq knows ---------------------------------------------------------- */

static void
leave_nonblocking(pg_stay *s)
{
	assert_int_equal(PQsetnonblocking(s->conn, 1), 0);
}

static bool
is_nonblocking(pg_stay *s)
{
	return PQisnonblocking(s->conn);
}

static void
count_notice(void *user, const PGresult *notice)
{
	pg_stay *s = user;

	(void)notice;
	s->calls++;
}

static void
leave_receiver(pg_stay *s)
{
	(void)PQsetNoticeReceiver(s->conn, count_notice, s);
}

/* Its holder is gone, so nobody may call it, not even for what he left under way. */
static void
leave_receiver_and_notice(pg_stay *s)
{
	leave_receiver(s);
	pg_leave_empty_pipeline(s);
	pg_queue(s, "DO $$ BEGIN RAISE WARNING 'one'; END $$");
}

static bool
is_called(pg_stay *s)
{
	int before = s->calls;

	(void)pg_say(s->conn, "DO $$ BEGIN RAISE WARNING 'three'; END $$");
	return s->calls > 0 || before > 0;
}

static void
leave_verbosity(pg_stay *s)
{
	(void)PQsetErrorVerbosity(s->conn, PQERRORS_SQLSTATE);
	(void)PQsetErrorContextVisibility(s->conn, PQSHOW_CONTEXT_ALWAYS);
}

static bool
is_verbosity(pg_stay *s)
{
	return PQsetErrorVerbosity(s->conn, PQERRORS_DEFAULT) != PQERRORS_DEFAULT ||
	       PQsetErrorContextVisibility(s->conn, PQSHOW_CONTEXT_ERRORS) != PQSHOW_CONTEXT_ERRORS;
}

static void
leave_trace(pg_stay *s)
{
	s->trace = tmpfile();
	assert_non_null(s->trace);
	PQtrace(s->conn, s->trace);
	leave_transaction(s);
	(void)fflush(s->trace);
	s->traced = ftell(s->trace);
	assert_true(s->traced > 0);
}

static bool
is_traced(pg_stay *s)
{
	bool is_seen;

	(void)pg_say(s->conn, "SELECT 1");
	(void)fflush(s->trace);
	is_seen = ftell(s->trace) != s->traced;
	(void)fclose(s->trace);
	return is_seen;
}

static void
leave_notification(pg_stay *s)
{
	(void)pg_say(s->conn, "LISTEN news");
	(void)pg_say(s->conn, "NOTIFY news");
	(void)pg_say(s->conn, "UNLISTEN news");
}

/* It comes with the answer to the ROLLBACK. */
static void
leave_late_notification(pg_stay *s)
{
	(void)pg_say(s->conn, "LISTEN news");
	(void)pg_say(s->conn, "BEGIN");
	pg_do(s->server, "NOTIFY news");
}

static bool
is_notified(pg_stay *s)
{
	PGnotify *notify = PQnotifies(s->conn);
	bool is_seen = notify != NULL;

	PQfreemem(notify);
	return is_seen;
}

static int
ignore_event(PGEventId id, void *info, void *user)
{
	(void)id;
	(void)info;
	(void)user;
	return 1;
}

static void
leave_event_procedure(pg_stay *s)
{
	assert_int_equal(PQregisterEventProc(s->conn, ignore_event, "a test's", NULL), 1);
}

static bool
is_event_procedure(pg_stay *s)
{
	return PQregisterEventProc(s->conn, ignore_event, "a test's", NULL) == 0;
}

/* ---- the table ---------------------------------------------------------------------- */

#define ALL(fate)                         \
	{                                 \
		{(fate), 0}, {(fate), 0}, \
		{                         \
			(fate), 1         \
		}                         \
	}
#define SESSION                               \
	{                                     \
		{PG_STAYS, 0}, {PG_STAYS, 0}, \
		{                             \
			PG_GONE, 1            \
		}                             \
	}
#define CLIENT                              \
	{                                   \
		{PG_GONE, 0}, {PG_GONE, 0}, \
		{                           \
			PG_GONE, 1          \
		}                           \
	}
#define ENDED(rolls, full)                          \
	{                                           \
		{PG_CLOSED, 0}, {PG_GONE, (rolls)}, \
		{                                   \
			PG_GONE, (full)             \
		}                                   \
	}
#define UNDONE          ENDED(1, 1)
#define NEEDS_NO_CANCEL false
#define NEEDS_CANCEL    true

const pg_row pg_rows[] = {
    {"nothing", leave_nothing, NULL, CLIENT, NEEDS_NO_CANCEL},
    {"open transaction", leave_transaction, is_written, UNDONE, NEEDS_NO_CANCEL},
    {"failed transaction", leave_failed_transaction, is_written, UNDONE, NEEDS_NO_CANCEL},
    {"savepoint", leave_savepoint, is_written, UNDONE, NEEDS_NO_CANCEL},
    {"SET", leave_set, is_set, SESSION, NEEDS_NO_CANCEL},
    {"SET in an open transaction", leave_set_in_transaction, is_set, UNDONE, NEEDS_NO_CANCEL},
    {"SET LOCAL", leave_set_local, is_set, UNDONE, NEEDS_NO_CANCEL},
    {"search_path", leave_search_path, is_search_path, SESSION, NEEDS_NO_CANCEL},
    {"SET ROLE", leave_role, is_other, SESSION, NEEDS_NO_CANCEL},
    {"SET SESSION AUTHORIZATION", leave_authorization, is_other, SESSION, NEEDS_NO_CANCEL},
    {"temp table", leave_temp_table, is_temp_table, SESSION, NEEDS_NO_CANCEL},
    {"temp table in an open transaction", leave_temp_table_in_transaction, is_temp_table, UNDONE,
	NEEDS_NO_CANCEL},
    {"LISTEN", leave_listen, is_listening, SESSION, NEEDS_NO_CANCEL},
    {"advisory lock of the session", leave_lock, is_locked, SESSION, NEEDS_NO_CANCEL},
    {"advisory lock of the session in an open transaction", leave_lock_in_transaction, is_locked,
	{{PG_CLOSED, 0}, {PG_STAYS, 1}, {PG_GONE, 1}}, NEEDS_NO_CANCEL},
    {"advisory lock of the transaction", leave_transaction_lock, is_locked, UNDONE,
	NEEDS_NO_CANCEL},
    {"PREPARE", leave_prepare, is_prepared, SESSION, NEEDS_NO_CANCEL},
    {"PQprepare", leave_pqprepare, is_prepared, SESSION, NEEDS_NO_CANCEL},
    {"cursor WITH HOLD", leave_cursor, is_cursor, SESSION, NEEDS_NO_CANCEL},
    {"cursor", leave_cursor_in_transaction, is_cursor, UNDONE, NEEDS_NO_CANCEL},
    {"currval of a sequence", leave_currval, is_currval, SESSION, NEEDS_NO_CANCEL},
    {"COPY in", pg_leave_copy_in, is_written, ENDED(1, 2), NEEDS_NO_CANCEL},
    {"COPY in, its start unread", pg_leave_copy_in_unread, is_written, ENDED(1, 2),
	NEEDS_NO_CANCEL},
    {"COPY in in an open transaction", pg_leave_copy_in_transaction, is_written, ENDED(2, 2),
	NEEDS_NO_CANCEL},
    {"COPY out that has come", pg_leave_copy_out, NULL, ENDED(0, 1), NEEDS_NO_CANCEL},
    {"COPY out, long", pg_leave_huge_copy_out, NULL, ENDED(1, 2), NEEDS_CANCEL},
    {"pipeline without commands", pg_leave_empty_pipeline, NULL, ENDED(1, 2), NEEDS_NO_CANCEL},
    {"pipeline not sent", pg_leave_unsent_pipeline, is_written, ENDED(1, 2), NEEDS_NO_CANCEL},
    {"pipeline without sync", pg_leave_unsynced_pipeline, is_written, ENDED(1, 2), NEEDS_NO_CANCEL},
    {"pipeline unread", pg_leave_unread_pipeline, NULL, ENDED(1, 2), NEEDS_NO_CANCEL},
    {"pipeline with an open transaction", pg_leave_transaction_in_pipeline, is_written, ENDED(1, 2),
	NEEDS_NO_CANCEL},
    {"pipeline aborted", pg_leave_aborted_pipeline, is_written, ENDED(1, 2), NEEDS_NO_CANCEL},
    {"unread result that has come", pg_leave_unread, NULL, ENDED(0, 1), NEEDS_NO_CANCEL},
    {"unread error that has come", pg_leave_unread_error, NULL, ENDED(0, 1), NEEDS_NO_CANCEL},
    {"unread result, open transaction", pg_leave_unread_transaction, is_written, UNDONE,
	NEEDS_NO_CANCEL},
    {"unread result, long", pg_leave_huge, NULL, ENDED(1, 2), NEEDS_CANCEL},
    {"unread result, long, in single rows", pg_leave_huge_in_single_rows, NULL, ENDED(1, 2),
	NEEDS_CANCEL},
    {"running query", pg_leave_slow, NULL, ENDED(1, 2), NEEDS_CANCEL},
    {"running query in an open transaction", pg_leave_slow_in_transaction, is_written, ENDED(2, 2),
	NEEDS_CANCEL},
    {"PQsetnonblocking", leave_nonblocking, is_nonblocking, CLIENT, NEEDS_NO_CANCEL},
    {"PQsetNoticeReceiver", leave_receiver, is_called, CLIENT, NEEDS_NO_CANCEL},
    {"PQsetNoticeReceiver, notices to come", leave_receiver_and_notice, is_called, ENDED(1, 2),
	NEEDS_NO_CANCEL},
    {"PQsetErrorVerbosity", leave_verbosity, is_verbosity, CLIENT, NEEDS_NO_CANCEL},
    {"PQtrace, open transaction", leave_trace, is_traced, UNDONE, NEEDS_NO_CANCEL},
    {"notification", leave_notification, is_notified, CLIENT, NEEDS_NO_CANCEL},
    {"notification that waits for the transaction's end", leave_late_notification, is_notified,
	UNDONE, NEEDS_NO_CANCEL},
    {"PQregisterEventProc", leave_event_procedure, is_event_procedure, ALL(PG_STAYS),
	NEEDS_NO_CANCEL},
};

const size_t pg_row_count = sizeof pg_rows / sizeof pg_rows[0];
