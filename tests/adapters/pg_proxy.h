/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_proxy: stands between clients and a server, on a thread of its own; counts what passes, and plays the
 * bad network.  It listens on a port of 127.0.0.1 and on a unix socket in the server's folder.  Tests come
 * in, from any thread.  It never changes a byte.  A forked child has no such thread, and never
 * calls in here.
 */
#ifndef PG_PROXY_H
#define PG_PROXY_H

#include <stddef.h>
#include <stdint.h>

#include "pg_server.h"

typedef struct pg_proxy pg_proxy;

/* Of all connections, also of those that are. */
typedef enum pg_proxy_mode {
	PG_PASS,
	/* A peer that vanished: all is accepted and read, nothing goes on in either direction, nothing
	 * is closed.  What was swallowed is lost: after PG_PASS such a connection has holes in it, and
	 * one made meanwhile stays without a server. */
	PG_SWALLOW,
	/* To the server all passes; what the server says waits for PG_PASS. */
	PG_HOLD_REPLIES,
	/* New connections get ECONNREFUSED, those that are go on. */
	PG_REFUSE,
	/* All connections are reset, now; then PG_PASS.  (A unix socket knows no reset: it ends.) */
	PG_CUT,
	/* New connections are accepted and never answered, also later; those that are go on. */
	PG_ACCEPT_SILENT,
} pg_proxy_mode;

typedef struct pg_proxy_count {
	uint64_t to_server_bytes, to_client_bytes; /* as they came to the proxy, passed on or not */
	uint64_t turns;    /* client bytes after server bytes, or the first */
	uint64_t connects; /* accepted */
} pg_proxy_count;

/* Before a server's unix socket. */
pg_proxy *pg_proxy_start(pg_server *s);
/* Before something else with a unix socket, such as a PgBouncer; its own is still in the server's folder. */
pg_proxy *pg_proxy_start_before(pg_server *s, const char *socket_dir, int port);
/* Ends its connections too; before the server's end.  NULL is fine. */
void pg_proxy_end(pg_proxy *p);

/* In force when it returns. */
void pg_proxy_set(pg_proxy *p, pg_proxy_mode mode);

int pg_proxy_port(const pg_proxy *p);
const char *pg_proxy_socket_dir(const pg_proxy *p);
const char *pg_proxy_conninfo(const pg_proxy *p);      /* by 127.0.0.1, sslmode=disable */
const char *pg_proxy_unix_conninfo(const pg_proxy *p); /* by the unix socket */

/* Since the start or the last pg_proxy_reset.  All that clients had sent before the call is in it.  PQfinish
 * sends an X, which is a turn of its own. */
pg_proxy_count pg_proxy_counts(pg_proxy *p);
/* The types of the clients' messages, such as "QX", to be freed.  Those without a type: ! is a start-up,
 * - a cancel, ? the wish to encrypt. */
char *pg_proxy_sent(pg_proxy *p);
void pg_proxy_reset(pg_proxy *p);
/* Connections that are now. */
size_t pg_proxy_links(pg_proxy *p);

#endif
