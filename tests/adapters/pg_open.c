/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_open: what a connect comes to when the server refuses it, cannot take it, is not there or says nothing:
 * the code, the SQLSTATE, the words, the time, and that no password is among the words.
 */
#include "pg_door.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 16 };

#define BUDGET QPOOL_MSEC(300)

static pg_server *server;

/* Ours alone, so that those who are not named have no line. */
static void
write_hba(void)
{
	pg_do(server,
	    "COPY (VALUES ('local all postgres,guest,ghost trust'), ('local all app scram-sha-256'),"
	    " ('local all rejected reject'), ('host all app 127.0.0.1/32 scram-sha-256'))"
	    " TO '%s/data/pg_hba.conf'",
	    pg_server_folder(server));
	pg_server_restart(server, PG_FAST);
}

static int
begin(void **state)
{
	static const pg_server_options options = {.max_connections = 12};

	(void)state;
	server = pg_server_start(&options);
	pg_do(server,
	    "CREATE ROLE guest LOGIN; CREATE ROLE rejected LOGIN; CREATE ROLE stranger LOGIN;"
	    "CREATE ROLE app LOGIN PASSWORD '" DOOR_SECRET "'");
	write_hba();
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* By the socket; `more` may be any words. */
static const char *
as(const char *user, const char *more)
{
	static char text[512];

	(void)snprintf(text, sizeof text, "host=%s port=%d user=%s dbname=postgres %s",
	    pg_server_socket_dir(server), pg_server_port(server), user, more);
	return text;
}

static void
refuses(const char *conninfo, qpool_err expected, const char *native, const char *words)
{
	door d = door_init();

	door_refuses(&d, conninfo, expected, native, words);
}

static void
opens(const char *conninfo)
{
	door d = door_init();

	door_opens(&d, conninfo);
}

/* ---- who ----------------------------------------------------------------------------- */

static void
wrong_password(void **state)
{
	char uri[256];

	(void)state;
	opens(as("app", "password=" DOOR_SECRET));
	refuses(as("app", "password=" DOOR_SECRET "-wrong"), QPOOL_EDENIED, "28P01",
	    "password authentication failed for user \"app\"");
	(void)snprintf(uri, sizeof uri,
	    "postgresql://app:" DOOR_SECRET "%%40@127.0.0.1:%d/postgres", pg_server_port(server));
	refuses(uri, QPOOL_EDENIED, "28P01", "password authentication failed");
	assert_int_equal(setenv("PGPASSWORD", DOOR_SECRET "-wrong", 1), 0);
	refuses(as("app", ""), QPOOL_EDENIED, "28P01", "password authentication failed");
	assert_int_equal(unsetenv("PGPASSWORD"), 0);
}

static void
password_of_a_file(void **state)
{
	char path[256], more[300];
	FILE *file;

	(void)state;
	(void)snprintf(path, sizeof path, "%s/pass", pg_server_folder(server));
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	assert_true(fputs("*:*:*:*:" DOOR_SECRET "-wrong\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	(void)snprintf(more, sizeof more, "passfile=%s", path);
	refuses(as("app", more), QPOOL_EDENIED, "28P01", "password authentication failed");
	assert_int_equal(unlink(path), 0);
}

static void
no_password(void **state)
{
	(void)state;
	refuses(as("app", "passfile=/nowhere"), QPOOL_EDENIED, "28P01", "no password supplied");
	refuses(as("app", "password='' passfile=/nowhere"), QPOOL_EDENIED, "28P01",
	    "no password supplied");
}

static void
not_in_pg_hba(void **state)
{
	(void)state;
	refuses(as("stranger", "password=" DOOR_SECRET), QPOOL_EDENIED, "28000",
	    "no pg_hba.conf entry");
	refuses(as("rejected", "password=" DOOR_SECRET), QPOOL_EDENIED, "28000",
	    "pg_hba.conf rejects connection");
}

static void
unknown(void **state)
{
	(void)state;
	refuses(as("ghost", ""), QPOOL_EDENIED, "28000", "role \"ghost\" does not exist");
	refuses(as("guest", "dbname=nowhere"), QPOOL_EDENIED, "3D000",
	    "database \"nowhere\" does not exist");
	refuses(as("guest", "dbname='a:  28P01: b'"), QPOOL_EDENIED, "3D000",
	    "database \"a:  28P01: b\" does not exist");
}

/* Denied, but by no code that says that it stays so. */
static void
not_now(void **state)
{
	(void)state;
	pg_do(server, "CREATE DATABASE shut");
	pg_do(server, "REVOKE CONNECT ON DATABASE shut FROM PUBLIC");
	refuses(as("guest", "dbname=shut"), QPOOL_EOPEN, "42501", "permission denied for database");
	pg_do(server, "ALTER DATABASE shut ALLOW_CONNECTIONS off");
	refuses(as("guest", "dbname=shut"), QPOOL_EOPEN, "55000", "not currently accepting");
	refuses(as("guest", "options='-c work_mem=much'"), QPOOL_EOPEN, "22023", "work_mem");
}

/* ---- credentials --------------------------------------------------------------------- */

typedef struct keys {
	const char *password[2];
	unsigned asked;
} keys;

static qpool_err
give(void *user, bool again, qpool_pg_credentials *out, qpool_error *error)
{
	keys *k = user;

	(void)error;
	assert_int_equal(again, k->asked == 1);
	k->asked++;
	out->user = "app";
	out->password = k->password[again];
	return QPOOL_OK;
}

static door
door_of(keys *k)
{
	door d = door_init();

	d.pg.user = k;
	d.pg.credentials = give;
	return d;
}

static void
credentials(void **state)
{
	keys rotated = {{DOOR_SECRET "-old", DOOR_SECRET}, 0};
	keys wrong = {{DOOR_SECRET "-old", DOOR_SECRET "-older"}, 0};
	keys unused = {{DOOR_SECRET, NULL}, 0};
	door d = door_of(&rotated);

	(void)state;
	door_opens(&d, as("guest", ""));
	assert_int_equal(rotated.asked, 2);
	d = door_of(&wrong);
	door_refuses(&d, as("guest", ""), QPOOL_EDENIED, "28P01", "authentication failed");
	assert_int_equal(wrong.asked, 2);
	d = door_of(&unused);
	door_refuses(&d, as("guest", "dbname=nowhere"), QPOOL_EDENIED, "3D000", "does not exist");
	assert_int_equal(unused.asked, 1);
}

/* ---- no room ------------------------------------------------------------------------- */

typedef struct others {
	PGconn *conns[MOST];
	unsigned count;
} others;

static void
come(others *o, const char *conninfo)
{
	while (o->count < MOST) {
		PGconn *one = PQconnectdb(conninfo);
		if (PQstatus(one) != CONNECTION_OK) {
			PQfinish(one);
			break;
		}
		o->conns[o->count++] = one;
	}
	assert_in_range(o->count, 1, MOST - 1);
}

static void
leave(others *o)
{
	while (o->count > 0)
		PQfinish(o->conns[--o->count]);
	pg_await(server, "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename IS NOT NULL"
			 " AND backend_type = 'client backend'");
}

static void
full(void **state)
{
	others o = {.count = 0};

	(void)state;
	(void)pg_admin(server);
	come(&o, as("guest", ""));
	refuses(as("guest", ""), QPOOL_EFULL, "53300", "connection slots are reserved");
	come(&o, as("postgres", ""));
	refuses(as("postgres", ""), QPOOL_EFULL, "53300", "too many clients already");
	leave(&o);
	opens(as("guest", ""));
}

static void
full_for_some(void **state)
{
	(void)state;
	pg_do(server, "ALTER ROLE guest CONNECTION LIMIT 0");
	refuses(as("guest", ""), QPOOL_EFULL, "53300", "too many connections for role");
	pg_do(server, "ALTER ROLE guest CONNECTION LIMIT -1");
	opens(as("guest", ""));
	pg_do(server, "CREATE DATABASE narrow CONNECTION LIMIT 0");
	refuses(as("guest", "dbname=narrow"), QPOOL_EFULL, "53300",
	    "too many connections for database");
}

/* ---- coming up and going down ---------------------------------------------------------- */

/* A smart shutdown takes as long as there are sessions. */
static void
shutting_down(void **state)
{
	PGconn *last = pg_connected(as("postgres", ""));
	door d = door_init();

	(void)state;
	pg_server_signal(server, SIGTERM);
	door_until(&d, as("guest", ""), "57P03");
	assert_int_equal(d.err, QPOOL_EOPEN);
	door_must_say(&d, "shutting down");
	assert_true(pg_answers(last));
	PQfinish(last);
	pg_server_stop(server, PG_FAST);
	(void)door_knock(&d, as("guest", ""));
	assert_int_equal(d.err, QPOOL_EOPEN);
	assert_string_equal(d.error.native, "");
	pg_server_launch(server);
	door_opens(&d, as("guest", ""));
}

/* One that recovers for ever, and lets nobody in meanwhile. */
static void
starting_up(void **state)
{
	char path[256];
	door d = door_init();

	(void)state;
	(void)snprintf(path, sizeof path, "%s/data/standby.signal", pg_server_folder(server));
	pg_do(server, "ALTER SYSTEM SET hot_standby = off");
	pg_do(server, "COPY (SELECT) TO '%s'", path);
	pg_server_stop(server, PG_IMMEDIATE);
	pg_server_launch_nowait(server);
	door_until(&d, as("guest", ""), "57P03");
	assert_int_equal(d.err, QPOOL_EOPEN);
	door_must_say(&d, "the database system is ");
	pg_server_stop(server, PG_IMMEDIATE);
	assert_int_equal(unlink(path), 0);
	pg_server_launch(server);
	door_opens(&d, as("guest", ""));
}

/* ---- nobody there ---------------------------------------------------------------------- */

static void
refused_port(void **state)
{
	char conninfo[128];
	pg_proxy *proxy = pg_proxy_start(server);

	(void)state;
	pg_proxy_set(proxy, PG_REFUSE);
	(void)snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1 port=%d user=app password=" DOOR_SECRET, pg_proxy_port(proxy));
	refuses(conninfo, QPOOL_EOPEN, "", "Connection refused");
	pg_proxy_end(proxy);
}

static void
no_socket(void **state)
{
	(void)state;
	refuses("host=/nowhere/at/all user=app password=" DOOR_SECRET, QPOOL_EOPEN, "",
	    "No such file or directory");
}

static void
no_such_host(void **state)
{
	(void)state;
	refuses("host=nowhere.invalid user=app password=" DOOR_SECRET, QPOOL_EOPEN, "",
	    "host \"nowhere.invalid\" has no address");
}

static void
silence(void **state)
{
	pg_proxy *proxy = pg_proxy_start(server);
	char conninfo[512];
	door d = door_init();

	(void)state;
	pg_proxy_set(proxy, PG_ACCEPT_SILENT);
	d.options.open_budget = BUDGET;
	(void)snprintf(
	    conninfo, sizeof conninfo, "%s password=" DOOR_SECRET, pg_proxy_conninfo(proxy));
	door_refuses(&d, conninfo, QPOOL_EOPEN, "", "no answer in time from 127.0.0.1, port ");
	assert_in_range(d.took_ns, BUDGET, BUDGET + LOAD_TOLERANCE);
	(void)snprintf(
	    conninfo, sizeof conninfo, "%s password=" DOOR_SECRET, pg_proxy_unix_conninfo(proxy));
	door_refuses(&d, conninfo, QPOOL_EOPEN, "", "no answer in time from /");
	assert_in_range(d.took_ns, BUDGET, BUDGET + LOAD_TOLERANCE);
	pg_proxy_end(proxy);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wrong_password),
	    cmocka_unit_test(password_of_a_file),
	    cmocka_unit_test(no_password),
	    cmocka_unit_test(not_in_pg_hba),
	    cmocka_unit_test(unknown),
	    cmocka_unit_test(not_now),
	    cmocka_unit_test(credentials),
	    cmocka_unit_test(full),
	    cmocka_unit_test(full_for_some),
	    cmocka_unit_test(shutting_down),
	    cmocka_unit_test(starting_up),
	    cmocka_unit_test(refused_port),
	    cmocka_unit_test(no_socket),
	    cmocka_unit_test(no_such_host),
	    cmocka_unit_test(silence),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_open", tests, begin, end);
}
