/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_query: the plain helpers against a real server: what they send and give back, what they
 * refuse, and what a failure, a loss and a deadline mean.
 */
#include "pg_call_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { OID_INT4 = 23, OID_TEXT = 25 };

#define PATIENCE QPOOL_SEC(60)
#define SHORTLY  QPOOL_MSEC(50)

/* ---- rows and parameters ------------------------------------------------------------ */

static PGresult *
query(kit *k, const char *sql, const qpool_pg_params *params)
{
	PGresult *result = NULL;

	if (qpool_pg_query(&k->lease, sql, params, &result, &k->error) != QPOOL_OK)
		fail_msg("%s: %s", sql, k->error.message);
	kit_assert_blank(k);
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	return result;
}

static void
all_rows(void **state)
{
	kit *k = *state;
	PGresult *result;

	kit_pool(k, NULL);
	result = query(k, "SELECT i AS n, 'row ' || i AS t FROM generate_series(1, 1000) i", NULL);
	assert_int_equal(PQntuples(result), 1000);
	assert_string_equal(PQfname(result, 1), "t");
	assert_int_equal(PQftype(result, 0), OID_INT4);
	assert_string_equal(PQgetvalue(result, 999, 1), "row 1000");
	PQclear(result);
	result = query(k, "SELECT 1 WHERE false", NULL);
	assert_int_equal(PQntuples(result), 0);
	assert_int_equal(PQnfields(result), 1);
	PQclear(result);
	kit_assert_kept(k);
}

static void
text_parameters(void **state)
{
	static const char injected[] = "'; DROP TABLE pg_query_t; --";
	kit *k = *state;
	PGresult *result;

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "CREATE TEMP TABLE pg_query_t(a int, b text)");
	assert_int_equal(qpool_pg_exec(&k->lease, "INSERT INTO pg_query_t VALUES ($1, $2)",
			     QPOOL_PG_TEXT("42", injected), NULL, &k->error),
	    QPOOL_OK);
	result = query(k, "SELECT b FROM pg_query_t WHERE a = $1", QPOOL_PG_TEXT("42"));
	assert_string_equal(PQgetvalue(result, 0, 0), injected);
	PQclear(result);
	result = query(k, "SELECT $1::text IS NULL, $2", QPOOL_PG_TEXT(NULL, ""));
	assert_string_equal(PQgetvalue(result, 0, 0), "t");
	assert_string_equal(PQgetvalue(result, 0, 1), "");
	PQclear(result);
}

/* No arrays at all: NULLs of the types that the server finds. */
static void
parameters_without_arrays(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	PGresult *result;

	kit_pool(k, NULL);
	params.count = 2;
	result = query(k, "SELECT $1::int, $2 || 'x', 7", &params);
	assert_int_equal(PQgetisnull(result, 0, 0) + PQgetisnull(result, 0, 1), 2);
	assert_string_equal(PQgetvalue(result, 0, 2), "7");
	PQclear(result);
}

static void
typed_parameters(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	PGresult *result;

	kit_pool(k, NULL);
	params.count = 2;
	params.values = (const char *const[]){"1", "2"};
	params.types = (const Oid[]){OID_INT4, 0};
	result = query(k, "SELECT $1, pg_typeof($1), $2 || ''", &params);
	assert_int_equal(PQftype(result, 0), OID_INT4);
	assert_string_equal(PQgetvalue(result, 0, 1), "integer");
	assert_int_equal(PQftype(result, 2), OID_TEXT);
	PQclear(result);
}

static void
binary_parameters_and_rows(void **state)
{
	static const char number[4] = {0, 0, 1, 2}, bytes[3] = {'a', 0, 'b'};
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	PGresult *result;

	kit_pool(k, NULL);
	params.count = 4;
	params.values = (const char *const[]){number, bytes, "text", NULL};
	params.lengths = (const int[]){4, 3, 0, -5};
	params.formats = (const int[]){1, 1, 0, 1};
	params.binary = 1;
	result = query(k, "SELECT $1::int4 + 1, $2::bytea, $3::text, $4::int4", &params);
	assert_memory_equal(PQgetvalue(result, 0, 0), "\0\0\1\3", 4);
	assert_int_equal(PQgetlength(result, 0, 1), 3);
	assert_memory_equal(PQgetvalue(result, 0, 1), bytes, 3);
	assert_string_equal(PQgetvalue(result, 0, 2), "text");
	assert_true(PQgetisnull(result, 0, 3));
	PQclear(result);
}

