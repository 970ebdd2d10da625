/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_link: one client of the proxy and its server, the bytes between them, and their sockets.  The proxy's
 * thread comes in; nothing in here waits.
 */
#ifndef PG_LINK_H
#define PG_LINK_H

#include "pg_wire.h"

enum { PG_WAY_BYTES = 16384 };

typedef struct pg_way {
	char bytes[PG_WAY_BYTES];
	size_t from, until;
	bool ended; /* who speaks has closed, or who listens is gone */
} pg_way;

typedef struct pg_link {
	int client, server; /* server: -1 for one that is never answered */
	pg_way up, down;
	pg_wire wire;
	bool spoken_to; /* since the client last spoke; at first, too */
} pg_link;

bool pg_way_pending(const pg_way *w);
void pg_way_empty(pg_way *w);
/* How much came; 0 also at the end and when nothing is there. */
size_t pg_way_fill(pg_way *w, int fd);
/* False: who listens is gone. */
bool pg_way_drain(pg_way *w, int fd);

/* -1 when nobody listens there. */
int pg_socket_connect(const char *path);
/* Both must succeed: the port is reserved (pg_keep_port), the path our own. */
int pg_socket_listen_tcp(int port);
int pg_socket_listen_unix(const char *path);
/* Also when a forked child holds a copy; -1 from then on. */
void pg_socket_close(int *fd);

#endif
