/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_survive_silence: peers that refuse, accept and say nothing, stop in the middle, or vanish without a
 * word.  Every call ends by its deadline, give or take LOAD_TOLERANCE, and the pool is whole when the peer is.
 */
#include "pg_load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 3, BIG = 32 << 20 };

#define SOON   QPOOL_MSEC(300)
#define BUDGET QPOOL_MSEC(400)

static pg_server *server;
static pg_proxy *proxy;

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	pg_do(server, "CREATE TABLE t (n int)");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

static int
begin_one(void **state)
{
	(void)state;
	proxy = pg_proxy_start(server);
	return 0;
}

static int
end_one(void **state)
{
	(void)state;
	pg_proxy_end(proxy);
	return 0;
}

/* ---- what is said often ---- */

static int64_t begun_ns, worst_ns;

static void
begin_to_count(void)
{
	begun_ns = chance_now();
}

/* The call ended, not before `least` and not long after `most`. */
static void
ended_within(const char *what, qpool_nsec least, qpool_nsec most)
{
	int64_t took_ns = chance_now() - begun_ns;

	if (took_ns - most > worst_ns)
		worst_ns = took_ns - most;
	if (took_ns < least || took_ns > most + LOAD_TOLERANCE)
		fail_msg("%s took %.1f ms, not %.0f to %.0f", what, load_msec(took_ns),
		    load_msec(least), load_msec(most));
}

static qpool *
pool_with(const qpool_pg_options *pg, unsigned workers)
{
	qpool_options options = qpool_options_init();

	options.max_size = SIZE;
	options.open_budget = BUDGET;
	options.step_budget = BUDGET;
	options.down_after = QPOOL_FOREVER;
	return load_pool(pg_proxy_conninfo(proxy), pg, &options, workers);
}

static void
must_time_out(qpool *pool)
{
	qpool_lease lease;
	qpool_error error;

	begin_to_count();
	assert_int_equal(qpool_acquire(pool, SOON, &lease, &error), QPOOL_ETIMEOUT);
	ended_within("acquire", SOON, SOON);
}

static void
release_within(qpool_lease *lease, qpool_nsec most)
{
	begin_to_count();
	assert_int_equal(qpool_release(lease), QPOOL_OK);
	ended_within("release", 0, most);
}

/* Nothing that the pool does with a peer takes longer than one budget; the workers do it at once. */
static void
close_within(qpool *pool, qpool_nsec most)
{
	begin_to_count();
	load_pool_end(pool);
	ended_within("close", 0, most);
}

static void
pass_and_end(qpool *pool)
{
	pg_proxy_set(proxy, PG_PASS);
	load_take_all(pool, SIZE);
	close_within(pool, BUDGET);
}

static void
must(qpool_err err, const qpool_error *error)
{
	if (err != QPOOL_OK)
		fail_msg("%s", error->message);
}

static qpool_lease
in_transaction(qpool *pool)
{
	qpool_lease lease = load_take(pool);
	qpool_error error;

	must(qpool_pg_exec(&lease, "BEGIN", NULL, NULL, &error), &error);
	must(qpool_pg_exec(&lease, "INSERT INTO t VALUES (1)", NULL, NULL, &error), &error);
	return lease;
}

static void
exec_ends_with(qpool_lease *lease, const char *sql, qpool_err expected)
{
	qpool_pg_params params = qpool_pg_params_init();
	qpool_error error;

	params.timeout = SOON;
	begin_to_count();
	assert_int_equal(qpool_pg_exec(lease, sql, &params, NULL, &error), expected);
	ended_within(sql, SOON, SOON);
}

/* Each test runs with callers that do all by themselves, and with workers. */
static const unsigned crews[] = {0, 3};
#define FOR_CREWS(crew) \
	for (const unsigned *crew = crews; crew < crews + sizeof crews / sizeof crews[0]; crew++)

/* ---- opening ---- */

static void
open_tells(uint32_t *code, const char **words)
{
	static char text[sizeof((qpool_error *)NULL)->message];
	qpool_options options = qpool_options_init();
	qpool_lease lease;
	qpool_error error;
	qpool *pool;

	options.open_failure = QPOOL_OPEN_TELL;
	options.open_budget = SOON;
	pool = load_pool(pg_proxy_conninfo(proxy), NULL, &options, 0);
	begin_to_count();
	*code = qpool_acquire(pool, QPOOL_SEC(30), &lease, &error);
	ended_within("acquire with open_failure=tell", 0, SOON);
	(void)snprintf(text, sizeof text, "%s", error.message);
	*words = text;
	load_pool_end(pool);
}

static void
a_refused_port(void **state)
{
	const char *words;
	uint32_t code;

	(void)state;
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(NULL, *crew);
		pg_proxy_set(proxy, PG_REFUSE);
		must_time_out(pool);
		pass_and_end(pool);
	}
	pg_proxy_set(proxy, PG_REFUSE);
	open_tells(&code, &words);
	assert_int_equal(code, QPOOL_EOPEN);
	assert_non_null(strstr(words, "refused"));
}

