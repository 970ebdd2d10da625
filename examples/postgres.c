/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * postgres: a pool of PostgreSQL sessions: a question with a parameter, and a transaction that is
 * run again when another one was in its way.  qpool_pg_create(3), qpool_pg_query(3) and
 * qpool_pg_transaction(3) quote it.
 *
 *     postgres postgresql://user@host/database
 */
#include <queuepool/postgres.h>
#include <stdio.h>

/* [man: query] */
static const char balance[] = "SELECT cents FROM account WHERE name = $1";

static qpool_err
show(qpool_lease *lease, const char *name, qpool_error *error)
{
	const qpool_pg_params *who = QPOOL_PG_TEXT(name);
	qpool_pg_rows rows;
	PGresult *row;
	qpool_err err;

	err = qpool_pg_one(lease, balance, who, &row, &rows, error);
	if (err != QPOOL_OK)
		return err;
	if (rows == QPOOL_PG_ONE_ROW)
		printf("%s: %s\n", name, PQgetvalue(row, 0, 0));
	PQclear(row);
	return QPOOL_OK;
}
/* [end] */

/* [man: transaction] */
static const char move[] = "UPDATE account SET cents = cents + $2 "
			   "WHERE name = $1";

/* It may run several times, so it does nothing but SQL. */
static qpool_err
pay(void *user, qpool_lease *lease, qpool_error *error)
{
	const qpool_pg_params *from = QPOOL_PG_TEXT("ann", "-30");
	const qpool_pg_params *to = QPOOL_PG_TEXT("bob", "30");
	qpool_err err = qpool_pg_exec(lease, move, from, NULL, error);

	(void)user;
	if (err == QPOOL_OK)
		err = qpool_pg_exec(lease, move, to, NULL, error);
	return err;
}
/* [end] */

/* [man: create] */
/* A bank of its own for each session, gone with it. */
static const char *const bank[] = {
    "CREATE TEMP TABLE account(name text, cents int)",
    "INSERT INTO account VALUES ('ann', 100), ('bob', 20)",
    NULL,
};

int
main(int argc, char **argv)
{
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_error why;
	qpool_err err;
	qpool *pool = NULL;
	const char *uri = argc > 1 ? argv[1] : "";

	pg.at_connect = bank;
	pg.isolation_level = QPOOL_PG_SERIALIZABLE;
	err = qpool_pg_create(&pool, uri, &pg, NULL, &why);
	if (err == QPOOL_OK)
		err = qpool_acquire(pool, QPOOL_SEC(5), &lease, &why);
	if (err == QPOOL_OK)
		err = qpool_pg_transaction(&lease, NULL, pay, NULL, &why);
	if (err == QPOOL_OK)
		err = show(&lease, "ann", &why);
	if (err == QPOOL_OK)
		err = show(&lease, "bob", &why);
	if (err != QPOOL_OK)
		fprintf(stderr, "postgres: %s\n", why.message);
	qpool_release(&lease);
	qpool_free(pool);
	return err != QPOOL_OK;
}
/* [end] */
