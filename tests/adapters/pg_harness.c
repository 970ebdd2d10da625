/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_harness: that what the PostgreSQL tests stand on holds: the server and its end, PgBouncer.
 * With an argument it is the victim: a test program that is killed in mid-run.
 */
#include "pg_kit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 6000, PAUSE_MS = 5 };

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

/* ---- the server ---- */

static void
a_server_answers(void **state)
{
	char *text;

	(void)state;
	pg_must_answer(pg_server_conninfo(server));
	pg_must_answer(pg_server_tcp_conninfo(server));
	pg_must_answer(pg_server_uri(server));
	assert_true(strlen(pg_server_socket_dir(server)) < 64);
	text = pg_ask(server, "SHOW server_encoding");
	assert_string_equal(text, "UTF8");
	free(text);
	pg_do(server, "CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, %d)", 7);
	assert_int_equal(pg_count(server, "SELECT count(*) FROM t"), 7);
	pg_do(server, "DROP TABLE t; DO $$ BEGIN RAISE NOTICE 'unheard'; END $$");
	pg_await(server, "SELECT true");
}

static void
a_server_restarts(void **state)
{
	int port = pg_server_port(server), pid = pg_server_pid(server);

	(void)state;
	pg_do(server, "CREATE TABLE stays (n int)");
	pg_server_restart(server, PG_FAST);
	assert_int_not_equal(pg_server_pid(server), pid);
	pg_must_answer(pg_server_tcp_conninfo(server));
	pg_server_stop(server, PG_IMMEDIATE);
	assert_int_equal(PQping(pg_server_conninfo(server)), PQPING_NO_RESPONSE);
	assert_int_equal(PQping(pg_server_tcp_conninfo(server)), PQPING_NO_RESPONSE);
	pg_server_launch_nowait(server);
	pg_server_await_ready(server);
	assert_int_equal(pg_server_port(server), port);
	pg_do(server, "DROP TABLE stays");
}

static void
a_killed_server_starts_again(void **state)
{
	PGconn *c = pg_connected(pg_server_conninfo(server));

	(void)state;
	/* A backend that is busy does not notice that its postmaster is gone. */
	assert_int_equal(PQsendQuery(c, "SELECT pg_sleep(600)"), 1);
	pg_await(server, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
	pg_server_signal(server, SIGKILL);
	pg_server_stop(server, PG_FAST); /* until it is gone */
	pg_server_launch(server);
	pg_must_answer(pg_server_conninfo(server));
	PQfinish(c);
}

static void
options_reach_the_server(void **state)
{
	pg_server_options options = {.conf = "work_mem = 5MB\n",
	    .hba = "host all nobody_at_all 127.0.0.1/32 reject\n",
	    .max_connections = 7};
	pg_server *s = pg_server_start(&options);
	char *text = pg_ask(s, "SHOW work_mem");
	char conninfo[128];
	PGconn *c;

	(void)state;
	assert_string_equal(text, "5MB");
	free(text);
	assert_int_equal(pg_count(s, "SHOW max_connections"), 7);
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1 port=%d user=nobody_at_all dbname=postgres", pg_server_port(s));
	c = PQconnectdb(conninfo);
	assert_non_null(strstr(PQerrorMessage(c), "rejects"));
	PQfinish(c);
	pg_server_end(s);
}

static void
a_backend_is_killed(void **state)
{
	PGconn *c = pg_connected(pg_server_conninfo(server));

	(void)state;
	pg_kill_backend(server, PQbackendPID(c));
	assert_false(pg_answers(c));
	assert_int_equal(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
}

/* ---- the keeper ---- */

typedef struct victim {
	pid_t pid;
	int input; /* held open: what it forks lives until then */
	char folder[128];
	int postmaster;
} victim;

/* What the victim is. */
static int
be_killed(const char *way)
{
	pg_server *s = pg_server_start(NULL);
	char nothing;
	pid_t child = fork();

	if (child == 0) {
		(void)!read(0, &nothing, 1);
		_exit(0);
	}
	(void)printf("%s %d\n", pg_server_folder(s), pg_server_pid(s));
	(void)fflush(stdout);
	if (strcmp(way, "abort") == 0)
		abort();
	for (;;)
		(void)pause();
}

static void
start_victim(victim *v, char *way)
{
	char self[] = "/proc/self/exe", name[] = "pg_harness";
	char *argv[] = {name, way, NULL};
	posix_spawn_file_actions_t actions;
	int in[2], out[2];
	FILE *said;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, in[0], 0), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, out[1], 1), 0);
	assert_int_equal(posix_spawn(&v->pid, self, &actions, NULL, argv, environ), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(in[0]);
	(void)close(out[1]);
	v->input = in[1];
	said = fdopen(out[0], "r");
	assert_int_equal(fscanf(said, "%127s %d", v->folder, &v->postmaster), 2);
	(void)fclose(said);
}

