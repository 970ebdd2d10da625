/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_silence: a server that falls silent somewhere on the way in, and budgets that are over when they begin:
 * an open ends by its budget wherever it is.
 */
#include "pg_door.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#define BUDGET QPOOL_MSEC(300)

static pg_server *server;
static pg_proxy *proxy;

static int
begin(void **state)
{
	static const pg_server_options options = {
	    .hba = "host all app 127.0.0.1/32 scram-sha-256\n"};

	(void)state;
	server = pg_server_start(&options);
	proxy = pg_proxy_start(server);
	pg_do(server, "CREATE ROLE app LOGIN PASSWORD '" DOOR_SECRET "'");
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

static void
ends_by_the_budget(const char *conninfo)
{
	door d = door_init();

	d.options.open_budget = BUDGET;
	door_refuses(&d, conninfo, QPOOL_EOPEN, "", "no answer in time from ");
	assert_in_range(d.took_ns, BUDGET, BUDGET + LOAD_TOLERANCE);
}

static void
all_is_swallowed(void **state)
{
	(void)state;
	pg_proxy_set(proxy, PG_SWALLOW);
	ends_by_the_budget(pg_proxy_conninfo(proxy));
	pg_proxy_set(proxy, PG_CUT);
	pg_proxy_set(proxy, PG_HOLD_REPLIES);
	ends_by_the_budget(pg_proxy_conninfo(proxy));
	pg_proxy_set(proxy, PG_CUT);
}

/* libpq asks for TLS first, and waits for that answer. */
static void
silent_when_asked_to_encrypt(void **state)
{
	char conninfo[128];

	(void)state;
	pg_proxy_set(proxy, PG_ACCEPT_SILENT);
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1 port=%d sslmode=require dbname=postgres user=postgres",
	    pg_proxy_port(proxy));
	ends_by_the_budget(conninfo);
	pg_proxy_set(proxy, PG_CUT);
}

/* The kernel accepts, and nobody reads. */
static void
a_stopped_postmaster(void **state)
{
	door d = door_init();

	(void)state;
	pg_server_signal(server, SIGSTOP);
	ends_by_the_budget(pg_server_tcp_conninfo(server));
	ends_by_the_budget(pg_server_conninfo(server));
	pg_server_signal(server, SIGCONT);
	door_opens(&d, pg_server_conninfo(server));
}

typedef struct meddler {
	pthread_t thread;
	uint64_t turns;
	atomic_bool is_late; /* the knock is over */
} meddler;

static void *
swallow_after(void *argument)
{
	meddler *m = argument;

	while (!m->is_late && pg_proxy_counts(proxy).turns < m->turns)
		(void)sched_yield();
	pg_proxy_set(proxy, PG_SWALLOW);
	return NULL;
}

/* After the start-up, or the first or second message of SCRAM; unless the open was faster, which may be. */
static void
silent_in_the_handshake(void **state)
{
	char conninfo[128];

	(void)state;
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1 port=%d sslmode=disable dbname=postgres user=app password=" DOOR_SECRET,
	    pg_proxy_port(proxy));
	for (unsigned turns = 1; turns <= 3; turns++) {
		meddler m = {.turns = turns};
		door d = door_init();

		pg_proxy_set(proxy, PG_PASS);
		pg_proxy_reset(proxy);
		assert_int_equal(pthread_create(&m.thread, NULL, swallow_after, &m), 0);
		d.options.open_budget = BUDGET;
		if (!door_knock(&d, conninfo)) {
			assert_int_equal(d.err, QPOOL_EOPEN);
			assert_string_equal(d.error.native, "");
			assert_in_range(d.took_ns, BUDGET, BUDGET + LOAD_TOLERANCE);
		}
		m.is_late = true;
		assert_int_equal(pthread_join(m.thread, NULL), 0);
		pg_proxy_set(proxy, PG_CUT);
	}
}

/* Over before it has begun: by an address, a name and a list. */
static void
no_time_at_all(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "127.0.0.1,localhost"};
	char conninfo[128];
	door d = door_init();

	(void)state;
	d.options.open_budget = 1;
	for (size_t i = 0; i < 60; i++) {
		(void)snprintf(conninfo, sizeof conninfo,
		    "host=%s port=%d dbname=postgres user=postgres", hosts[i % 3],
		    pg_server_port(server));
		if (!door_knock(&d, conninfo))
			assert_int_equal(d.err, QPOOL_EOPEN);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_is_swallowed),
	    cmocka_unit_test(silent_when_asked_to_encrypt),
	    cmocka_unit_test(a_stopped_postmaster),
	    cmocka_unit_test(silent_in_the_handshake),
	    cmocka_unit_test(no_time_at_all),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_silence", tests, begin, end);
}
