/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_reset_cost: what each policy of the return costs, by a unix socket, beside an empty query.  People run it
 * by hand, for the figures of docs/POSTGRES.md; the tests run it with one round to see that it runs.
 * Policies and leftovers are interleaved, each round in another order; printed are medians, and their ratio
 * to the empty query's.
 *
 *     pg_reset_cost [rounds]
 */
#include "pg_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <queuepool/postgres.h>

enum { ROUNDS = 2000, AT_CONNECT = 1u << 8 };

static const char *const at_connect[] = {"SET work_mem = '8MB'", "SET search_path = public", NULL};

/* What is timed is the release; `sql` runs before it.  NULL: the lease is not touched.  No `pool`: the empty query. */
typedef struct subject {
	const char *name, *sql;
	uint32_t reset; /* with AT_CONNECT: two statements there */
	bool is_query;
	qpool *pool;
	double *usec;
} subject;

static subject subjects[] = {
    {.name = "empty query", .is_query = true},
    {.name = "none, touched", .sql = "", .reset = QPOOL_PG_RESET_NONE},
    {.name = "rollback, untouched", .reset = QPOOL_PG_RESET_ROLLBACK},
    {.name = "rollback, touched", .sql = "", .reset = QPOOL_PG_RESET_ROLLBACK},
    {.name = "rollback, open transaction", .sql = "BEGIN", .reset = QPOOL_PG_RESET_ROLLBACK},
    {.name = "smart, untouched", .reset = QPOOL_PG_RESET_SMART},
    {.name = "smart, touched", .sql = "", .reset = QPOOL_PG_RESET_SMART},
    {.name = "full, untouched", .reset = QPOOL_PG_RESET_FULL},
    {.name = "full, open transaction", .sql = "BEGIN", .reset = QPOOL_PG_RESET_FULL},
    {.name = "full, open transaction, two at_connect",
	.sql = "BEGIN",
	.reset = QPOOL_PG_RESET_FULL | AT_CONNECT},
};

enum { SUBJECTS = sizeof subjects / sizeof subjects[0] };

static double
now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void
make_pool(subject *s, pg_server *server)
{
	qpool_pg_options pg = qpool_pg_options_init();
	qpool_options options = qpool_options_init();
	qpool_error error;

	options.max_size = 1;
	pg.reset = s->reset & ~(uint32_t)AT_CONNECT;
	pg.at_connect = (s->reset & AT_CONNECT) != 0 ? at_connect : NULL;
	if (qpool_pg_create(&s->pool, pg_server_conninfo(server), &pg, &options, &error) !=
	    QPOOL_OK)
		fail_msg("no pool: %s", error.message);
}

static void
run(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
	    PQresultStatus(result) != PGRES_EMPTY_QUERY)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	PQclear(result);
}

static double
measure(const subject *s)
{
	qpool_lease lease;
	double began;

	assert_int_equal(qpool_acquire(s->pool, QPOOL_SEC(60), &lease, NULL), QPOOL_OK);
	if (s->sql != NULL || s->is_query)
		run(qpool_pg_conn(&lease), s->sql != NULL ? s->sql : "");
	began = now_usec();
	if (s->is_query)
		run(qpool_pg_conn(&lease), "");
	else
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
	began = now_usec() - began;
	if (s->is_query)
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
	return began;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double
median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, by_value);
	return values[count / 2];
}

static size_t rounds = ROUNDS;

static void
costs(void **state)
{
	pg_server *server = pg_server_start(NULL);
	double empty = 0;

	(void)state;
	for (size_t i = 0; i < SUBJECTS; i++) {
		make_pool(&subjects[i], server);
		subjects[i].usec = calloc(rounds, sizeof *subjects[i].usec);
		assert_non_null(subjects[i].usec);
		(void)measure(&subjects[i]); /* connects */
	}
	for (size_t i = 0; i < rounds; i++)
		for (size_t j = 0; j < SUBJECTS; j++) {
			subject *s = &subjects[(i + j) % SUBJECTS];
			s->usec[i] = measure(s);
		}
	for (size_t i = 0; i < SUBJECTS; i++) {
		double middle = median(subjects[i].usec, rounds);
		empty = i == 0 ? middle : empty;
		(void)printf("%-40s %8.2f us  %5.2f\n", subjects[i].name, middle, middle / empty);
		free(subjects[i].usec);
		qpool_free(subjects[i].pool);
	}
	pg_server_end(server);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(costs)};

	if (argc > 1)
		rounds = strtoul(argv[1], NULL, 10);
	if (rounds == 0) {
		(void)fprintf(stderr, "usage: pg_reset_cost [rounds]\n");
		return 2;
	}
	return cmocka_run_group_tests_name("pg_reset_cost", tests, NULL, NULL);
}
