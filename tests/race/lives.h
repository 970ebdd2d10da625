/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lives: small lives of a pool, each drawn by a seed and repeated in a cell of its own until the time is over.
 * Tests of how pools end come in; what a life does is theirs to say.
 */
#ifndef RACE_LIVES_H
#define RACE_LIVES_H

#include <stddef.h>
#include <stdint.h>

typedef struct life {
	const char *name;
	void (*live)(uint64_t seed);
} life;

/* Run those whose name holds argv[1], or all, for half of QPOOL_SECONDS each.  What main returns. */
int lives_run(const life *lives, size_t count, const char *group, int argc, char **argv);

#endif
