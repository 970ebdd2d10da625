/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_bouncer: see the header.
 */
#include "pg_bouncer.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg_keep.h"

struct pg_bouncer {
	pg_keep *keep;
	int port, reserve, pid;
	char program[256], ini[128];
	char conninfo[256], tcp[128], console[256];
};

enum { TRIES = 12000, PAUSE_MS = 5 };

static void
make_names(pg_bouncer *b)
{
	const char *folder = pg_keep_folder(b->keep);

	(void)snprintf(b->ini, sizeof b->ini, "%s/pgbouncer.ini", folder);
	(void)snprintf(b->conninfo, sizeof b->conninfo,
	    "host=%s port=%d dbname=postgres user=postgres", folder, b->port);
	(void)snprintf(
	    b->tcp, sizeof b->tcp, "host=127.0.0.1 port=%d dbname=postgres user=postgres", b->port);
	(void)snprintf(b->console, sizeof b->console,
	    "host=%s port=%d dbname=pgbouncer user=postgres", folder, b->port);
}

static void
write_ini(pg_bouncer *b, const pg_server *s, const pg_bouncer_options *o)
{
	char upstream[256], text[2048];

	(void)snprintf(upstream, sizeof upstream, "host=%s port=%d", pg_server_socket_dir(s),
	    pg_server_port(s));
	(void)snprintf(text, sizeof text,
	    "[databases]\n* = %s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"
	    "unix_socket_dir = %s\nauth_type = trust\nauth_file = %s/users\n"
	    "admin_users = postgres\npool_mode = %s\ndefault_pool_size = %u\n"
	    "max_client_conn = 200\nserver_login_retry = 1\n",
	    o->upstream == NULL ? upstream : o->upstream, b->port, pg_keep_folder(b->keep),
	    pg_keep_folder(b->keep), o->pool_mode == NULL ? "transaction" : o->pool_mode,
	    o->default_pool_size == 0 ? 20 : o->default_pool_size);
	pg_keep_write(b->keep, "pgbouncer.ini", text);
	if (o->ini != NULL)
		pg_keep_write(b->keep, "pgbouncer.ini", o->ini);
	pg_keep_write(b->keep, "users", "\"postgres\" \"\"\n");
	if (o->users != NULL)
		pg_keep_write(b->keep, "users", o->users);
}

pg_bouncer *
pg_bouncer_start(pg_server *s, const pg_bouncer_options *options)
{
	static const pg_bouncer_options none;
	pg_bouncer *b = calloc(1, sizeof *b);

	assert_non_null(b);
	pg_keep_find("pgbouncer", "pgbouncer", b->program);
	b->reserve = pg_keep_port(&b->port);
	b->keep = pg_keep_start(SIGTERM);
	make_names(b);
	write_ini(b, s, options == NULL ? &none : options);
	pg_bouncer_launch(b);
	return b;
}

void
pg_bouncer_end(pg_bouncer *b)
{
	if (b == NULL)
		return;
	pg_keep_end(b->keep);
	(void)close(b->reserve);
	free(b);
}

void
pg_bouncer_stop(pg_bouncer *b)
{
	pg_keep_stop(b->keep, SIGKILL);
}

void
pg_bouncer_launch(pg_bouncer *b)
{
	const char *const argv[] = {b->program, b->ini, NULL};

	b->pid = pg_keep_launch(b->keep, argv);
	for (int i = 0; PQping(b->console) != PQPING_OK; i++) {
		if (!pg_keep_alive(b->keep) || i == TRIES) {
			pg_bouncer_log_tail(b);
			fail_msg("PgBouncer does not start");
		}
		(void)poll(NULL, 0, PAUSE_MS);
	}
}

void
pg_bouncer_signal(pg_bouncer *b, int number)
{
	pg_keep_signal(b->keep, number);
}

int
pg_bouncer_pid(const pg_bouncer *b)
{
	return b->pid;
}

const char *
pg_bouncer_socket_dir(const pg_bouncer *b)
{
	return pg_keep_folder(b->keep);
}

int
pg_bouncer_port(const pg_bouncer *b)
{
	return b->port;
}

const char *
pg_bouncer_conninfo(const pg_bouncer *b)
{
	return b->conninfo;
}

const char *
pg_bouncer_tcp_conninfo(const pg_bouncer *b)
{
	return b->tcp;
}

const char *
pg_bouncer_console(const pg_bouncer *b)
{
	return b->console;
}

void
pg_bouncer_log_tail(const pg_bouncer *b)
{
	pg_keep_log_tail(b->keep);
}
