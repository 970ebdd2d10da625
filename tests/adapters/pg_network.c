/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_network: that the proxy, which plays the bad network to the PostgreSQL tests, does what each of its modes
 * says, and counts right.
 */
#include "pg_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pg_server *server; /* of all tests that do not start one */

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* Whether the connection has something to read within so many ms. */
static bool
hears(PGconn *c, int ms)
{
	struct pollfd one = {.fd = PQsocket(c), .events = POLLIN};

	return poll(&one, 1, ms) == 1;
}

/* The end of what was begun by PQsendQuery. */
static bool
finishes(PGconn *c)
{
	PGresult *result;
	bool good = true;

	while ((result = PQgetResult(c)) != NULL) {
		good = good && PQresultStatus(result) == PGRES_TUPLES_OK;
		PQclear(result);
	}
	return good;
}

static void
must_have_sent(pg_proxy *p, const char *types)
{
	char *sent = pg_proxy_sent(p);

	assert_string_equal(sent, types);
	free(sent);
}

static void
a_proxy_counts(void **state)
{
	pg_proxy *p = pg_proxy_start(server);
	PGconn *c = pg_connected(pg_proxy_conninfo(p));
	pg_proxy_count count;

	(void)state;
	must_have_sent(p, "!");
	pg_proxy_reset(p);
	assert_true(pg_answers(c));
	count = pg_proxy_counts(p);
	must_have_sent(p, "Q");
	assert_int_equal(count.turns, 1);
	assert_int_equal(count.connects, 0);
	assert_int_equal(count.to_server_bytes, 1 + 4 + sizeof "SELECT 1");
	assert_true(count.to_client_bytes > 20);
	PQclear(PQexecParams(c, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0));
	assert_int_equal(pg_proxy_counts(p).turns, 2);
	PQfinish(c);
	must_have_sent(p, "QPBDESX");
	assert_int_equal(pg_proxy_counts(p).turns, 3);
	pg_proxy_reset(p);
	pg_must_answer(pg_proxy_unix_conninfo(p));
	must_have_sent(p, "!QX");
	assert_int_equal(pg_proxy_counts(p).connects, 1);
	pg_proxy_end(p);
}

static void
a_proxy_passes_much(void **state)
{
	pg_proxy *p = pg_proxy_start(server);
	PGconn *c = pg_connected(pg_proxy_conninfo(p));
	PGresult *result = PQexec(c, "SELECT repeat('x', 5000000)");

	(void)state;
	assert_int_equal(PQgetlength(result, 0, 0), 5000000);
	PQclear(result);
	PQfinish(c);
	pg_proxy_end(p);
}

static void
a_proxy_listens_to_encryption(void **state)
{
	pg_proxy *p = pg_proxy_start(server);
	char conninfo[128];

	(void)state;
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1 port=%d dbname=postgres user=postgres sslmode=prefer gssencmode=disable",
	    pg_proxy_port(p));
	pg_must_answer(conninfo);
	must_have_sent(p, "?!QX");
	pg_proxy_end(p);
}

static void
a_proxy_swallows(void **state)
{
	pg_proxy *p = pg_proxy_start(server);
	PGconn *c = pg_connected(pg_proxy_conninfo(p)), *fresh;
	char conninfo[192];

	(void)state;
	pg_proxy_set(p, PG_SWALLOW);
	pg_proxy_reset(p);
	assert_int_equal(PQsendQuery(c, "CREATE TABLE swallowed (n int)"), 1);
	must_have_sent(p, "Q");
	assert_false(hears(c, 100));
	assert_int_equal(
	    pg_count(server, "SELECT count(*) FROM pg_class WHERE relname = 'swallowed'"), 0);
	(void)snprintf(conninfo, sizeof conninfo, "%s connect_timeout=2", pg_proxy_conninfo(p));
	fresh = PQconnectdb(conninfo);
	assert_int_equal(PQstatus(fresh), CONNECTION_BAD);
	assert_non_null(strstr(PQerrorMessage(fresh), "timeout"));
	PQfinish(fresh);
	/* Not even its end is told. */
	PQfinish(c);
	assert_int_equal(pg_proxy_links(p), 1);
	pg_proxy_set(p, PG_PASS);
	assert_int_equal(pg_proxy_links(p), 0);
	pg_must_answer(pg_proxy_conninfo(p));
	pg_proxy_end(p);
}

static void
a_proxy_holds_replies(void **state)
{
	pg_proxy *p = pg_proxy_start(server);
	PGconn *c = pg_connected(pg_proxy_conninfo(p));

	(void)state;
	pg_do(server, "CREATE TABLE held (n int)");
	pg_proxy_set(p, PG_HOLD_REPLIES);
	assert_int_equal(PQsendQuery(c, "INSERT INTO held VALUES (1) RETURNING n"), 1);
	pg_await(server, "SELECT count(*) = 1 FROM held");
	assert_false(hears(c, 100));
	pg_proxy_set(p, PG_PASS);
	assert_true(finishes(c));
	pg_do(server, "DROP TABLE held");
	PQfinish(c);
	pg_proxy_end(p);
}

static void
must_be_refused(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);

	assert_non_null(strstr(PQerrorMessage(c), "Connection refused"));
	PQfinish(c);
}

