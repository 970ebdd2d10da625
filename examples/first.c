/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * first: the smallest program that is whole: a pool of database connections, one lease, one answer.
 * The overview, queuepool(7), quotes it.
 */
/* [man: first] */
#include <queuepool/sqlite.h>
#include <stdio.h>

/* Your program's work, on a connection that is its own meanwhile. */
static int
work(sqlite3 *db)
{
	return sqlite3_exec(db, "PRAGMA user_version", NULL, NULL, NULL);
}

int
main(void)
{
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_error error;
	qpool *pool;
	int failed = 1;

	if (qpool_sqlite_create(&pool, "first.db", NULL, NULL, &error)) {
		fprintf(stderr, "first: %s\n", error.message);
		return 1;
	}
	if (qpool_acquire(pool, QPOOL_SEC(2), &lease, &error) != QPOOL_OK)
		fprintf(stderr, "first: %s\n", error.message);
	else if (work(qpool_sqlite_db(&lease)) != SQLITE_OK)
		qpool_spoil(&lease); /* in doubt: do not lend it again */
	else
		failed = 0;
	qpool_release(&lease); /* of an empty lease: nothing to do */
	qpool_free(pool);
	return failed;
}
/* [end] */
