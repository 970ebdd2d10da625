/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_fork: a child that inherits idle and leased sessions.  Whatever it does with the pool and the leases,
 * the proxy sees not a byte of it on the parent's connections, and the parent goes on in its transaction.
 */
#include "pg_opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IDLE = 2, LEASED = 3, SIZE = IDLE + LEASED };

static pg_server *server;
static pg_proxy *proxy;

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	proxy = pg_proxy_start(server);
	pg_do(server, "CREATE TABLE t (n int)");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_proxy_end(proxy);
	pg_server_end(server);
	return 0;
}

/* ---- the parent ---------------------------------------------------------------------- */

/* leases[0] is untouched, [1] in a transaction, [2] has a result unread. */
typedef struct family {
	opening o;
	qpool_lease leases[LEASED];
	int pids[LEASED];
	PGconn *conns[LEASED];
} family;

static void
take_all(family *f, qpool_lease leases[SIZE])
{
	for (size_t i = 0; i < SIZE; i++)
		if (qpool_acquire(f->o.pool, OPENING_PATIENCE, &leases[i], &f->o.error) != QPOOL_OK)
			fail_msg("no lease: %s", f->o.error.message);
}

static void
family_begin(family *f, const char *conninfo, uint32_t flags)
{
	qpool_lease leases[SIZE];

	memset(f, 0, sizeof *f);
	f->o = opening_init();
	f->o.options.max_size = SIZE;
	f->o.pg.flags = flags;
	opening_pool(&f->o, "%s application_name=family", conninfo);
	take_all(f, leases);
	for (size_t i = 0; i < IDLE; i++)
		assert_int_equal(qpool_release(&leases[LEASED + i]), QPOOL_OK);
	memcpy(f->leases, leases, sizeof f->leases);
	for (size_t i = 1; i < LEASED; i++) {
		f->conns[i] = qpool_pg_conn(&f->leases[i]);
		assert_non_null(f->conns[i]);
		f->pids[i] = PQbackendPID(f->conns[i]);
	}
	if (flags == 0)
		(void)opening_say(f->conns[1], "BEGIN");
	(void)opening_say(f->conns[1], "INSERT INTO t VALUES (1)");
	assert_int_equal(PQsendQuery(f->conns[2], "SELECT 42"), 1);
	while (PQisBusy(f->conns[2]))
		assert_int_equal(PQconsumeInput(f->conns[2]), 1);
	pg_proxy_reset(proxy);
}