static void
a_proxy_refuses(void **state)
{
	pg_proxy *p = pg_proxy_start(server);
	PGconn *c = pg_connected(pg_proxy_conninfo(p));
	int port = pg_proxy_port(p);

	(void)state;
	for (int i = 0; i < 20; i++) {
		pg_proxy_set(p, PG_REFUSE);
		must_be_refused(pg_proxy_conninfo(p));
		must_be_refused(pg_proxy_unix_conninfo(p));
		assert_true(pg_answers(c));
		pg_proxy_set(p, PG_PASS);
		pg_must_answer(pg_proxy_conninfo(p));
		pg_must_answer(pg_proxy_unix_conninfo(p));
	}
	assert_int_equal(pg_proxy_port(p), port);
	PQfinish(c);
	pg_proxy_end(p);
}

static void
a_proxy_cuts(void **state)
{
	pg_proxy *p = pg_proxy_start(server);
	PGconn *c = pg_connected(pg_proxy_conninfo(p)),
	       *local = pg_connected(pg_proxy_unix_conninfo(p));
	int held[2];
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	child = fork(); /* has a copy of the proxy's sockets, which must not matter */
	if (child == 0) {
		(void)close(held[1]);
		(void)!read(held[0], &byte, 1);
		_exit(0);
	}
	pg_proxy_set(p, PG_CUT);
	assert_int_equal(recv(PQsocket(c), &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_false(pg_answers(local));
	assert_int_equal(pg_proxy_links(p), 0);
	pg_must_answer(pg_proxy_conninfo(p));
	PQfinish(local);
	PQfinish(c);
	(void)close(held[1]);
	(void)close(held[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	pg_proxy_end(p);
}

static void
a_proxy_is_silent_to_the_new(void **state)
{
	pg_proxy *p = pg_proxy_start(server);
	PGconn *c = pg_connected(pg_proxy_conninfo(p)), *fresh;
	char conninfo[192];

	(void)state;
	pg_proxy_set(p, PG_ACCEPT_SILENT);
	(void)snprintf(conninfo, sizeof conninfo, "%s connect_timeout=2", pg_proxy_conninfo(p));
	fresh = PQconnectdb(conninfo);
	assert_non_null(strstr(PQerrorMessage(fresh), "timeout"));
	assert_true(pg_answers(c));
	PQfinish(fresh);
	assert_int_equal(pg_proxy_links(p), 1);
	pg_proxy_set(p, PG_PASS);
	pg_must_answer(pg_proxy_conninfo(p));
	PQfinish(c);
	pg_proxy_end(p);
}

static void
a_proxy_tells_of_a_server_that_went(void **state)
{
	pg_proxy *p = pg_proxy_start(server);
	PGconn *c = pg_connected(pg_proxy_conninfo(p)), *fresh;

	(void)state;
	pg_server_stop(server, PG_FAST);
	assert_false(pg_answers(c));
	assert_non_null(strstr(PQerrorMessage(c), "terminating connection"));
	PQfinish(c);
	fresh = PQconnectdb(pg_proxy_conninfo(p));
	assert_int_equal(PQstatus(fresh), CONNECTION_BAD);
	PQfinish(fresh);
	pg_server_launch(server);
	pg_must_answer(pg_proxy_conninfo(p));
	pg_proxy_end(p);
}

static void *
ask_through(void *of)
{
	PGconn *c = PQconnectdb(of);
	uintptr_t good = 0;

	for (int i = 0; i < 100 && PQstatus(c) == CONNECTION_OK; i++)
		good += pg_answers(c) ? 1 : 0;
	PQfinish(c);
	return (void *)good;
}

static void
many_talk_at_once(void **state)
{
	enum { THREADS = 8 };
	pg_proxy *p = pg_proxy_start(server);
	char conninfo[192];
	pthread_t threads[THREADS];

	(void)state;
	(void)snprintf(conninfo, sizeof conninfo, "%s", pg_proxy_conninfo(p));
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_through, conninfo), 0);
	for (int i = 0; i < 20; i++) {
		pg_proxy_set(p, i % 2 == 0 ? PG_HOLD_REPLIES : PG_PASS);
		free(pg_proxy_sent(p));
		assert_true(pg_proxy_links(p) <= THREADS);
	}
	for (int i = 0; i < THREADS; i++) {
		void *good;

		assert_int_equal(pthread_join(threads[i], &good), 0);
		assert_int_equal((uintptr_t)good, 100);
	}
	assert_int_equal(pg_proxy_counts(p).turns, THREADS * 102);
	pg_proxy_end(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_proxy_counts),
	    cmocka_unit_test(a_proxy_passes_much),
	    cmocka_unit_test(a_proxy_listens_to_encryption),
	    cmocka_unit_test(a_proxy_swallows),
	    cmocka_unit_test(a_proxy_holds_replies),
	    cmocka_unit_test(a_proxy_refuses),
	    cmocka_unit_test(a_proxy_cuts),
	    cmocka_unit_test(a_proxy_is_silent_to_the_new),
	    cmocka_unit_test(a_proxy_tells_of_a_server_that_went),
	    cmocka_unit_test(many_talk_at_once),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
