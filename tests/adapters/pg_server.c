/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_server: see the header.  The keeper (pg_keeper.c) is the postmaster's parent.
 */
#include "pg_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg_keep.h"

struct pg_server {
	pg_keep *keep;
	int port, reserve; /* the descriptor that keeps the port ours */
	int pid;
	char initdb[256], postgres[256];
	char data[128], locpath[128];
	char letters[64]; /* LC_ALL, whose letters the server writes before it knows a database's */
	char conninfo[256], tcp[128], uri[128], own[320];
	pthread_mutex_t mutex; /* over the connection */
	PGconn *admin;         /* or NULL */
};

enum { READY_SECONDS = 60, AWAIT_SECONDS = 30, PAUSE_MS = 5 };

static time_t
seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Between two looks at what another process does. */
static void
pause_shortly(void)
{
	(void)poll(NULL, 0, PAUSE_MS);
}

/* ---- starting ---- */

static void
make_names(pg_server *s)
{
	const char *folder = pg_keep_folder(s->keep);

	(void)snprintf(s->data, sizeof s->data, "%s/data", folder);
	(void)snprintf(s->locpath, sizeof s->locpath, "LOCPATH=%s", folder);
	(void)snprintf(s->letters, sizeof s->letters, "LC_ALL=C");
	(void)snprintf(s->conninfo, sizeof s->conninfo,
	    "host=%s port=%d dbname=postgres user=postgres", folder, s->port);
	(void)snprintf(
	    s->tcp, sizeof s->tcp, "host=127.0.0.1 port=%d dbname=postgres user=postgres", s->port);
	(void)snprintf(
	    s->uri, sizeof s->uri, "postgresql://postgres@127.0.0.1:%d/postgres", s->port);
	(void)snprintf(
	    s->own, sizeof s->own, "%s application_name=pg_admin connect_timeout=30", s->conninfo);
}

static void
run_initdb(pg_server *s)
{
	const char *const argv[] = {s->initdb, "-D", s->data, "-U", "postgres", "-A", "trust",
	    "--no-sync", "-E", "UTF8", "--locale", "C", "--no-instructions", NULL};

	pg_keep_run(s->keep, argv);
}

/* -R writes down whom it follows; its own lines for postgresql.conf come behind the copied ones. */
static void
run_basebackup(pg_server *s, const pg_server *primary)
{
	char program[256];
	const char *const argv[] = {program, "-d", primary->conninfo, "-D", s->data, "-R", "-X",
	    "stream", "-c", "fast", "--no-sync", NULL};

	pg_keep_find("pg_basebackup", "postgresql", program);
	pg_keep_run(s->keep, argv);
}

static void
make_languages(pg_server *s, const char *const *languages)
{
	for (size_t i = 0; languages != NULL && languages[i] != NULL; i++) {
		char program[256], path[160];
		const char *const argv[] = {program, "-i", languages[i], "-f", "UTF-8", path, NULL};

		pg_keep_find("localedef", "locales", program);
		(void)snprintf(
		    path, sizeof path, "%s/%s.UTF-8", pg_keep_folder(s->keep), languages[i]);
		pg_keep_run(s->keep, argv);
		(void)snprintf(s->letters, sizeof s->letters, "LC_ALL=%s.UTF-8", languages[i]);
	}
}

/* Durability is not what these tests are about.  Dynamic memory is in the folder, and goes with it. */
static void
write_conf(pg_server *s, const pg_server_options *o)
{
	char ours[1024];

	(void)snprintf(ours, sizeof ours,
	    "\nlisten_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '%s'\n"
	    "max_connections = %u\nshared_buffers = 16MB\nfsync = off\nsynchronous_commit = off\n"
	    "full_page_writes = off\nautovacuum = off\njit = off\nhuge_pages = off\n"
	    "dynamic_shared_memory_type = mmap\nlogging_collector = off\nlog_destination = stderr\n"
	    "log_line_prefix = '%%m [%%p] '\nlog_timezone = UTC\ntimezone = UTC\n",
	    s->port, pg_keep_folder(s->keep), o->max_connections == 0 ? 100 : o->max_connections);
	pg_keep_write(s->keep, "data/postgresql.conf", ours);
	if (o->conf != NULL)
		pg_keep_write(s->keep, "data/postgresql.conf", o->conf);
}

