/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite: a program of somebody who has only what is installed, and wants pooled SQLite connections.
 * Built like core.c beside it; run in an empty folder, where it leaves a database.
 */
#include <queuepool/sqlite.h>

#include <stdio.h>

static int
fail(const char *what, const char *message)
{
	fprintf(stderr, "%s: %s\n", what, message);
	return 1;
}

int
main(void)
{
	qpool_sqlite_options sqlite = qpool_sqlite_options_init();
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_error error;
	qpool *pool;
	void *user;

	/* By way of the ops, as who wraps them does; they are not used further. */
	if (qpool_sqlite_ops("consumer.db", &sqlite, &ops, &user, &error) != QPOOL_OK)
		return fail("qpool_sqlite_ops", error.message);
	ops.destroy(user);

	sqlite.at_open = "CREATE TABLE IF NOT EXISTS t(x)";
	options.max_size = 1;
	if (qpool_sqlite_create(&pool, "consumer.db", &sqlite, &options, &error) != QPOOL_OK)
		return fail("qpool_sqlite_create", error.message);
	if (qpool_acquire(pool, QPOOL_SEC(5), &lease, &error) != QPOOL_OK)
		return fail("qpool_acquire", error.message);
	if (sqlite3_exec(qpool_sqlite_db(&lease), "INSERT INTO t VALUES(1)", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return fail("INSERT", sqlite3_errmsg(qpool_sqlite_db(&lease)));
	qpool_release(&lease);
	if (qpool_sqlite_db(&lease) != NULL)
		return fail("qpool_sqlite_db", "an empty lease has a connection");
	qpool_free(pool);
	return 0;
}
