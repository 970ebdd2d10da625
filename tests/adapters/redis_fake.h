/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_fake: something on a port of 127.0.0.1 that is no Redis: it reads commands and answers what it
 * was told to, wrongly, late, in pieces, or not at all.  It is there for what a real server does not do.
 */
#ifndef REDIS_FAKE_H
#define REDIS_FAKE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum { FAKE_GOES_ON = 0, FAKE_HANGS_UP, FAKE_IS_SILENT } fake_then;

/* One turn: read so many commands, answer, and then.  The last turn's end is silence. */
typedef struct fake_turn {
	unsigned commands;
	const char *answer;
	size_t length; /* 0: all of it */
	fake_then then;
	int drip_ms; /* pause between two bytes */
} fake_turn;

typedef struct redis_fake redis_fake;

redis_fake *redis_fake_start(void);
void redis_fake_end(redis_fake *f);
/* What each connection from now on gets; copied; ends with a turn all zero. */
void redis_fake_tell(redis_fake *f, const fake_turn *turns);
const char *redis_fake_url(const redis_fake *f);
int redis_fake_port(const redis_fake *f);

#endif