static void
as_many_parameters_as_there_can_be(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	PGresult *result = NULL;
	qpool_err err;

	kit_pool(k, NULL);
	params.count = 65535;
	err = qpool_pg_query(&k->lease, "SELECT $65535::int", &params, &result, &k->error);
	/* It has gone to the server, which cannot tell what the others are. */
	kit_assert_failed(k, err, QPOOL_EPEER, "42P18", "could not determine data type");
	kit_assert_kept(k);
}

/* More than the socket takes at once, both ways. */
static void
large_values(void **state)
{
	enum { SIZE = 8 << 20 };
	kit *k = *state;
	char *value = malloc(SIZE + 1);
	PGresult *result;

	assert_non_null(value);
	memset(value, 'v', SIZE);
	value[SIZE] = '\0';
	kit_pool_by_proxy(k, PATIENCE);
	result = query(k, "SELECT $1::text || 'w'", QPOOL_PG_TEXT(value));
	assert_int_equal(PQgetlength(result, 0, 0), SIZE + 1);
	PQclear(result);
	free(value);
	/* And its holder finds the connection as it was. */
	assert_int_equal(PQisnonblocking(qpool_pg_conn(&k->lease)), 0);
}

static void
a_small_struct_of_before(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	PGresult *result;

	kit_pool(k, NULL);
	params.count = 1;
	params.values = (const char *const[]){"old"};
	params.timeout = -77; /* past what its size says */
	params.size = offsetof(qpool_pg_params, types);
	result = query(k, "SELECT $1", &params);
	assert_string_equal(PQgetvalue(result, 0, 0), "old");
	PQclear(result);
}

/* ---- one, exec, now ----------------------------------------------------------------- */

static void
expect_one(kit *k, const char *sql, qpool_pg_rows expected, const char *value)
{
	PGresult *result = NULL;
	qpool_pg_rows rows = QPOOL_PG_ROWS_FORCE_INT_;

	if (qpool_pg_one(&k->lease, sql, NULL, &result, &rows, &k->error) != QPOOL_OK)
		fail_msg("%s: %s", sql, k->error.message);
	kit_assert_blank(k);
	assert_int_equal(rows, expected);
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	assert_int_equal(PQntuples(result), value != NULL);
	assert_string_equal(PQfname(result, 0), "v");
	if (value != NULL)
		assert_string_equal(PQgetvalue(result, 0, 0), value);
	PQclear(result);
}

static void
one_row_or_none_or_more(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	expect_one(k, "SELECT 1 AS v WHERE false", QPOOL_PG_NO_ROW, NULL);
	expect_one(k, "SELECT 'one' AS v", QPOOL_PG_ONE_ROW, "one");
	expect_one(k, "SELECT i AS v FROM generate_series(8, 9) i", QPOOL_PG_MORE_ROWS, "8");
	expect_one(k, "SELECT i AS v FROM generate_series(5, 99999) i", QPOOL_PG_MORE_ROWS, "5");
	kit_assert_kept(k);
}

static void
one_row_as_it_is(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	PGresult *result;
	qpool_pg_rows rows;

	kit_pool(k, NULL);
	params.binary = 1;
	assert_int_equal(qpool_pg_one(&k->lease, "SELECT NULL::int, ''::text, '\\x610062'::bytea",
			     &params, &result, &rows, &k->error),
	    QPOOL_OK);
	assert_int_equal(rows, QPOOL_PG_ONE_ROW);
	assert_true(PQgetisnull(result, 0, 0));
	assert_false(PQgetisnull(result, 0, 1));
	assert_int_equal(PQgetlength(result, 0, 1), 0);
	assert_int_equal(PQgetlength(result, 0, 2), 3);
	assert_memory_equal(PQgetvalue(result, 0, 2), "a\0b", 3);
	assert_int_equal(PQfformat(result, 2), 1);
	assert_string_equal(PQcmdStatus(result), "SELECT 1");
	PQclear(result);
}

