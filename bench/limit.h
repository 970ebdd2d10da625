/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limit: what this machine asks for the things pools are made of.  W1 and W2 run them in their rounds,
 * between the peers, since ratios hold only within a round.  Those of a hand-over are peers: see
 * peer_limits.c.
 */
#ifndef BENCH_LIMIT_H
#define BENCH_LIMIT_H

#include <stdbool.h>

typedef struct limit {
	const char *name; /* stable: the key in JSON */
	const char *title;
	unsigned works; /* PEER_W1, PEER_W2 */
	void (*turns)(unsigned count);
	/* Of two threads the second does this beside the first, and is not counted.  NULL: both do
	 * the same. */
	void (*beside)(unsigned count);
	bool (*is_there)(void); /* NULL: always */
} limit;

extern const limit limits[];
extern const unsigned limit_count;

#endif
