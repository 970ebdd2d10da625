/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_survive_restart: the server is restarted again and again under load, and is away for a while.
 * Capacity comes back whole, nobody is given what is dead, and only what was under way fails.
 */
#include "pg_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 32, SIZE = 8, WORKERS = 4, SOME = 200, LEAST = 3 };

static pg_server *server;

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	pg_do(server, "CREATE TABLE t (who int)");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* A statement that changes something, so that its loss leaves a doubt. */
static qpool_err
insert(void *of, unsigned who, qpool_lease *lease, qpool_error *error)
{
	char sql[64];

	(void)of;
	(void)snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%u)", who);
	return qpool_pg_exec(lease, sql, NULL, NULL, error);
}

/* ---- restarts ---- */

typedef struct restarts {
	unsigned count;
	int64_t away_ns;    /* the longest time from gone to back */
	int64_t slowest_ns; /* from back to the pool's first success */
} restarts;

/* The first plain connect tells that it is back, without the pause of PQping's loop. */
static int64_t
await_back(void)
{
	for (;;) {
		PGconn *conn = PQconnectdb(pg_server_conninfo(server));
		bool is_back = PQstatus(conn) == CONNECTION_OK;

		PQfinish(conn);
		if (is_back)
			return chance_now();
	}
}

static void
restart_once(load *l, pg_stop how, restarts *r)
{
	int64_t gone_ns, back_ns, first_ns;

	load_going(l);
	pg_server_stop(server, how);
	load_gone(l);
	gone_ns = chance_now();
	pg_server_launch_nowait(server);
	back_ns = await_back();
	load_back(l);
	first_ns = load_first_done(l);
	load_await_done(l, SOME);
	r->count++;
	if (back_ns - gone_ns > r->away_ns)
		r->away_ns = back_ns - gone_ns;
	if (first_ns - back_ns > r->slowest_ns)
		r->slowest_ns = first_ns - back_ns;
}

static void
restart_under_load(pg_stop how, unsigned workers, const char *name)
{
	const load_options options = {.threads = THREADS, .timeout = QPOOL_SEC(30), .job = insert};
	qpool_options pool_options = qpool_options_init();
	int64_t until_ns = chance_now() + QPOOL_SEC(chance_seconds());
	restarts r = {0, 0, 0};
	load_count count;
	qpool *pool;
	load *l;

	pool_options.max_size = SIZE;
	/* The server's own time to start is not what is asked about. */
	pool_options.down_after = QPOOL_SEC(30);
	pool = load_pool(pg_server_conninfo(server), NULL, &pool_options, workers);
	pg_do(server, "TRUNCATE t");
	l = load_start(pool, &options);
	load_await_done(l, SOME);
	while (r.count < LEAST || chance_now() < until_ns)
		restart_once(l, how, &r);
	count = load_end(l);
	load_print(name, &count);
	printf(
	    "# %s, %u workers: %u times, away for up to %.0f ms; first success %.1f ms after the "
	    "server was back at most\n",
	    name, workers, r.count, load_msec(r.away_ns), load_msec(r.slowest_ns));
	load_take_all(pool, SIZE);
	assert_int_equal(count.stale, 0);
	assert_int_equal(count.refusals, 0);
	/* Each session dies once, and the one opened for it perhaps once more while all go down. */
	assert_true(count.in_flight <= (uint64_t)2 * SIZE * r.count);
	/* A pause of at most 100 ms, and a connect. */
	assert_true(r.slowest_ns <= QPOOL_MSEC(200) + LOAD_TOLERANCE);
	load_pool_end(pool);
	/* What was said to be done is there; what is in doubt may be. */
	assert_in_range(
	    pg_count(server, "SELECT count(*) FROM t"), count.done, count.done + count.unknown);
}

static void
restarted_fast(void **state)
{
	(void)state;
	restart_under_load(PG_FAST, WORKERS, "restarted fast");
	restart_under_load(PG_FAST, 0, "restarted fast");
}

