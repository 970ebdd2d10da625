/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scoped: leases that end by themselves on every way out of a block; the second kind is thrown away
 * unless all went well.  qpool_release(3) quotes them.
 */
#include <queuepool/sqlite.h>
#include <stdio.h>

static int
run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

/* [man: scoped] */
static int
add_one(qpool *pool, qpool_error *error)
{
	QPOOL_SCOPED qpool_lease lease = QPOOL_LEASE_INIT;

	if (qpool_acquire(pool, QPOOL_SEC(2), &lease, error) != QPOOL_OK)
		return -1;
	return run(qpool_sqlite_db(&lease), "INSERT INTO t VALUES(1)");
}
/* [end] */

/* [man: scoped-discard] */
static int
add_two(qpool *pool, qpool_error *error)
{
	QPOOL_SCOPED_DISCARD qpool_lease lease = QPOOL_LEASE_INIT;
	sqlite3 *db;

	if (qpool_acquire(pool, QPOOL_SEC(2), &lease, error) != QPOOL_OK)
		return -1;
	db = qpool_sqlite_db(&lease);
	/* On these ways out the connection is closed, */
	if (run(db, "BEGIN IMMEDIATE") != 0)
		return -1;
	if (run(db, "INSERT INTO t VALUES(2), (3)") != 0)
		return -1;
	if (run(db, "COMMIT") != 0)
		return -1;
	/* and here it is kept. */
	qpool_release(&lease);
	return 0;
}
/* [end] */

static int
read_count(void *out, int columns, char **values, char **names)
{
	(void)names;
	return columns == 1 && sscanf(values[0], "%d", (int *)out) == 1 ? 0 : 1;
}

static int
count(qpool *pool)
{
	QPOOL_SCOPED qpool_lease lease = QPOOL_LEASE_INIT;
	int rows = -1;

	if (qpool_acquire(pool, QPOOL_SEC(2), &lease, NULL) == QPOOL_OK)
		(void)sqlite3_exec(
		    qpool_sqlite_db(&lease), "SELECT count(*) FROM t", read_count, &rows, NULL);
	return rows;
}

int
main(void)
{
	qpool_sqlite_options sqlite = qpool_sqlite_options_init();
	qpool_stats stats = qpool_stats_init();
	qpool_error error = {QPOOL_OK, 0, "", "the database said no"};
	qpool *pool;
	int before, more, failed;

	sqlite.at_open = "CREATE TABLE IF NOT EXISTS t(x)";
	if (qpool_sqlite_create(&pool, "scoped.db", &sqlite, NULL, &error) != QPOOL_OK) {
		fprintf(stderr, "scoped: %s\n", error.message);
		return 1;
	}
	before = count(pool);
	failed = add_one(pool, &error) != 0 || add_two(pool, &error) != 0;
	if (failed)
		fprintf(stderr, "scoped: %s\n", error.message);
	more = count(pool) - before;
	qpool_get_stats(pool, &stats);
	printf("%d rows more, %u connection opened, %u still lent\n", more, (unsigned)stats.opens,
	    stats.leased);
	qpool_free(pool);
	return failed || more != 3 || stats.opens != 1 || stats.leased != 0;
}
