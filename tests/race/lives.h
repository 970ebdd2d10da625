/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lives: small lives of a pool, each drawn by a seed and repeated in a cell of its own until the time is over.
 * Tests of how pools end come in; what a life does is theirs to say.
 */
#ifndef RACE_LIVES_H
#define RACE_LIVES_H

#include "chance.h"

#include <stddef.h>

typedef struct life {
	const char *name;
	void (*live)(uint64_t seed);
} life;

/* Run those whose name holds argv[1], or all, for half of QPOOL_SECONDS each.  What main returns. */
int lives_run(const life *lives, size_t count, const char *group, int argc, char **argv);

/* A flag that one thread sets for others: acquire and release. */
bool lives_is_set(const bool *flag);
void lives_set(bool *flag);
/* Let others run, for a little while that is drawn. */
void lives_spin(chance *luck, unsigned most);

#endif
