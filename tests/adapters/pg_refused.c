/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_refused: what the helpers refuse before anything is sent, and what of the caller they leave alone.
 */
#include "pg_call_kit.h"

#include <errno.h>
#include <stdio.h>

#define PATIENCE QPOOL_SEC(60)

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
	assert_int_equal(
	    qpool_pg_exec(&k->lease, "SELECT 1", &later.params, NULL, &k->error), QPOOL_OK);
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
	k->err = QPOOL_ESYS; /* stays, should the thread end inside */
	kit_start(k, cancelled_work);
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
	    KIT_TEST(bad_parameters),
	    KIT_TEST(a_struct_of_later),
	    KIT_TEST(null_pointers),
	    KIT_TEST(leases_that_are_none_of_ours),
	    KIT_TEST(a_result_is_unread),
	    KIT_TEST(copy_from_the_client),
	    KIT_TEST(copy_to_the_client),
	    KIT_TEST(errno_stays),
	    KIT_TEST(a_cancel_stays_pending),
	    KIT_TEST(on_lease_fails),
	};

	return KIT_RUN("pg_refused", tests);
}
