/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_door: one try to be let in: a pool of one session, an acquire that is told at once why not, and all that
 * is said meanwhile, in which DOOR_SECRET must not be.  Tests of what a connect comes to come in, from their
 * own thread.  No pool outlives a knock.
 */
#ifndef PG_DOOR_H
#define PG_DOOR_H

#include "pg_load.h"

/* The password of those who have one, or its beginning, so that it is known wherever it is shown. */
#define DOOR_SECRET "S3cret"

typedef struct door {
	qpool_options options;
	qpool_pg_options pg;
	/* What the last knock came to. */
	qpool_err err;
	qpool_error error;
	int64_t took_ns;
	char where[128]; /* pid, host, port and database, if it was let in */
	char value[64];  /* what `ask` gave */
	const char *ask; /* a statement of one value, for who is let in; or NULL */
} door;

door door_init(void);
/* Whether it was let in. */
bool door_knock(door *d, const char *conninfo);

/* Knock, and fail the test unless it comes to this; `words` are in the message. */
void door_refuses(
    door *d, const char *conninfo, qpool_err expected, const char *native, const char *words);
void door_opens(door *d, const char *conninfo);
/* In the last knock's message. */
void door_must_say(const door *d, const char *words);
/* Knock until it is refused with this SQLSTATE; for what a server comes to in its own time. */
void door_until(door *d, const char *conninfo, const char *native);

#endif