static void
one_of_a_statement_without_rows(void **state)
{
	kit *k = *state;
	PGresult *result;
	qpool_pg_rows rows;

	kit_pool(k, NULL);
	assert_int_equal(qpool_pg_one(&k->lease, "CREATE TEMP TABLE pg_query_none()", NULL, &result,
			     &rows, &k->error),
	    QPOOL_OK);
	assert_int_equal(rows, QPOOL_PG_NO_ROW);
	assert_int_equal(PQntuples(result), 0);
	PQclear(result);
}

/* Rows have come before the statement fails: none is given out. */
static void
one_that_fails_after_rows(void **state)
{
	kit *k = *state;
	PGresult *result = (void *)k;
	qpool_pg_rows rows;
	qpool_err err;

	kit_pool(k, NULL);
	err = qpool_pg_one(&k->lease, "SELECT 1 / (3 - i) FROM generate_series(1, 5) i", NULL,
	    &result, &rows, &k->error);
	kit_assert_failed(k, err, QPOOL_EPEER, "22012", "the statement: division by zero");
	assert_null(result);
	assert_int_equal(rows, QPOOL_PG_NO_ROW);
	kit_assert_kept(k);
}

static void
expect_affected(kit *k, const char *sql, uint64_t expected)
{
	uint64_t affected = 4711;

	if (qpool_pg_exec(&k->lease, sql, NULL, &affected, &k->error) != QPOOL_OK)
		fail_msg("%s: %s", sql, k->error.message);
	kit_assert_blank(k);
	assert_int_equal(affected, expected);
}

static void
how_many_rows_were_affected(void **state)
{
	kit *k = *state;
	uint64_t affected = 4711;
	qpool_err err;

	kit_pool(k, NULL);
	expect_affected(k, "CREATE TEMP TABLE pg_query_t(a int)", 0);
	expect_affected(k, "INSERT INTO pg_query_t SELECT generate_series(1, 30)", 30);
	expect_affected(k, "UPDATE pg_query_t SET a = a + 1 WHERE a > 20", 10);
	expect_affected(k, "DELETE FROM pg_query_t WHERE a = -1", 0);
	expect_affected(k, "SELECT * FROM pg_query_t LIMIT 3", 3);
	expect_affected(k, "", 0);
	err = qpool_pg_exec(&k->lease, "DELETE FROM nothing", NULL, &affected, &k->error);
	kit_assert_failed(k, err, QPOOL_EPEER, "42P01", "relation \"nothing\" does not exist");
	assert_int_equal(affected, 0);
	assert_int_equal(qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, NULL), QPOOL_OK);
}

static int64_t
now(kit *k, int64_t offset)
{
	int64_t msec = 0;

	assert_int_equal(qpool_pg_now(&k->lease, offset, &msec, &k->error), QPOOL_OK);
	return msec;
}

static void
the_servers_clock(void **state)
{
	kit *k = *state;
	int64_t first, msec = 0;
	char *before, *after;

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	before = pg_ask(
	    k->server, "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000 - 60000)::int8");
	first = now(k, 0);
	after =
	    pg_ask(k->server, "SELECT ceil(extract(epoch FROM clock_timestamp()) * 1000)::int8");
	assert_true(atoll(before) <= first && first <= atoll(after));
	free(before);
	free(after);
	/* In a transaction it stands. */
	kit_exec(k, &k->lease, "SELECT pg_sleep(0.01)");
	assert_int_equal(now(k, 0), first);
	assert_int_equal(now(k, 86400000), first + 86400000);
	assert_int_equal(now(k, -first), 0);
	assert_int_equal(now(k, -first - 1), -1);
	kit_assert_failed(k, qpool_pg_now(&k->lease, INT64_MAX, &msec, &k->error), QPOOL_EINVAL, "",
	    "offset_msec is 9223372036854775807");
}

/* ---- what is refused ---------------------------------------------------------------- */

static void
refuse(kit *k, const qpool_pg_params *params, qpool_err code, const char *words)
{
	PGresult *result = (void *)k;
	qpool_err err = qpool_pg_query(&k->lease, "SELECT 1", params, &result, &k->error);

	kit_assert_failed(k, err, code, "", words);
	assert_null(result);
	assert_int_equal(qpool_pg_query(&k->lease, "SELECT 1", params, &result, NULL), code);
}