/* All is as the parent left it. */
static void
family_end(family *f)
{
	PGresult *result = PQgetResult(f->conns[2]);

	assert_string_equal(PQgetvalue(result, 0, 0), "42");
	PQclear(result);
	assert_null(PQgetResult(f->conns[2]));
	assert_int_equal(PQtransactionStatus(f->conns[1]), PQTRANS_INTRANS);
	(void)opening_say(f->conns[1], "INSERT INTO t VALUES (2)");
	assert_int_equal(qpool_pg_commit(&f->leases[1], &f->o.error), QPOOL_OK);
	assert_int_equal(pg_count(server, "SELECT count(*) FROM t"), 2);
	pg_do(server, "TRUNCATE t");
	assert_int_equal(atoi(opening_say(f->conns[1], "SELECT pg_backend_pid()")), f->pids[1]);
	for (size_t i = 0; i < LEASED; i++)
		assert_int_equal(qpool_release(&f->leases[i]), QPOOL_OK);
	assert_int_equal(opening_stats(&f->o).idle, SIZE);
	assert_int_equal(opening_stats(&f->o).opens, SIZE);
	opening_end(&f->o);
	pg_await(
	    server, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'family'");
}

/* ---- a child, where there is no cmocka to jump to ------------------------------------ */

#define MUST(x) ((x) ? (void)0 : die(#x, __LINE__))

static void
die(const char *what, int line)
{
	fprintf(stderr, "pg_fork.c:%d: in a child, must hold: %s\n", line, what);
	_exit(1);
}

static void
nothing(family *f)
{
	(void)f;
}

static void
release_all(family *f)
{
	for (size_t i = 0; i < LEASED; i++)
		MUST(qpool_release(&f->leases[i]) == QPOOL_EFORKED);
}

static void
discard_all(family *f)
{
	for (size_t i = 0; i < LEASED; i++)
		MUST(qpool_discard(&f->leases[i]) == QPOOL_EFORKED);
}

static void
close_and_free(family *f)
{
	MUST(qpool_close(f->o.pool, OPENING_PATIENCE) == QPOOL_OK);
	qpool_free(f->o.pool);
}

static void
free_alone(family *f)
{
	qpool_free(f->o.pool);
}

static void
release_and_free(family *f)
{
	release_all(f);
	close_and_free(f);
}

static void
free_and_release(family *f)
{
	qpool_free(f->o.pool);
	release_all(f);
}

static void
look_after(family *f)
{
	(void)qpool_maintain(f->o.pool);
	qpool_suspect(f->o.pool);
	qpool_renew(f->o.pool);
	(void)qpool_maintain(f->o.pool);
	MUST(opening_stats(&f->o).idle == 0);
}

static void
spoil_and_note(family *f)
{
	for (size_t i = 0; i < LEASED; i++) {
		(void)qpool_pg_epoch(&f->leases[i]);
		(void)qpool_spoil(&f->leases[i]);
	}
	discard_all(f);
	look_after(f);
}

typedef void deed(family *f);

static void
live(family *f, deed *first, int heard, int told)
{
	char turn = 0;

	(void)alarm(60);
	first(f);
	MUST(write(told, &turn, 1) == 1);
	MUST(read(heard, &turn, 1) == 1);
	_exit(0);
}

/* ---- one after the other ------------------------------------------------------------- */

static void
expect_silence(void)
{
	pg_proxy_count count = pg_proxy_counts(proxy);

	assert_int_equal(count.to_server_bytes, 0);
	assert_int_equal(count.to_client_bytes, 0);
	assert_int_equal(count.connects, 0);
	/* Nor was one of them ended. */
	assert_int_equal(pg_proxy_links(proxy), SIZE);
}

static void
expect_silent(const char *conninfo, uint32_t flags, deed *first)
{
	int to_child[2], to_parent[2], status = 1;
	char turn = 0;
	family f;
	pid_t child;

	family_begin(&f, conninfo, flags);
	assert_int_equal(pipe(to_child) + pipe(to_parent), 0);
	(void)fflush(NULL);
	child = fork();
	if (child == 0) {
		(void)close(to_child[1]);
		live(&f, first, to_child[0], to_parent[1]);
	}
	(void)close(to_parent[1]);
	assert_int_equal(read(to_parent[0], &turn, 1), 1);
	expect_silence();
	assert_int_equal(write(to_child[1], &turn, 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	expect_silence();
	(void)close(to_child[0]);
	(void)close(to_child[1]);
	(void)close(to_parent[0]);
	family_end(&f);
}

static deed *const deeds[] = {nothing, release_all, discard_all, close_and_free, free_alone,
    release_and_free, free_and_release, look_after, spoil_and_note};

static void
silent_on_tcp(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
		expect_silent(pg_proxy_conninfo(proxy), 0, deeds[i]);
}

static void
silent_on_a_unix_socket(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
		expect_silent(pg_proxy_unix_conninfo(proxy), 0, deeds[i]);
}

static void
silent_without_autocommit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
		expect_silent(pg_proxy_unix_conninfo(proxy), QPOOL_PG_TRANSACTION, deeds[i]);
}

/* ---- its own sessions ---------------------------------------------------------------- */

static void
work(family *f)
{
	PGconn *conn;

	MUST(qpool_acquire(f->o.pool, OPENING_PATIENCE, &f->o.lease, &f->o.error) == QPOOL_OK);
	conn = qpool_pg_conn(&f->o.lease);
	MUST(conn != NULL && pg_answers(conn));
	for (size_t i = 1; i < LEASED; i++)
		MUST(PQbackendPID(conn) != f->pids[i]);
	MUST(qpool_release(&f->o.lease) == QPOOL_OK);
	MUST(opening_stats(&f->o).idle == 1);
}

/* The child's are the only ones that speak: it connects, asks, and says that it goes. */
static void
opens_its_own(void **state)
{
	family f;
	int status = 1;
	pid_t child;
	char *sent;

	(void)state;
	family_begin(&f, pg_proxy_unix_conninfo(proxy), 0);
	(void)fflush(NULL);
	child = fork();
	if (child == 0) {
		(void)alarm(60);
		work(&f);
		release_and_free(&f);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	sent = pg_proxy_sent(proxy);
	assert_string_equal(sent, "!QX");
	free(sent);
	assert_int_equal(pg_proxy_counts(proxy).connects, 1);
	family_end(&f);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(silent_on_tcp),
	    cmocka_unit_test(silent_on_a_unix_socket),
	    cmocka_unit_test(silent_without_autocommit),
	    cmocka_unit_test(opens_its_own),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_fork", tests, begin, end);
}
