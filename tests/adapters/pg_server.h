/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_server: a real PostgreSQL for one test program, in a folder of its own, on a unix socket there and on
 * a port of 127.0.0.1.  It is gone when the test program is, however that ended.  Tests come in; what fails
 * in here fails the running test, so call from the test's own thread.  A forked child may ask for
 * names and ports, and nothing else.
 */
#ifndef PG_SERVER_H
#define PG_SERVER_H

#include <stdbool.h>

#include <libpq-fe.h>

typedef struct pg_server pg_server;

typedef struct pg_server_options {
	const char *conf;         /* lines for postgresql.conf; they win over ours */
	const char *hba;          /* lines for pg_hba.conf, before those that trust everybody */
	unsigned max_connections; /* 0: 100 */
	/* Languages that the server can speak, by lc_messages, with a NULL at the end: "de_DE"...  They
	 * are made in the folder as de_DE.UTF-8...: for a test that speaks them too, LOCPATH is the
	 * folder.  NULL: none. */
	const char *const *languages;
	pg_server *standby_of; /* begins as a copy of this one, and follows it; or NULL */
} pg_server_options;

typedef enum pg_stop {
	PG_FAST,      /* sessions are told and ended */
	PG_IMMEDIATE, /* as by a crash; the next start recovers */
} pg_stop;

/* Ready for connections when it returns.  The options may be NULL. */
pg_server *pg_server_start(const pg_server_options *options);
/* The server and its folder are gone when it returns.  NULL is fine. */
void pg_server_end(pg_server *s);

/* Gone when it returns; the folder stays.  Nothing happens when it does not run. */
void pg_server_stop(pg_server *s, pg_stop how);
/* Start it again, on the same port and socket; pg_server_launch returns when it is ready. */
void pg_server_launch(pg_server *s);
void pg_server_launch_nowait(pg_server *s);
void pg_server_await_ready(pg_server *s);
void pg_server_restart(pg_server *s, pg_stop how);
/* To the postmaster: SIGHUP, SIGSTOP, SIGCONT, SIGKILL... */
void pg_server_signal(pg_server *s, int number);
/* Of the postmaster that was started last. */
int pg_server_pid(const pg_server *s);

/* All valid until pg_server_end.  The user is postgres, the superuser; there is no password. */
const char *pg_server_folder(const pg_server *s);
const char *pg_server_socket_dir(const pg_server *s);
int pg_server_port(const pg_server *s);
const char *pg_server_conninfo(
    const pg_server *s); /* host=/... port=... dbname=postgres user=postgres */
const char *pg_server_tcp_conninfo(const pg_server *s); /* host=127.0.0.1 ... */
const char *pg_server_uri(const pg_server *s); /* postgresql://postgres@127.0.0.1:.../postgres */

/* Print the end of the server's log. */
void pg_server_log_tail(const pg_server *s);

/* ---- anybody's connections ---- */

/* Of the caller's, to be ended by PQfinish; the test fails when there is none. */
PGconn *pg_connected(const char *conninfo);
/* Whether it answers SELECT 1. */
bool pg_answers(PGconn *c);
/* Connect, ask, finish. */
void pg_must_answer(const char *conninfo);

/* ---- the test's own connection, beside the pool's: application_name pg_admin ---- */

/* Opened anew when it is dead; closed by pg_server_end.  Never PQfinish it. */
PGconn *pg_admin(pg_server *s);
/* The first column of the first row, to be freed; "" for NULL or no row. */
char *pg_ask(pg_server *s, const char *sql);
unsigned pg_count(pg_server *s, const char *sql);
/* Run SQL, several statements if you like. */
void pg_do(pg_server *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ask again and again until the answer is t; the test fails after 30 s. */
void pg_await(pg_server *s, const char *sql);
/* Terminate a backend; its process is gone when it returns. */
void pg_kill_backend(pg_server *s, int pid);

#endif