static qpool_err
never_called(void *user, PGconn *conn, qpool_error *error)
{
	(void)conn;
	(void)error;
	*(bool *)user = true;
	return QPOOL_OK;
}

static void
bad_parameters(void **state)
{
	static const char secret[] = "hunter2";
	kit *k = *state;
	bool is_called = false;
	qpool_pg_options options = qpool_pg_options_init();
	const qpool_pg_params none = qpool_pg_params_init();
	qpool_pg_params params = none;

	options.on_lease = never_called;
	options.user = &is_called;
	kit_pool(k, &options);
	params.size = 7;
	refuse(k, &params, QPOOL_EINVAL,
	    "qpool_pg_params.size is 7; start from qpool_pg_params_init()");
	params = none;
	params.count = 65536;
	refuse(k, &params, QPOOL_EINVAL, "count is 65536; it must be at most 65535");
	params = none;
	params.binary = 2;
	refuse(k, &params, QPOOL_EINVAL, "binary is 2; it must be 0 (text) or 1 (binary)");
	params = none;
	params.timeout = -1;
	refuse(k, &params, QPOOL_EINVAL, "timeout is -1 ns");
	params = none;
	params.count = 2;
	params.values = (const char *const[]){secret, secret};
	params.formats = (const int[]){0, 2};
	refuse(k, &params, QPOOL_EINVAL, "formats is 2 for $2");
	params.formats = (const int[]){0, 1};
	refuse(k, &params, QPOOL_EINVAL, "lengths is NULL, but formats says that $2 is binary");
	params.lengths = (const int[]){-9, -1};
	refuse(k, &params, QPOOL_EINVAL, "lengths is -1 for $2");
	/* None of them was a use of the lease. */
	assert_false(is_called);
	kit_exec(k, &k->lease, "SELECT 1");
	assert_true(is_called);
	kit_assert_kept(k);
}

static void
a_struct_of_later(void **state)
{
	struct {
		qpool_pg_params params;
		uint64_t more;
	} later = {.params = qpool_pg_params_init()};
	kit *k = *state;

	kit_pool(k, NULL);
	later.params.size = sizeof later;
	PQclear(query(k, "SELECT 1", &later.params));
	later.more = 1;
	refuse(k, &later.params, QPOOL_ENOTSUP, "sets what this library");
}

static void
null_pointers(void **state)
{
	kit *k = *state;
	PGresult *result;
	qpool_pg_rows rows;
	qpool_err err;

	kit_pool(k, NULL);
	err = qpool_pg_query(&k->lease, NULL, NULL, &result, &k->error);
	kit_assert_failed(k, err, QPOOL_EINVAL, "", "sql is NULL");
	err = qpool_pg_query(&k->lease, "SELECT 1", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EINVAL, "", "out is NULL");
	err = qpool_pg_one(&k->lease, "SELECT 1", NULL, NULL, &rows, &k->error);
	kit_assert_failed(k, err, QPOOL_EINVAL, "", "out is NULL");
	err = qpool_pg_one(&k->lease, "SELECT 1", NULL, &result, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EINVAL, "", "rows is NULL");
	err = qpool_pg_one(&k->lease, NULL, NULL, &result, &rows, &k->error);
	kit_assert_failed(k, err, QPOOL_EINVAL, "", "sql is NULL");
	err = qpool_pg_exec(&k->lease, NULL, NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EINVAL, "", "sql is NULL");
	err = qpool_pg_now(&k->lease, 0, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EINVAL, "", "out_msec is NULL");
	qpool_pg_free(NULL);
}

static qpool_err
fake_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)user;
	(void)step;
	(void)error;
	*out = (void *)"a resource";
	return QPOOL_OK;
}

static void
fake_close(void *user, void *resource, qpool_why why)
{
	(void)user;
	(void)resource;
	(void)why;
}

