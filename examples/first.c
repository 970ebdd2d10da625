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
	if (sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	fprintf(stderr, "first: %s\n", sqlite3_errmsg(db));
	return -1;
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
	if (qpool_acquire(pool, QPOOL_SEC(2), &lease, &error))
		fprintf(stderr, "first: %s\n", error.message);
	else if (work(qpool_sqlite_db(&lease)) != 0)
		qpool_spoil(&lease); /* in doubt: do not lend it again */
	else
		failed = 0;
	qpool_release(&lease); /* an empty lease: does nothing */
	qpool_free(pool);
	return failed;
}
/* [end] */