/* The first line that fits is the one that counts, so the extra ones come first. */
static void
write_hba(pg_server *s, const pg_server_options *o)
{
	static const char trust[] = "\nlocal all all trust\nhost all all 127.0.0.1/32 trust\n"
				    "local replication all trust\n";
	char path[160];

	(void)snprintf(path, sizeof path, "%s/pg_hba.conf", s->data);
	assert_int_equal(unlink(path), 0);
	if (o->hba != NULL)
		pg_keep_write(s->keep, "data/pg_hba.conf", o->hba);
	pg_keep_write(s->keep, "data/pg_hba.conf", trust);
}

pg_server *
pg_server_start(const pg_server_options *options)
{
	static const pg_server_options none;
	const pg_server_options *o = options == NULL ? &none : options;
	pg_server *s = calloc(1, sizeof *s);

	assert_non_null(s);
	pg_keep_find("initdb", "postgresql", s->initdb);
	pg_keep_find("postgres", "postgresql", s->postgres);
	assert_int_equal(pthread_mutex_init(&s->mutex, NULL), 0);
	s->reserve = pg_keep_port(&s->port);
	s->keep = pg_keep_start(SIGQUIT);
	make_names(s);
	if (o->standby_of != NULL)
		run_basebackup(s, o->standby_of);
	else
		run_initdb(s);
	make_languages(s, o->languages);
	write_conf(s, o);
	write_hba(s, o);
	pg_server_launch(s);
	return s;
}

void
pg_server_end(pg_server *s)
{
	if (s == NULL)
		return;
	PQfinish(s->admin);
	pg_keep_end(s->keep);
	(void)close(s->reserve);
	(void)pthread_mutex_destroy(&s->mutex);
	free(s);
}

/* ---- stopping and starting again ---- */

void
pg_server_stop(pg_server *s, pg_stop how)
{
	pg_keep_stop(s->keep, how == PG_FAST ? SIGINT : SIGQUIT);
}

void
pg_server_launch_nowait(pg_server *s)
{
	/* env becomes the server, which keeps its number. */
	const char *const argv[] = {
	    "/usr/bin/env", s->locpath, s->letters, s->postgres, "-D", s->data, NULL};

	s->pid = pg_keep_launch(s->keep, argv);
}

void
pg_server_await_ready(pg_server *s)
{
	time_t start = seconds();

	while (PQping(s->own) != PQPING_OK) {
		if (!pg_keep_alive(s->keep) || seconds() - start > READY_SECONDS) {
			pg_server_log_tail(s);
			fail_msg("PostgreSQL does not start");
		}
		pause_shortly();
	}
}

void
pg_server_launch(pg_server *s)
{
	pg_server_launch_nowait(s);
	pg_server_await_ready(s);
}

void
pg_server_restart(pg_server *s, pg_stop how)
{
	pg_server_stop(s, how);
	pg_server_launch(s);
}

void
pg_server_signal(pg_server *s, int number)
{
	pg_keep_signal(s->keep, number);
}

/* ---- names ---- */

int
pg_server_pid(const pg_server *s)
{
	return s->pid;
}

const char *
pg_server_folder(const pg_server *s)
{
	return pg_keep_folder(s->keep);
}

const char *
pg_server_socket_dir(const pg_server *s)
{
	return pg_keep_folder(s->keep);
}

int
pg_server_port(const pg_server *s)
{
	return s->port;
}

const char *
pg_server_conninfo(const pg_server *s)
{
	return s->conninfo;
}

const char *
pg_server_tcp_conninfo(const pg_server *s)
{
	return s->tcp;
}

const char *
pg_server_uri(const pg_server *s)
{
	return s->uri;
}

void
pg_server_log_tail(const pg_server *s)
{
	pg_keep_log_tail(s->keep);
}

/* ---- anybody's connections ---- */

PGconn *
pg_connected(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);

	if (PQstatus(c) != CONNECTION_OK)
		fail_msg("%s: %s", conninfo, PQerrorMessage(c));
	return c;
}