static void
leases_that_are_none_of_ours(void **state)
{
	kit *k = *state;
	qpool_ops ops = qpool_ops_init();
	qpool_lease empty = QPOOL_LEASE_INIT, foreign;
	qpool *pool;

	ops.kind = "fake";
	ops.open = fake_open;
	ops.close = fake_close;
	assert_int_equal(qpool_create(&pool, NULL, &ops, NULL, NULL), QPOOL_OK);
	assert_int_equal(qpool_acquire(pool, PATIENCE, &foreign, NULL), QPOOL_OK);
	kit_assert_failed(k, qpool_pg_exec(&foreign, "SELECT 1", NULL, NULL, &k->error),
	    QPOOL_EMISUSE, "", "of another kind of pool");
	kit_assert_failed(k, qpool_pg_exec(&empty, "SELECT 1", NULL, NULL, &k->error),
	    QPOOL_EMISUSE, "", "the lease is empty");
	kit_assert_failed(k, qpool_pg_exec(NULL, "SELECT 1", NULL, NULL, &k->error), QPOOL_EMISUSE,
	    "", "the lease is empty");
	assert_int_equal(qpool_release(&foreign), QPOOL_OK);
	qpool_free(pool);
}

static void
drain(PGconn *conn)
{
	PGresult *result;

	while ((result = PQgetResult(conn)) != NULL)
		PQclear(result);
}

static void
expect_misuse(kit *k, const char *words)
{
	qpool_err err = qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, &k->error);

	kit_assert_failed(k, err, QPOOL_EMISUSE, "", words);
}

/* The helper does not read what the holder has asked for, and the lease goes on after that. */
static void
a_result_is_unread(void **state)
{
	kit *k = *state;
	PGconn *conn;
	PGresult *result;

	kit_pool(k, NULL);
	conn = qpool_pg_conn(&k->lease);
	assert_int_equal(PQsendQuery(conn, "SELECT 1"), 1);
	expect_misuse(k, "a result of the statement before is unread");
	result = PQgetResult(conn);
	assert_string_equal(PQgetvalue(result, 0, 0), "1");
	PQclear(result);
	expect_misuse(k, "call PQgetResult until it returns NULL");
	drain(conn);
	result = PQexec(conn, "COPY (SELECT 1) TO STDOUT");
	assert_int_equal(PQresultStatus(result), PGRES_COPY_OUT);
	PQclear(result);
	expect_misuse(k, "a COPY goes on");
	assert_int_equal(PQsetnonblocking(conn, 0), 0);
	PQclear(PQexec(conn, "SELECT 1")); /* ends the COPY */
	assert_int_equal(PQenterPipelineMode(conn), 1);
	expect_misuse(k, "in pipeline mode; end it by PQexitPipelineMode");
	assert_int_equal(PQexitPipelineMode(conn), 1);
	kit_exec(k, &k->lease, "SELECT 1");
	kit_assert_kept(k);
}

static void
copy_from_the_client(void **state)
{
	kit *k = *state;
	qpool_err err;

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "CREATE TEMP TABLE pg_query_t(a int)");
	err = qpool_pg_exec(&k->lease, "COPY pg_query_t FROM STDIN", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EINVAL, "", "run it through libpq on qpool_pg_conn");
	kit_assert_value(k, &k->lease, "SELECT count(*) FROM pg_query_t", "0");
	kit_assert_kept(k);
}

static void
copy_to_the_client(void **state)
{
	kit *k = *state;
	qpool_err err;

	kit_pool(k, NULL);
	err = qpool_pg_exec(
	    &k->lease, "COPY (SELECT generate_series(1, 100000)) TO STDOUT", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EINVAL, "", "COPY from or to the client");
	kit_assert_spoiled(k);
}

/* ---- the server's refusals ---------------------------------------------------------- */

static void
the_statement_fails(void **state)
{
	kit *k = *state;
	PGresult *result = (void *)k;
	qpool_err err;

	kit_pool(k, NULL);
	err = qpool_pg_query(&k->lease, "SELEC 1", NULL, &result, &k->error);
	kit_assert_failed(k, err, QPOOL_EPEER, "42601", "the statement: syntax error");
	assert_null(result);
	err = qpool_pg_exec(&k->lease, "SELECT 1; SELECT 2", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EPEER, "42601", "cannot insert multiple commands");
	kit_exec(k, &k->lease, "BEGIN");
	assert_int_equal(qpool_pg_exec(&k->lease, "SELECT 1/0", NULL, NULL, NULL), QPOOL_EPEER);
	err = qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EPEER, "25P02", "current transaction is aborted");
	kit_exec(k, &k->lease, "ROLLBACK");
	kit_assert_kept(k);
}