static void
a_silent_acceptor(void **state)
{
	const char *words;
	uint32_t code;

	(void)state;
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(NULL, *crew);
		pg_proxy_set(proxy, PG_ACCEPT_SILENT);
		must_time_out(pool);
		must_time_out(pool);
		pass_and_end(pool);
	}
	pg_proxy_set(proxy, PG_ACCEPT_SILENT);
	open_tells(&code, &words);
	assert_int_equal(code, QPOOL_EOPEN);
	assert_non_null(strstr(words, "no answer in time"));
}

static void
closed_while_opening(void **state)
{
	qpool *pool = pool_with(NULL, 3);

	(void)state;
	pg_proxy_set(proxy, PG_ACCEPT_SILENT);
	must_time_out(pool);
	close_within(pool, BUDGET);
}

/* ---- a backend that stops ---- */

static void
stopped_in_mid_query(void **state)
{
	(void)state;
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(NULL, *crew);
		qpool_lease outside = load_take(pool), inside = in_transaction(pool);
		qpool_lease third = load_take(pool);
		int pids[2] = {load_pid(&outside), load_pid(&inside)};

		assert_int_equal(kill(pids[0], SIGSTOP), 0);
		assert_int_equal(kill(pids[1], SIGSTOP), 0);
		exec_ends_with(&outside, "INSERT INTO t VALUES (1)", QPOOL_EUNKNOWN);
		exec_ends_with(&inside, "INSERT INTO t VALUES (1)", QPOOL_ETIMEOUT);
		must_time_out(pool);
		release_within(&outside, 0);
		release_within(&inside, 0);
		load_put(&third);
		load_take_all(pool, SIZE);
		assert_int_equal(kill(pids[0], SIGCONT), 0);
		assert_int_equal(kill(pids[1], SIGCONT), 0);
		close_within(pool, BUDGET);
	}
}

/* The statement does not even fit the socket's buffers. */
static void
stopped_while_we_write(void **state)
{
	char *big = malloc(BIG);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', BIG - 1);
	big[BIG - 1] = '\0';
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(NULL, *crew);
		qpool_lease lease = load_take(pool);
		qpool_pg_params params = *QPOOL_PG_TEXT(big);
		qpool_error error;
		int pid = load_pid(&lease);

		/* libpq's buffer grows now: memory that a machine gives for the first time takes its time. */
		must(qpool_pg_exec(&lease, "SELECT length($1)", &params, NULL, &error), &error);
		params.timeout = SOON;
		assert_int_equal(kill(pid, SIGSTOP), 0);
		begin_to_count();
		assert_int_equal(
		    qpool_pg_exec(&lease, "SELECT $1", &params, NULL, &error), QPOOL_EUNKNOWN);
		ended_within("a statement that cannot be sent", SOON, SOON);
		release_within(&lease, 0);
		assert_int_equal(kill(pid, SIGCONT), 0);
		pass_and_end(pool);
	}
	free(big);
}

/* The result is unread, and whoever is asked to cancel it does not hear. */
static void
stopped_with_a_result_unread(void **state)
{
	(void)state;
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(NULL, *crew);
		qpool_lease lease = load_take(pool);
		int pid = load_pid(&lease);

		assert_int_equal(PQsendQuery(qpool_pg_conn(&lease), "SELECT pg_sleep(600)"), 1);
		pg_await(server,
		    "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
		assert_int_equal(kill(pid, SIGSTOP), 0);
		release_within(&lease, BUDGET);
		load_take_all(pool, SIZE);
		close_within(pool, BUDGET);
		assert_int_equal(kill(pid, SIGCONT), 0);
		pg_kill_backend(server, pid);
	}
}

/* ---- a peer that vanishes ---- */

static void
make_idle(qpool *pool)
{
	load_take_all(pool, SIZE);
}

static void
gone_before_a_check(void **state)
{
	(void)state;
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(NULL, *crew);
		make_idle(pool);
		qpool_suspect(pool);
		pg_proxy_set(proxy, PG_SWALLOW);
		must_time_out(pool);
		must_time_out(pool);
		must_time_out(pool);
		pass_and_end(pool);
	}
}

static void
gone_during_a_query(void **state)
{
	(void)state;
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(NULL, *crew);
		qpool_lease outside = load_take(pool), inside = in_transaction(pool);

		pg_proxy_set(proxy, PG_SWALLOW);
		exec_ends_with(&outside, "INSERT INTO t VALUES (1)", QPOOL_EUNKNOWN);
		exec_ends_with(&inside, "INSERT INTO t VALUES (1)", QPOOL_ETIMEOUT);
		release_within(&outside, 0);
		release_within(&inside, 0);
		pass_and_end(pool);
	}
}

