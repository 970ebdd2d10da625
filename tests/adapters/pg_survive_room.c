/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_survive_room: a server with fewer places than the pool has, and one that refuses whoever asks, under
 * load.
 */
#include "pg_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 16, SIZE = 20, ROOM = 5, MOST = 64, SOME = 50, GROW_SECONDS = 30 };

#define RETRY_MAX QPOOL_MSEC(500)

static pg_server *server;

static int
begin(void **state)
{
	static const pg_server_options options = {
	    .max_connections = 24,
	    .hba = "local all app scram-sha-256\n",
	};

	(void)state;
	server = pg_server_start(&options);
	pg_do(server, "CREATE ROLE guest LOGIN; CREATE ROLE app LOGIN PASSWORD 'secret-1'");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* As this user, in this database. */
static const char *
conninfo_of(const char *user, const char *password, const char *database)
{
	static char text[512];

	(void)snprintf(text, sizeof text, "host=%s port=%d dbname=%s user=%s %s%s",
	    pg_server_socket_dir(server), pg_server_port(server), database, user,
	    password != NULL ? "password=" : "", password != NULL ? password : "");
	return text;
}

/* ---- fewer places ---- */

typedef struct others {
	PGconn *conns[MOST];
	unsigned count;
} others;

/* Take all places that guests can have. */
static void
fill_up(others *o)
{
	for (o->count = 0; o->count < MOST; o->count++) {
		o->conns[o->count] = PQconnectdb(conninfo_of("guest", NULL, "postgres"));
		if (PQstatus(o->conns[o->count]) != CONNECTION_OK)
			break;
	}
	assert_in_range(o->count, ROOM + 1, MOST - 1);
	PQfinish(o->conns[o->count]);
}

static void
leave(others *o, unsigned how_many)
{
	char sql[128];

	while (how_many-- > 0)
		PQfinish(o->conns[--o->count]);
	(void)snprintf(sql, sizeof sql,
	    "SELECT count(*) <= %u FROM pg_stat_activity WHERE usename = 'guest'"
	    " AND application_name = ''",
	    o->count);
	pg_await(server, sql);
}

/* How often each thread was served: written by that thread alone, read after its end. */
static uint64_t served[THREADS];

static qpool_err
serve(void *of, unsigned who, qpool_lease *lease, qpool_error *error)
{
	(void)of;
	served[who]++;
	return qpool_pg_exec(lease, "SELECT 1", NULL, NULL, error);
}

static double
until_open(load *l, qpool *pool, unsigned count)
{
	int64_t began_ns = chance_now();

	while (load_stats(pool).open_peak < count) {
		load_await_done(l, SOME);
		if (chance_now() - began_ns > QPOOL_SEC(GROW_SECONDS) * RACE_SLOWER)
			fail_msg("%u open, not %u", load_stats(pool).open_peak, count);
	}
	return load_msec(chance_now() - began_ns);
}

static void
grow_into_room(uint32_t open_failure, unsigned workers)
{
	const load_options options = {.threads = THREADS, .timeout = QPOOL_SEC(30), .job = serve};
	qpool_options pool_options = qpool_options_init();
	int64_t until_ns = chance_now() + QPOOL_SEC(chance_seconds()) / 2;
	uint64_t least = UINT64_MAX;
	unsigned more;
	load_count count;
	qpool *pool;
	others o = {0};
	load *l;

	fill_up(&o);
	leave(&o, ROOM);
	memset(served, 0, sizeof served);
	pool_options.max_size = SIZE;
	pool_options.open_failure = open_failure;
	pool = load_pool(conninfo_of("guest", NULL, "postgres"), NULL, &pool_options, workers);
	l = load_start(pool, &options);
	do
		load_await_done(l, SOME);
	while (chance_now() < until_ns || load_stats(pool).open_peak < ROOM);
	assert_int_equal(load_stats(pool).open_peak, ROOM);
	more = o.count < THREADS - ROOM ? o.count : THREADS - ROOM;
	leave(&o, o.count);
	printf("# room for %u more sessions was used after %.0f ms under load, %u workers\n", more,
	    until_open(l, pool, ROOM + more), workers);
	count = load_end(l);
	load_print("room for fewer", &count);
	assert_int_equal(count.refusals, 0);
	assert_int_equal(count.stale + count.in_flight, 0);
	for (unsigned i = 0; i < THREADS; i++)
		least = served[i] < least ? served[i] : least;
	printf("# each thread was served %" PRIu64 " times or more; %" PRIu64
	       " opens failed; the longest open took %.1f ms\n",
	    least, load_stats(pool).open_failures,
	    load_msec((int64_t)load_stats(pool).open_ns_max));
	assert_true(least > 0);
	load_pool_end(pool);
	pg_await(server, "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'guest'");
}

static void
fewer_places_than_the_pool(void **state)
{
	(void)state;
	grow_into_room(QPOOL_OPEN_RETRY, 0);
	grow_into_room(QPOOL_OPEN_RETRY, 4);
	/* Told of a failure are those only for whom nobody will bring anything back. */
	grow_into_room(QPOOL_OPEN_TELL, 0);
	grow_into_room(QPOOL_OPEN_TELL, 4);
}

/* ---- refused ---- */

static qpool *
pool_of(const char *conninfo, unsigned workers)
{
	qpool_options options = qpool_options_init();

	options.max_size = ROOM;
	options.retry_max = RETRY_MAX;
	return load_pool(conninfo, NULL, &options, workers);
}

/* Each thread is refused, at once, with the reason and without the secret. */
static void
must_be_denied(load *l, const char *sqlstate)
{
	load_count count;

	load_await_refusals(l, (uint64_t)4 * THREADS);
	count = load_now(l);
	assert_int_equal(count.refusal.code, QPOOL_EDENIED);
	assert_string_equal(count.refusal.native, sqlstate);
	assert_null(strstr(count.refusal.message, "secret"));
	assert_true(count.longest_refusal_ns <= LOAD_TOLERANCE);
}

/* From mending to the first success: a probe comes every retry_max at least. */
static void
must_recover(load *l, const char *what)
{
	int64_t mended_ns = chance_now(), first_ns;
	load_count count;

	load_gone(l);
	first_ns = load_first_done(l);
	load_await_done(l, SOME);
	count = load_end(l);
	load_print(what, &count);
	printf(
	    "# %s: longest wait for the refusal %.1f ms; first success %.1f ms after it was mended\n",
	    what, load_msec(count.longest_refusal_ns), load_msec(first_ns - mended_ns));
	assert_true(first_ns - mended_ns <= RETRY_MAX + LOAD_TOLERANCE);
	assert_int_equal(count.stale, 0);
}

static void
password_changes(unsigned workers)
{
	const load_options options = {.threads = THREADS, .timeout = QPOOL_SEC(30)};
	qpool *pool = pool_of(conninfo_of("app", "secret-1", "postgres"), workers);
	load *l = load_start(pool, &options);

	/* All are open, so that nobody is at the door when the lock is changed. */
	(void)until_open(l, pool, ROOM);
	pg_do(server, "ALTER ROLE app PASSWORD 'secret-2'");
	load_await_done(l, SOME); /* those that are in stay in */
	assert_int_equal(load_now(l).refusals, 0);
	load_going(l);
	pg_do(
	    server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
	must_be_denied(l, "28P01");
	load_back(l);
	pg_do(server, "ALTER ROLE app PASSWORD 'secret-1'");
	must_recover(l, "wrong password");
	load_take_all(pool, ROOM);
	load_pool_end(pool);
}

static void
a_password_changes(void **state)
{
	(void)state;
	password_changes(0);
	password_changes(4);
}

static void
database_appears(unsigned workers)
{
	const load_options options = {.threads = THREADS, .timeout = QPOOL_SEC(30)};
	qpool *pool = pool_of(conninfo_of("guest", NULL, "later"), workers);
	load *l = load_start(pool, &options);

	must_be_denied(l, "3D000");
	pg_do(server, "CREATE DATABASE later");
	must_recover(l, "unknown database");
	load_take_all(pool, ROOM);
	load_pool_end(pool);
	pg_await(server, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'later'");
	pg_do(server, "DROP DATABASE later");
}

static void
a_database_appears(void **state)
{
	(void)state;
	database_appears(0);
	database_appears(4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fewer_places_than_the_pool),
	    cmocka_unit_test(a_password_changes),
	    cmocka_unit_test(a_database_appears),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