/* The statement says that it is done, and then its transaction cannot be committed. */
static void
the_commit_of_a_statement_fails(void **state)
{
	kit *k = *state;
	PGresult *result;
	qpool_pg_rows rows;
	qpool_err err;

	kit_pool(k, NULL);
	kit_exec(k, &k->lease,
	    "CREATE TEMP TABLE pg_query_d(a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
	err = qpool_pg_exec(
	    &k->lease, "INSERT INTO pg_query_d VALUES (1), (1)", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EPEER, "23505", "duplicate key");
	err = qpool_pg_one(&k->lease, "INSERT INTO pg_query_d VALUES (1), (1) RETURNING a", NULL,
	    &result, &rows, &k->error);
	kit_assert_failed(k, err, QPOOL_EPEER, "23505", "duplicate key");
	kit_assert_value(k, &k->lease, "SELECT count(*) FROM pg_query_d", "0");
	kit_assert_kept(k);
}

/* The server itself says that it does not know (as distributed ones do). */
static void
the_server_does_not_know(void **state)
{
	kit *k = *state;
	qpool_err err;

	kit_pool(k, NULL);
	err = qpool_pg_exec(&k->lease,
	    "DO $$ BEGIN RAISE EXCEPTION 'result is ambiguous' USING ERRCODE = '40003'; END $$",
	    NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EUNKNOWN, "40003", "may or may not have taken effect");
	kit_assert_spoiled(k);
}

/* ---- losses ------------------------------------------------------------------------- */

/* After it nothing is sent any more, and no outcome is in doubt. */
static void
assert_given_up(kit *k)
{
	qpool_err err = qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, &k->error);

	kit_assert_failed(k, err, QPOOL_EPEER, "", "the statement was not sent");
	kit_assert_spoiled(k);
}

static void
killed_while_nothing_runs(void **state)
{
	kit *k = *state;
	qpool_err err;

	kit_pool(k, NULL);
	pg_kill_backend(k->server, kit_pid(&k->lease));
	err = qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EPEER, "57P01", "terminating connection");
	assert_given_up(k);
}

static void
killed_while_it_runs(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	kit_start_sql(k, "SELECT pg_sleep(600)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_do(k->server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
			 "WHERE wait_event = 'PgSleep'");
	/* It had its say: the statement is rolled back. */
	kit_assert_failed(k, kit_join(k), QPOOL_EPEER, "57P01", "terminating connection");
	assert_given_up(k);
}

static void
cut_outside_a_transaction(void **state)
{
	kit *k = *state;

	kit_pool_by_proxy(k, PATIENCE);
	kit_start_sql(k, "SELECT pg_sleep(600)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "",
	    "the statement lost its connection and may or may not have taken effect");
	assert_given_up(k);
}

static void
cut_inside_a_transaction(void **state)
{
	kit *k = *state;

	kit_pool_by_proxy(k, PATIENCE);
	kit_exec(k, &k->lease, "BEGIN");
	kit_start_sql(k, "SELECT pg_sleep(600)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EPEER, "",
	    "the statement lost its connection, and with it the open transaction");
	assert_given_up(k);
}

/* The row is there, but nobody has said so. */
static void
cut_when_it_is_done(void **state)
{
	kit *k = *state;

	pg_do(k->server, "DROP TABLE IF EXISTS pg_query_done; CREATE TABLE pg_query_done(a int)");
	kit_pool_by_proxy(k, PATIENCE);
	kit_exec(k, &k->lease, "SELECT 1");
	pg_proxy_set(k->proxy, PG_HOLD_REPLIES);
	kit_start_sql(k, "INSERT INTO pg_query_done VALUES (1)");
	pg_await(k->server, "SELECT EXISTS (SELECT FROM pg_query_done)");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "", "may or may not have taken effect");
	assert_given_up(k);
}

/* The holder's own COMMIT, whatever stands before the word. */
static void
cut_in_a_commit_of_the_holder(void **state)
{
	static const char *const sql[] = {
	    "COMMIT", " ;end work", "/* a /* b */ - */ -- c\n\tCommit", "PREPARE TRANSACTION 'x'"};
	kit *k = *state;

	for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
		kit_pool_by_proxy(k, PATIENCE);
		kit_exec(k, &k->lease, "BEGIN");
		pg_proxy_set(k->proxy, PG_SWALLOW);
		kit_start_sql(k, sql[i]);
		pg_proxy_set(k->proxy, PG_CUT);
		kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "", "may or may not");
	}
}