bool
pg_answers(PGconn *c)
{
	PGresult *result = PQexec(c, "SELECT 1");
	bool good = PQresultStatus(result) == PGRES_TUPLES_OK;

	PQclear(result);
	return good;
}

void
pg_must_answer(const char *conninfo)
{
	PGconn *c = pg_connected(conninfo);

	assert_true(pg_answers(c));
	PQfinish(c);
}

/* ---- the test's own connection ---- */

static void
swallow(void *of, const char *notice)
{
	(void)of;
	(void)notice;
}

static PGconn *
connect_admin(pg_server *s)
{
	if (s->admin != NULL && PQstatus(s->admin) == CONNECTION_OK)
		return s->admin;
	PQfinish(s->admin);
	s->admin = PQconnectdb(s->own);
	(void)PQsetNoticeProcessor(s->admin, swallow, NULL);
	return s->admin;
}

PGconn *
pg_admin(pg_server *s)
{
	PGconn *c;

	pthread_mutex_lock(&s->mutex);
	c = connect_admin(s);
	pthread_mutex_unlock(&s->mutex);
	if (PQstatus(c) != CONNECTION_OK)
		fail_msg("no connection: %s", PQerrorMessage(c));
	return c;
}

static bool
succeeded(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* A server that was started anew meanwhile is noticed only by trying; and libpq may then still
 * believe in the connection, though it failed to write to it. */
static bool
is_lost(const PGconn *admin, const PGresult *result)
{
	return PQstatus(admin) != CONNECTION_OK ||
	       (!succeeded(result) && PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL);
}

static PGresult *
exec(pg_server *s, const char *sql)
{
	PGresult *result;
	char reason[512];

	pthread_mutex_lock(&s->mutex);
	result = PQexec(connect_admin(s), sql);
	if (is_lost(s->admin, result)) {
		PQclear(result);
		PQfinish(s->admin);
		s->admin = NULL;
		result = PQexec(connect_admin(s), sql);
	}
	(void)snprintf(reason, sizeof reason, "%s", PQerrorMessage(s->admin));
	pthread_mutex_unlock(&s->mutex);
	if (!succeeded(result)) {
		PQclear(result);
		fail_msg("%s: %s", sql, reason);
	}
	return result;
}

char *
pg_ask(pg_server *s, const char *sql)
{
	PGresult *result = exec(s, sql);
	char *text = strdup(PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");

	PQclear(result);
	assert_non_null(text);
	return text;
}

unsigned
pg_count(pg_server *s, const char *sql)
{
	char *text = pg_ask(s, sql), *end;
	unsigned long number = strtoul(text, &end, 10);
	bool counts = text[0] >= '0' && text[0] <= '9' && *end == '\0';

	free(text);
	if (!counts)
		fail_msg("no number: %s", sql);
	return (unsigned)number;
}

void
pg_do(pg_server *s, const char *format, ...)
{
	char sql[4096];
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(sql, sizeof sql, format, list);
	va_end(list);
	assert_in_range(length, 1, sizeof sql - 1);
	PQclear(exec(s, sql));
}

void
pg_await(pg_server *s, const char *sql)
{
	time_t start = seconds();

	for (;;) {
		char *text = pg_ask(s, sql);
		bool reached = strcmp(text, "t") == 0;

		free(text);
		if (reached)
			return;
		if (seconds() - start > AWAIT_SECONDS) {
			pg_server_log_tail(s);
			fail_msg("never became true: %s", sql);
		}
		pause_shortly();
	}
}

void
pg_kill_backend(pg_server *s, int pid)
{
	char sql[128];
	time_t start = seconds();

	pg_do(s, "SELECT pg_terminate_backend(%d)", pid);
	(void)snprintf(sql, sizeof sql,
	    "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %d)", pid);
	pg_await(s, sql);
	/* It leaves the table before it closes its socket. */
	while (kill(pid, 0) == 0 || errno != ESRCH) {
		if (seconds() - start > AWAIT_SECONDS)
			fail_msg("backend %d does not end", pid);
		pause_shortly();
	}
}