static void
must_vanish(const victim *v)
{
	struct stat about;

	for (int i = 0; kill(v->postmaster, 0) == 0 || stat(v->folder, &about) == 0; i++) {
		if (i == PATIENCE)
			fail_msg("%s or process %d is still there", v->folder, v->postmaster);
		(void)poll(NULL, 0, PAUSE_MS);
	}
}

static void
after_the_end_of(char *way, int number)
{
	victim v;
	struct stat about;
	int status;

	start_victim(&v, way);
	if (number != 0) { /* else it is gone perhaps, and all with it */
		assert_int_equal(stat(v.folder, &about), 0);
		assert_int_equal(kill(v.postmaster, 0), 0);
		assert_int_equal(kill(v.pid, number), 0);
	}
	assert_int_equal(waitpid(v.pid, &status, 0), v.pid);
	must_vanish(&v);
	(void)close(v.input);
}

static void
nothing_is_left_of_a_killed_test(void **state)
{
	char way[] = "wait";

	(void)state;
	after_the_end_of(way, SIGKILL);
}

static void
nothing_is_left_of_an_interrupted_test(void **state)
{
	char way[] = "wait";

	(void)state;
	after_the_end_of(way, SIGINT);
}

static void
nothing_is_left_of_a_crashed_test(void **state)
{
	char way[] = "abort";

	(void)state;
	after_the_end_of(way, 0);
}

static void
nothing_is_left_after_an_end(void **state)
{
	pg_server *s = pg_server_start(NULL);
	victim v = {.postmaster = pg_server_pid(s)};

	(void)state;
	(void)snprintf(v.folder, sizeof v.folder, "%s", pg_server_folder(s));
	pg_server_signal(s, SIGSTOP);
	pg_server_end(s);
	must_vanish(&v);
}

/* ---- PgBouncer ---- */

static unsigned
backend_of(PGconn *c)
{
	PGresult *result = PQexec(c, "SELECT pg_backend_pid()");
	unsigned pid = (unsigned)atoi(PQgetvalue(result, 0, 0));

	PQclear(result);
	return pid;
}

static void
a_bouncer_answers(void **state)
{
	pg_bouncer_options options = {.pool_mode = "transaction", .default_pool_size = 1};
	pg_bouncer *b = pg_bouncer_start(server, &options);
	PGconn *one = pg_connected(pg_bouncer_conninfo(b)), *two;

	(void)state;
	two = pg_connected(pg_bouncer_tcp_conninfo(b));
	assert_int_equal(backend_of(one), backend_of(two));
	pg_must_answer(pg_bouncer_conninfo(b));
	PQfinish(two);
	pg_bouncer_stop(b);
	assert_false(pg_answers(one));
	PQfinish(one);
	pg_bouncer_launch(b);
	pg_must_answer(pg_bouncer_tcp_conninfo(b));
	pg_bouncer_end(b);
}

static void
a_bouncer_stands_between_proxies(void **state)
{
	pg_proxy *behind = pg_proxy_start(server), *before;
	char upstream[64];
	pg_bouncer_options options = {.pool_mode = "session", .upstream = upstream};
	pg_bouncer *b;

	(void)state;
	(void)snprintf(upstream, sizeof upstream, "host=127.0.0.1 port=%d", pg_proxy_port(behind));
	b = pg_bouncer_start(server, &options);
	before = pg_proxy_start_before(server, pg_bouncer_socket_dir(b), pg_bouncer_port(b));
	pg_must_answer(pg_proxy_conninfo(before));
	assert_int_equal(pg_proxy_counts(before).connects, 1);
	assert_int_equal(pg_proxy_counts(behind).connects, 1);
	pg_proxy_end(before);
	pg_bouncer_end(b);
	pg_proxy_end(behind);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_server_answers),
	    cmocka_unit_test(a_server_restarts),
	    cmocka_unit_test(a_killed_server_starts_again),
	    cmocka_unit_test(options_reach_the_server),
	    cmocka_unit_test(a_backend_is_killed),
	    cmocka_unit_test(nothing_is_left_of_a_killed_test),
	    cmocka_unit_test(nothing_is_left_of_an_interrupted_test),
	    cmocka_unit_test(nothing_is_left_of_a_crashed_test),
	    cmocka_unit_test(nothing_is_left_after_an_end),
	    cmocka_unit_test(a_bouncer_answers),
	    cmocka_unit_test(a_bouncer_stands_between_proxies),
	};

	if (argc > 1)
		return be_killed(argv[1]);
	return cmocka_run_group_tests(tests, begin, end);
}