static qpool_err
insert(void *user, qpool_lease *lease, qpool_error *error)
{
	qpool_err err = qpool_pg_exec(lease, "INSERT INTO t VALUES (1)", NULL, NULL, error);

	(void)user;
	pg_proxy_set(proxy, PG_SWALLOW);
	return err;
}

static void
gone_during_a_commit(void **state)
{
	qpool_pg_options pg = qpool_pg_options_init();

	(void)state;
	pg.call_timeout = SOON;
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(&pg, *crew);
		qpool_lease lease = in_transaction(pool);
		qpool_error error;

		pg_proxy_set(proxy, PG_SWALLOW);
		begin_to_count();
		assert_int_equal(qpool_pg_commit(&lease, &error), QPOOL_EUNKNOWN);
		ended_within("COMMIT", SOON, SOON);
		release_within(&lease, 0);
		pg_proxy_set(proxy, PG_PASS);
		lease = load_take(pool);
		begin_to_count();
		assert_int_equal(
		    qpool_pg_transaction(&lease, NULL, insert, NULL, &error), QPOOL_EUNKNOWN);
		ended_within("COMMIT of qpool_pg_transaction", SOON, SOON);
		release_within(&lease, 0);
		pass_and_end(pool);
	}
}

static void
gone_before_a_reset(void **state)
{
	static const uint32_t resets[] = {QPOOL_PG_RESET_ROLLBACK, QPOOL_PG_RESET_NONE,
	    QPOOL_PG_RESET_SMART, QPOOL_PG_RESET_FULL};
	qpool_pg_options pg = qpool_pg_options_init();

	(void)state;
	for (size_t i = 0; i < sizeof resets / sizeof resets[0]; i++) {
		FOR_CREWS(crew)
		{
			qpool *pool;
			qpool_lease lease;

			pg.reset = resets[i];
			pool = pool_with(&pg, *crew);
			lease = in_transaction(pool);
			pg_proxy_set(proxy, PG_SWALLOW);
			release_within(&lease, BUDGET);
			pass_and_end(pool);
		}
	}
}

/* COPY, a pipeline, a query: whatever is under way when the peer vanishes. */
static void
leave_under_way(PGconn *conn, int which)
{
	PGresult *result;

	switch (which) {
	case 0:
		assert_int_equal(PQsendQuery(conn, "SELECT pg_sleep(600)"), 1);
		break;
	case 1:
		result = PQexec(conn, "COPY t FROM STDIN");
		assert_int_equal(PQresultStatus(result), PGRES_COPY_IN);
		PQclear(result);
		break;
	default:
		assert_int_equal(PQenterPipelineMode(conn), 1);
		assert_int_equal(
		    PQsendQueryParams(conn, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0), 1);
		break;
	}
}

static void
gone_with_something_under_way(void **state)
{
	(void)state;
	for (int which = 0; which < 3; which++) {
		FOR_CREWS(crew)
		{
			qpool *pool = pool_with(NULL, *crew);
			qpool_lease lease = load_take(pool);

			leave_under_way(qpool_pg_conn(&lease), which);
			pg_proxy_set(proxy, PG_SWALLOW);
			release_within(&lease, BUDGET);
			close_within(pool, BUDGET);
			pg_proxy_set(proxy, PG_CUT);
		}
	}
}

static void
gone_before_the_end(void **state)
{
	(void)state;
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(NULL, *crew);
		qpool_lease lease = load_take(pool);

		load_take_all(pool, SIZE - 1);
		pg_proxy_set(proxy, PG_SWALLOW);
		begin_to_count();
		assert_int_equal(qpool_discard(&lease), QPOOL_OK);
		ended_within("discard", 0, 0);
		begin_to_count();
		qpool_renew(pool);
		ended_within("renew", 0, 0);
		close_within(pool, 0);
		pg_proxy_set(proxy, PG_CUT);
	}
}

static void
freed_without_close(void **state)
{
	(void)state;
	FOR_CREWS(crew)
	{
		qpool *pool = pool_with(NULL, *crew);

		make_idle(pool);
		pg_proxy_set(proxy, PG_SWALLOW);
		begin_to_count();
		qpool_free(pool);
		ended_within("free", 0, 0);
		pg_proxy_set(proxy, PG_CUT);
	}
	printf("# the latest end was %.1f ms past its deadline; the tolerance is %.0f ms\n",
	    load_msec(worst_ns), load_msec(LOAD_TOLERANCE));
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, begin_one, end_one)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ONE(a_refused_port),
	    ONE(a_silent_acceptor),
	    ONE(closed_while_opening),
	    ONE(stopped_in_mid_query),
	    ONE(stopped_while_we_write),
	    ONE(stopped_with_a_result_unread),
	    ONE(gone_before_a_check),
	    ONE(gone_during_a_query),
	    ONE(gone_during_a_commit),
	    ONE(gone_before_a_reset),
	    ONE(gone_with_something_under_way),
	    ONE(gone_before_the_end),
	    ONE(freed_without_close),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