/* fsync and synchronous_commit are off, so rows that were reported may be lost: not counted. */
static void
restarted_at_once(void **state)
{
	(void)state;
	pg_do(server, "ALTER SYSTEM SET synchronous_commit = on");
	pg_do(server, "SELECT pg_reload_conf()");
	restart_under_load(PG_IMMEDIATE, WORKERS, "crashed");
	restart_under_load(PG_IMMEDIATE, 0, "crashed");
}

/* ---- away for a while ---- */

/* Away for so long under load. */
static load_count
away_for(const qpool_options *options, qpool_nsec span, unsigned workers, int64_t *first_ns)
{
	const load_options l_options = {.threads = THREADS, .timeout = QPOOL_SEC(30)};
	qpool *pool = load_pool(pg_server_conninfo(server), NULL, options, workers);
	load *l = load_start(pool, &l_options);
	int64_t until_ns, back_ns;
	load_count count;

	load_await_done(l, SOME);
	load_going(l);
	pg_server_stop(server, PG_FAST);
	load_gone(l);
	for (until_ns = chance_now() + span; chance_now() < until_ns;)
		assert_int_equal(PQping(pg_server_conninfo(server)), PQPING_NO_RESPONSE);
	pg_server_launch_nowait(server);
	back_ns = await_back();
	load_back(l);
	*first_ns = load_first_done(l) - back_ns;
	load_await_done(l, SOME);
	count = load_end(l);
	load_take_all(pool, SIZE);
	load_pool_end(pool);
	return count;
}

static void
a_short_outage_fails_nobody(void **state)
{
	qpool_options options = qpool_options_init();
	int64_t first_ns;
	load_count count;

	(void)state;
	options.max_size = SIZE;
	count = away_for(&options, QPOOL_SEC(3), WORKERS, &first_ns);
	load_print("away for 3 s", &count);
	printf("# away for 3 s: first success %.1f ms after\n", load_msec(first_ns));
	assert_int_equal(count.refusals, 0);
	assert_int_equal(count.stale, 0);
}

/* The pool tells how long it had been failing; the load, how long callers were kept. */
static void
outage_beyond_down_after(qpool_nsec down_after, qpool_nsec span, unsigned workers)
{
	qpool_options options = qpool_options_init();
	int64_t first_ns;
	load_count count;

	options.max_size = SIZE;
	options.down_after = down_after;
	count = away_for(&options, span, workers, &first_ns);
	load_print("away beyond down_after", &count);
	printf(
	    "# down_after %.0f ms, away for %.0f ms, %u workers: longest wait for the error %.1f ms, "
	    "first success %.1f ms after\n",
	    load_msec(down_after), load_msec(span), workers, load_msec(count.longest_refusal_ns),
	    load_msec(first_ns));
	assert_true(count.refusals > THREADS); /* more than those who stood in line */
	assert_int_equal(count.refusal.code, QPOOL_EOPEN);
	/* But for those who were refused just before it was over, and put it in words just after. */
	assert_true(count.told_since + THREADS >= count.refusals);
	assert_true(count.longest_refusal_ns <= down_after + LOAD_TOLERANCE);
	assert_int_equal(count.stale, 0);
	/* Nobody stands in line any more, so a probe may wait for retry_max. */
	assert_true(first_ns <= QPOOL_SEC(5) + LOAD_TOLERANCE);
}

static void
a_long_outage_is_told_at_once(void **state)
{
	bool is_long = getenv("QPOOL_LONG") != NULL;
	qpool_nsec down_after = is_long ? QPOOL_SEC(5) : QPOOL_SEC(1);
	qpool_nsec span = is_long ? QPOOL_SEC(20) : QPOOL_SEC(3);

	(void)state;
	outage_beyond_down_after(down_after, span, WORKERS);
	outage_beyond_down_after(down_after, span, 0);
}

/* "restarts" and "outages" run side by side; no argument: both. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(restarted_fast),
	    cmocka_unit_test(restarted_at_once),
	    cmocka_unit_test(a_short_outage_fails_nobody),
	    cmocka_unit_test(a_long_outage_is_told_at_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(strcmp(argv[1], "restarts") == 0 ? "restarted*" : "a_*");
	return cmocka_run_group_tests(tests, begin, end);
}
