/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * postgres: a program of somebody who has only what is installed, and wants pooled PostgreSQL connections.
 * Built like core.c beside it; libpq's variables (PGHOST...) lead to a server.
 */
#include <queuepool/postgres.h>

#include <stdio.h>

static int
fail(const char *what, const char *message)
{
	fprintf(stderr, "%s: %s\n", what, message);
	return 1;
}

static qpool_err
count(void *user, qpool_lease *lease, qpool_error *error)
{
	return qpool_pg_exec(lease, "SELECT 1 UNION SELECT 2", NULL, (uint64_t *)user, error);
}

int
main(void)
{
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_error error;
	uint64_t affected = 0;
	PGresult *result;
	qpool *pool;
	void *user;

	/* By way of the ops, as who wraps them does; they are not used further. */
	if (qpool_pg_ops("pool_max_size=2", &pg, &options, &ops, &user, &error) != QPOOL_OK)
		return fail("qpool_pg_ops", error.message);
	ops.destroy(user);
	if (options.max_size != 2)
		return fail("qpool_pg_ops", "max_size is not what the words say");

	pg.call_timeout = QPOOL_SEC(10);
	options.open_failure = QPOOL_OPEN_TELL;
	if (qpool_pg_create(&pool, "", &pg, &options, &error) != QPOOL_OK)
		return fail("qpool_pg_create", error.message);
	if (qpool_acquire(pool, QPOOL_SEC(5), &lease, &error) != QPOOL_OK)
		return fail("qpool_acquire", error.message);
	if (qpool_pg_query(&lease, "SELECT 'here'", NULL, &result, &error) != QPOOL_OK)
		return fail("qpool_pg_query", error.message);
	if (strcmp(PQgetvalue(result, 0, 0), "here") != 0)
		return fail("qpool_pg_query", PQgetvalue(result, 0, 0));
	PQclear(result);
	if (qpool_pg_transaction(&lease, NULL, count, &affected, &error) != QPOOL_OK)
		return fail("qpool_pg_transaction", error.message);
	if (affected != 2 || PQtransactionStatus(qpool_pg_conn(&lease)) != PQTRANS_IDLE)
		return fail("qpool_pg_transaction", "it did not run, or is not over");
	qpool_release(&lease);
	if (qpool_pg_conn(&lease) != NULL)
		return fail("qpool_pg_conn", "an empty lease has a connection");
	qpool_free(pool);
	return 0;
}
