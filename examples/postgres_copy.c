/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * postgres_copy: libpq itself on the connection of a lease, for what the helpers leave to it; here
 * rows by COPY.  qpool_pg_conn(3) quotes it.
 *
 *     postgres_copy postgresql://user@host/database
 */
#include <queuepool/postgres.h>
#include <stdio.h>

/* [man: copy] */
static bool
copy(PGconn *conn, const char *rows)
{
	int length = (int)strlen(rows);

	if (PQputCopyData(conn, rows, length) != 1)
		return false;
	return PQputCopyEnd(conn, NULL) == 1;
}

/* Whether the server took the rows; if not, the pool is told why. */
static bool
fill(qpool_lease *lease, const char *rows)
{
	PGconn *conn = qpool_pg_conn(lease);
	PGresult *result;
	bool took;

	if (conn == NULL)
		return false; /* the lease is spoiled already */
	result = PQexec(conn, "COPY pair FROM STDIN");
	if (PQresultStatus(result) == PGRES_COPY_IN && copy(conn, rows)) {
		PQclear(result);
		result = PQgetResult(conn);
		PQclear(PQgetResult(conn)); /* NULL: it is over */
	}
	took = PQresultStatus(result) == PGRES_COMMAND_OK;
	if (!took) {
		fprintf(stderr, "copy: %s", PQresultErrorMessage(result));
		qpool_pg_note(lease, result); /* spoils a lost one */
	}
	PQclear(result);
	return took;
}
/* [end] */

int
main(int argc, char **argv)
{
	static const char *const pair[] = {
	    "CREATE TEMP TABLE pair(number int CHECK (number < 3), word text)", NULL};
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_error error;
	qpool *pool;
	char *json;
	int failed = 1;

	pg.at_connect = pair;
	if (qpool_pg_create(&pool, argc > 1 ? argv[1] : "", &pg, NULL, &error)) {
		fprintf(stderr, "copy: %s\n", error.message);
		return 1;
	}
	if (qpool_acquire(pool, QPOOL_SEC(5), &lease, &error) == QPOOL_OK &&
	    fill(&lease, "1\tone\n2\ttwo\n") && !fill(&lease, "3\tthree\n") &&
	    qpool_pg_json(&lease, "SELECT * FROM pair", NULL, &json, &error) == QPOOL_OK) {
		printf("%s\n", json);
		qpool_pg_free(json);
		failed = 0;
	}
	qpool_release(&lease);
	qpool_free(pool);
	return failed;
}
