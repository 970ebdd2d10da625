/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_bouncer: a real PgBouncer before a pg_server, kept as that is.  Tests come in, with a server that runs;
 * end it before the server.
 */
#ifndef PG_BOUNCER_H
#define PG_BOUNCER_H

#include "pg_server.h"

typedef struct pg_bouncer pg_bouncer;

typedef struct pg_bouncer_options {
	const char *pool_mode;      /* "session", "statement"; NULL: "transaction" */
	unsigned default_pool_size; /* 0: 20 */
	const char *ini;            /* lines for [pgbouncer]; they win over ours */
	const char *users;          /* more lines for its list of users, "name" "password" */
	const char *upstream;       /* "host=... port=...", for a proxy between; NULL: the server */
} pg_bouncer_options;

/* Ready when it returns.  The options may be NULL.  Users are trusted; postgres is one. */
pg_bouncer *pg_bouncer_start(pg_server *s, const pg_bouncer_options *options);
void pg_bouncer_end(pg_bouncer *b);

/* Gone at once, as by a crash; and again, on the same port. */
void pg_bouncer_stop(pg_bouncer *b);
void pg_bouncer_launch(pg_bouncer *b);
void pg_bouncer_signal(pg_bouncer *b, int number);
int pg_bouncer_pid(const pg_bouncer *b);

const char *pg_bouncer_socket_dir(const pg_bouncer *b);
int pg_bouncer_port(const pg_bouncer *b);
const char *pg_bouncer_conninfo(const pg_bouncer *b);     /* by the unix socket */
const char *pg_bouncer_tcp_conninfo(const pg_bouncer *b); /* by 127.0.0.1 */
const char *pg_bouncer_console(
    const pg_bouncer *b); /* its own database, for SHOW, PAUSE, KILL... */

void pg_bouncer_log_tail(const pg_bouncer *b);

#endif