static void
cut_in_what_only_looks_like_one(void **state)
{
	static const char *const sql[] = {"COMMITTED", "-- COMMIT\nROLLBACK", "/* COMMIT", "--"};
	kit *k = *state;

	for (size_t i = 0; i < sizeof sql / sizeof sql[0]; i++) {
		kit_pool_by_proxy(k, PATIENCE);
		kit_exec(k, &k->lease, "BEGIN");
		pg_proxy_set(k->proxy, PG_SWALLOW);
		kit_start_sql(k, sql[i]);
		pg_proxy_set(k->proxy, PG_CUT);
		kit_assert_failed(k, kit_join(k), QPOOL_EPEER, "", "and with it the open");
	}
}

/* A loss makes every idle session suspect: one that died with it is found by the next acquire. */
static void
the_others_are_asked(void **state)
{
	kit *k = *state;

	kit_pool_by_proxy(k, PATIENCE);
	kit_acquire(k, &k->other);
	assert_int_equal(qpool_release(&k->other), QPOOL_OK);
	kit_start_sql(k, "SELECT pg_sleep(600)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	(void)kit_join(k);
	assert_given_up(k);
	kit_acquire(k, &k->lease);
	kit_exec(k, &k->lease, "SELECT 1");
}

/* ---- deadlines ---------------------------------------------------------------------- */

static void
late_outside_a_transaction(void **state)
{
	kit *k = *state;
	qpool_err err;

	kit_pool_by_proxy(k, SHORTLY);
	err = qpool_pg_exec(&k->lease, "SELECT pg_sleep(600)", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EUNKNOWN, "",
	    "the statement got no answer within 50 ms and may or may not have taken effect; the "
	    "connection is given up");
	assert_given_up(k);
}

static void
late_inside_a_transaction(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	qpool_err err;

	kit_pool_by_proxy(k, PATIENCE);
	kit_exec(k, &k->lease, "BEGIN");
	pg_proxy_set(k->proxy, PG_SWALLOW);
	params.timeout = 1;
	err = qpool_pg_exec(&k->lease, "SELECT 1", &params, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_ETIMEOUT, "",
	    "within 1 ms; the connection is given up, and with it the open transaction");
	assert_given_up(k);
}

/* The parameters' own timeout wins over the pool's, also when it is longer. */
static void
a_timeout_of_its_own(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();

	kit_pool_by_proxy(k, SHORTLY);
	params.timeout = QPOOL_FOREVER;
	assert_int_equal(
	    qpool_pg_exec(&k->lease, "SELECT pg_sleep(0.1)", &params, NULL, &k->error), QPOOL_OK);
	kit_assert_kept(k);
}

/* A peer that reads nothing: what must be sent does not fit the sockets' buffers. */
static void
late_while_sending(void **state)
{
	enum { SIZE = 64 << 20 };
	kit *k = *state;
	char *value = malloc(SIZE + 1);
	int pid;
	qpool_pg_params params = qpool_pg_params_init();
	qpool_err err;

	assert_non_null(value);
	memset(value, 'v', SIZE);
	value[SIZE] = '\0';
	kit_pool(k, NULL);
	pid = kit_pid(&k->lease);
	params.count = 1;
	params.values = (const char *const[]){value};
	params.timeout = SHORTLY;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	err = qpool_pg_exec(&k->lease, "SELECT $1::text", &params, NULL, &k->error);
	assert_int_equal(kill(pid, SIGCONT), 0);
	free(value);
	kit_assert_failed(k, err, QPOOL_EUNKNOWN, "", "no answer within 50 ms");
	assert_given_up(k);
}

/* Rows come all the time, but not all of them. */
static void
late_while_reading(void **state)
{
	kit *k = *state;
	qpool_pg_params params = qpool_pg_params_init();
	PGresult *result;
	qpool_pg_rows rows;
	qpool_err err;

	kit_pool(k, NULL);
	kit_exec(k, &k->lease, "BEGIN");
	params.timeout = SHORTLY;
	err =
	    qpool_pg_one(&k->lease, "SELECT i, pg_sleep(0.001) FROM generate_series(1, 1000000) i",
		&params, &result, &rows, &k->error);
	kit_assert_failed(k, err, QPOOL_ETIMEOUT, "", "no answer within 50 ms");
	assert_null(result);
	assert_given_up(k);
}

/* ---- what the caller keeps ---------------------------------------------------------- */

static void
errno_stays(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	errno = EXDEV;
	assert_int_equal(qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, NULL), QPOOL_OK);
	assert_int_equal(errno, EXDEV);
	pg_kill_backend(k->server, kit_pid(&k->lease));
	errno = EXDEV;
	assert_int_equal(qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, NULL), QPOOL_EPEER);
	assert_int_equal(errno, EXDEV);
}

