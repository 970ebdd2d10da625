/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_wire: what a client says to a PostgreSQL server, message by message.  The proxy's bytes come in, in any
 * pieces; it never changes or keeps them.
 */
#ifndef PG_WIRE_H
#define PG_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one connection; begins as zeros. */
typedef struct pg_wire {
	unsigned char head[8];
	unsigned have;
	uint32_t left; /* of the message's body */
	bool started, asked_to_encrypt, opaque;
} pg_wire;

/* Calls back with the type of each message whose head is complete: see pg_proxy_sent. */
typedef void pg_wire_heard(void *of, char type);

void pg_wire_from_client(
    pg_wire *w, const char *bytes, size_t count, pg_wire_heard *heard, void *of);
/* The first byte that the server says after being asked to encrypt decides what follows. */
void pg_wire_from_server(pg_wire *w, const char *bytes, size_t count);

#endif
