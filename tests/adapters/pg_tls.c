/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_tls: sessions under TLS: names are verified though the pool looks them up itself, a server that refuses with TLS
 * and without, looks at the socket while TLS has its own to say, and a fork.
 */
#include "pg_opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pg_server *server;
static pg_proxy *proxy;
static char certificate[160];

static void
make_certificate(const char *folder)
{
	char command[1024];

	(void)snprintf(command, sizeof command,
	    "cd %s && openssl req -new -x509 -days 2 -nodes -newkey ec"
	    " -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=localhost"
	    " -addext subjectAltName=DNS:localhost -out server.crt -keyout server.key 2>/dev/null"
	    " && chmod 600 server.key && chown --reference=. server.crt server.key",
	    folder);
	if (system(command) != 0) /* NOLINT(cert-env33-c): of this text only */
		fail_msg("it failed: %s", command);
}

static int
begin(void **state)
{
	static const pg_server_options options = {.hba = "host all nobody all reject\n"};
	char folder[128];

	(void)state;
	server = pg_server_start(&options);
	(void)snprintf(folder, sizeof folder, "%s/data", pg_server_folder(server));
	(void)snprintf(certificate, sizeof certificate, "%s/server.crt", folder);
	make_certificate(folder);
	pg_do(server, "CREATE ROLE nobody LOGIN");
	pg_do(server, "ALTER SYSTEM SET ssl = on");
	pg_do(server, "SELECT pg_reload_conf()");
	pg_await(server, "SELECT current_setting('ssl')::bool");
	proxy = pg_proxy_start(server);
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

static opening
pool_of(const char *host, const char *mode, const char *user)
{
	opening o = opening_init();

	opening_pool(&o,
	    "host=%s port=%d sslmode=%s sslrootcert=%s user=%s dbname=postgres "
	    "application_name=tls",
	    host, pg_server_port(server), mode, certificate, user);
	return o;
}

/* ---- the way in ---------------------------------------------------------------------- */

static void
names_are_verified(void **state)
{
	opening o = pool_of("localhost", "verify-full", "postgres");

	(void)state;
	assert_int_equal(PQsslInUse(opening_take(&o)), 1);
	opening_put(&o);
	opening_end(&o);
	o = pool_of("127.0.0.1", "verify-full", "postgres");
	opening_refused(&o, QPOOL_EOPEN, "", "does not match host name \"127.0.0.1\"");
	opening_end(&o);
	o = pool_of("127.0.0.1", "verify-ca", "postgres");
	(void)opening_take(&o);
	opening_put(&o);
	opening_end(&o);
}

/* Two tries, and two errors in one message: no code and no LOCATION is left of either. */
static void
refused_with_and_without(void **state)
{
	opening o = pool_of("127.0.0.1", "prefer", "nobody");

	(void)state;
	opening_refused(&o, QPOOL_EDENIED, "28000", "pg_hba.conf rejects connection");
	assert_null(strstr(o.error.message, "28000"));
	assert_null(strstr(o.error.message, "LOCATION"));
	opening_end(&o);
}

static void
silent_after_the_wish(void **state)
{
	opening o = opening_init();

	(void)state;
	pg_proxy_set(proxy, PG_HOLD_REPLIES);
	o.options.open_budget = QPOOL_MSEC(300);
	opening_pool(&o, "host=127.0.0.1 port=%d sslmode=require user=postgres dbname=postgres",
	    pg_proxy_port(proxy));
	opening_refused(&o, QPOOL_EOPEN, "", "no answer in time from 127.0.0.1");
	opening_end(&o);
	pg_proxy_set(proxy, PG_CUT);
}

/* ---- looks --------------------------------------------------------------------------- */

/* Tickets and whatever TLS sends by itself do not look like last words. */
static void
looks_bear_with_tls(void **state)
{
	opening o = pool_of("127.0.0.1", "require", "postgres");

	(void)state;
	for (int i = 0; i < 20; i++) {
		opening_lease(&o);
		opening_put(&o);
	}
	for (int i = 0; i < 20; i++) {
		assert_string_equal(opening_say(opening_take(&o), "SELECT 1"), "1");
		opening_put(&o);
		qpool_suspect(o.pool);
	}
	assert_int_equal(opening_stats(&o).opens, 1);
	opening_end(&o);
}

static void
a_lost_one_is_noticed(void **state)
{
	opening o = pool_of("127.0.0.1", "require", "postgres");
	int pid = PQbackendPID(opening_take(&o));

	(void)state;
	opening_put(&o);
	pg_kill_backend(server, pid);
	assert_int_not_equal(PQbackendPID(opening_take(&o)), pid);
	opening_put(&o);
	assert_int_equal(opening_stats(&o).closes[QPOOL_WHY_CHECK], 1);
	opening_end(&o);
}

/* ---- a fork -------------------------------------------------------------------------- */

static void
in_child(opening *o, qpool_lease *leased)
{
	qpool_lease lease;

	(void)alarm(60);
	if (qpool_release(leased) != QPOOL_EFORKED)
		_exit(1);
	if (qpool_acquire(o->pool, QPOOL_SEC(50), &lease, &o->error) != QPOOL_OK)
		_exit(2);
	if (qpool_pg_exec(&lease, "SELECT 1", NULL, NULL, &o->error) != QPOOL_OK)
		_exit(3);
	if (qpool_release(&lease) != QPOOL_OK || qpool_close(o->pool, QPOOL_SEC(50)) != QPOOL_OK)
		_exit(4);
	qpool_free(o->pool);
	_exit(0);
}

/* A closing alert that the child sent would end the parent's session. */
static void
a_child_says_no_goodbye(void **state)
{
	opening o = opening_init();
	qpool_lease idle;
	int status = -1, pid;
	PGconn *conn;
	pid_t child;

	(void)state;
	o.options.max_size = 2;
	opening_pool(&o, "host=127.0.0.1 port=%d sslmode=require user=postgres dbname=postgres",
	    pg_server_port(server));
	assert_int_equal(qpool_acquire(o.pool, OPENING_PATIENCE, &idle, &o.error), QPOOL_OK);
	conn = opening_take(&o);
	assert_int_equal(qpool_release(&idle), QPOOL_OK);
	pid = PQbackendPID(conn);
	(void)opening_say(conn, "BEGIN");
	(void)fflush(NULL);
	child = fork();
	if (child == 0)
		in_child(&o, &o.lease);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(PQtransactionStatus(conn), PQTRANS_INTRANS);
	assert_int_equal(atoi(opening_say(conn, "SELECT pg_backend_pid()")), pid);
	assert_int_equal(qpool_pg_commit(&o.lease, &o.error), QPOOL_OK);
	opening_put(&o);
	qpool_suspect(o.pool);
	assert_int_equal(qpool_acquire(o.pool, OPENING_PATIENCE, &idle, &o.error), QPOOL_OK);
	opening_lease(&o);
	assert_int_equal(qpool_release(&idle), QPOOL_OK);
	opening_put(&o);
	assert_int_equal(opening_stats(&o).opens, 2);
	opening_end(&o);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_verified),
	    cmocka_unit_test(refused_with_and_without),
	    cmocka_unit_test(silent_after_the_wish),
	    cmocka_unit_test(looks_bear_with_tls),
	    cmocka_unit_test(a_lost_one_is_noticed),
	    cmocka_unit_test(a_child_says_no_goodbye),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_tls", tests, begin, end);
}