static qpool_err
cancelled_work(kit *k)
{
	qpool_err err;
	int old;

	assert_int_equal(pthread_cancel(pthread_self()), 0);
	err = qpool_pg_exec(&k->lease, "SELECT pg_sleep(0.01)", NULL, NULL, NULL);
	assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
	assert_int_equal(old, PTHREAD_CANCEL_ENABLE);
	return err;
}

static void
a_cancel_stays_pending(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	kit_start(k, cancelled_work);
	k->err = QPOOL_ESYS;
	assert_int_equal(kit_join(k), QPOOL_OK);
	kit_assert_kept(k);
}

static qpool_err
refuse_lease(void *user, PGconn *conn, qpool_error *error)
{
	(void)user;
	(void)conn;
	memset(error, 0, sizeof *error);
	(void)snprintf(error->message, sizeof error->message, "no lease today");
	return QPOOL_EDENIED;
}

static void
on_lease_fails(void **state)
{
	kit *k = *state;
	qpool_pg_options options = qpool_pg_options_init();
	qpool_err err;

	options.on_lease = refuse_lease;
	kit_pool(k, &options);
	err = qpool_pg_exec(&k->lease, "SELECT 1", NULL, NULL, &k->error);
	kit_assert_failed(k, err, QPOOL_EDENIED, "", "no lease today");
	kit_assert_spoiled(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(all_rows),
	    KIT_TEST(text_parameters),
	    KIT_TEST(parameters_without_arrays),
	    KIT_TEST(typed_parameters),
	    KIT_TEST(binary_parameters_and_rows),
	    KIT_TEST(as_many_parameters_as_there_can_be),
	    KIT_TEST(large_values),
	    KIT_TEST(a_small_struct_of_before),
	    KIT_TEST(one_row_or_none_or_more),
	    KIT_TEST(one_row_as_it_is),
	    KIT_TEST(one_of_a_statement_without_rows),
	    KIT_TEST(one_that_fails_after_rows),
	    KIT_TEST(how_many_rows_were_affected),
	    KIT_TEST(the_servers_clock),
	    KIT_TEST(bad_parameters),
	    KIT_TEST(a_struct_of_later),
	    KIT_TEST(null_pointers),
	    KIT_TEST(leases_that_are_none_of_ours),
	    KIT_TEST(a_result_is_unread),
	    KIT_TEST(copy_from_the_client),
	    KIT_TEST(copy_to_the_client),
	    KIT_TEST(the_statement_fails),
	    KIT_TEST(the_commit_of_a_statement_fails),
	    KIT_TEST(the_server_does_not_know),
	    KIT_TEST(killed_while_nothing_runs),
	    KIT_TEST(killed_while_it_runs),
	    KIT_TEST(cut_outside_a_transaction),
	    KIT_TEST(cut_inside_a_transaction),
	    KIT_TEST(cut_when_it_is_done),
	    KIT_TEST(cut_in_a_commit_of_the_holder),
	    KIT_TEST(cut_in_what_only_looks_like_one),
	    KIT_TEST(the_others_are_asked),
	    KIT_TEST(late_outside_a_transaction),
	    KIT_TEST(late_inside_a_transaction),
	    KIT_TEST(a_timeout_of_its_own),
	    KIT_TEST(late_while_sending),
	    KIT_TEST(late_while_reading),
	    KIT_TEST(errno_stays),
	    KIT_TEST(a_cancel_stays_pending),
	    KIT_TEST(on_lease_fails),
	};

	return KIT_RUN("pg_query", tests);
}
