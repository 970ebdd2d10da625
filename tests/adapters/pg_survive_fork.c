/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_survive_fork: a process that forks in the middle of a transaction while its other threads work.  The
 * children use their pools, end what they inherited, and are gone; the parent's sessions never notice.
 */
#include "pg_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, SIZE = 6, LEAST = 5 };

static pg_server *server;

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	pg_do(server, "CREATE TABLE t (pid int, n int)");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* ---- in a child, where there is no cmocka to jump to ---- */

#define MUST(x) ((x) ? (void)0 : die(#x, __LINE__, ""))

static void
die(const char *what, int line, const char *why)
{
	fprintf(stderr, "pg_survive_fork.c:%d: in a child, must hold: %s; %s\n", line, what, why);
	_exit(1);
}

static void
must_work(qpool *pool, int parent_pid)
{
	qpool_lease lease;
	qpool_error error;
	PGresult *result;
	qpool_pg_rows rows;

	if (qpool_acquire(pool, QPOOL_SEC(60), &lease, &error) != QPOOL_OK)
		die("acquire", __LINE__, error.message);
	if (qpool_pg_one(&lease, "SELECT pg_backend_pid()", NULL, &result, &rows, &error) !=
	    QPOOL_OK)
		die("a statement", __LINE__, error.message);
	MUST(atoi(PQgetvalue(result, 0, 0)) != parent_pid);
	PQclear(result);
	MUST(qpool_release(&lease) == QPOOL_OK);
}

/* One way of ending after the other, by turns. */
static void
live(qpool *pool, qpool_lease *inherited, int parent_pid, unsigned turn)
{
	(void)alarm(120);
	if (turn % 2 == 0)
		must_work(pool, parent_pid);
	switch (turn % 3) {
	case 0:
		MUST(qpool_release(inherited) == QPOOL_EFORKED);
		MUST(qpool_close(pool, QPOOL_SEC(60)) == QPOOL_OK);
		qpool_free(pool);
		break;
	case 1:
		MUST(qpool_discard(inherited) == QPOOL_EFORKED);
		must_work(pool, parent_pid);
		break;
	default: /* as a program does that knows nothing of pools */
		break;
	}
	_exit(0);
}

/* ---- the parent ---- */

typedef struct family {
	qpool *pool;
	load *l;
	unsigned children;
} family;

static void
insert(qpool_lease *lease, unsigned n)
{
	char sql[96];
	qpool_error error;

	(void)snprintf(sql, sizeof sql, "INSERT INTO t VALUES (pg_backend_pid(), %u)", n);
	if (qpool_pg_exec(lease, sql, NULL, NULL, &error) != QPOOL_OK)
		fail_msg("%s", error.message);
}

static void
fork_in_a_transaction(family *f)
{
	qpool_lease lease = load_take(f->pool);
	qpool_error error;
	int status = 1, pid;
	pid_t child;

	assert_int_equal(qpool_pg_exec(&lease, "BEGIN", NULL, NULL, &error), QPOOL_OK);
	pid = load_pid(&lease);
	insert(&lease, 2 * f->children);
	(void)fflush(NULL);
	child = fork();
	if (child == 0)
		live(f->pool, &lease, pid, f->children);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	insert(&lease, 2 * f->children + 1);
	assert_int_equal(load_pid(&lease), pid);
	if (qpool_pg_commit(&lease, &error) != QPOOL_OK)
		fail_msg("%s", error.message);
	load_put(&lease);
	f->children++;
}

/* Leases that end badly now and then, so that a fork may come while a worker opens. */
static qpool_err
discard_some(void *of, unsigned who, qpool_lease *lease, qpool_error *error)
{
	static _Thread_local unsigned turn;

	(void)of;
	if (++turn % 16 == who)
		(void)qpool_spoil(lease);
	return qpool_pg_exec(lease, "SELECT 1", NULL, NULL, error);
}

static void
fork_for(unsigned threads, load_job *job, const char *what)
{
	const load_options options = {.threads = threads, .timeout = QPOOL_SEC(60), .job = job};
	qpool_options pool_options = qpool_options_init();
	int64_t until_ns = chance_now() + QPOOL_SEC(chance_seconds()) / 2;
	load_count count = {0};
	family f = {0};

	pg_do(server, "TRUNCATE t");
	pool_options.max_size = SIZE;
	f.pool = load_pool(pg_server_tcp_conninfo(server), NULL, &pool_options, 2);
	f.l = threads > 0 ? load_start(f.pool, &options) : NULL;
	while (f.children < LEAST || chance_now() < until_ns)
		fork_in_a_transaction(&f);
	if (f.l != NULL)
		count = load_end(f.l);
	load_print(what, &count);
	printf("# %s: %u children\n", what, f.children);
	assert_int_equal(count.refusals, 0);
	assert_int_equal(count.stale + count.in_flight, 0);
	assert_int_equal(load_stats(f.pool).closes[QPOOL_WHY_CHECK], 0);
	assert_int_equal(pg_count(server, "SELECT count(DISTINCT n) FROM t"), 2 * f.children);
	load_pool_end(f.pool);
	pg_await(server,
	    "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'postgres'");
}

static void
forked_alone(void **state)
{
	(void)state;
	fork_for(0, NULL, "forked alone");
}

/* The allocator of AddressSanitizer itself hangs in a child whose parent had other threads in it. */
static void
forked_under_load(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip();
#endif
	fork_for(THREADS, NULL, "forked under load");
}

static void
forked_while_others_open(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip();
#endif
	fork_for(THREADS, discard_some, "forked while others open");
}

/* One of the tests, by name, or all. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(forked_alone),
	    cmocka_unit_test(forked_under_load),
	    cmocka_unit_test(forked_while_others_open),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, begin, end);
}
