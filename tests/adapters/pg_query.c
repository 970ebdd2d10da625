/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_query: the plain helpers against a real server: all rows, one row, no rows, the clock, and what
 * the server refuses.
 */
#include "pg_call_kit.h"

#include <stdio.h>
#include <stdlib.h>

enum { OID_INT4 = 23, OID_TEXT = 25 };

#define PATIENCE QPOOL_SEC(60)

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
	    KIT_TEST(the_statement_fails),
	    KIT_TEST(the_commit_of_a_statement_fails),
	    KIT_TEST(the_server_does_not_know),
	};

	return KIT_RUN("pg_query", tests);
}
