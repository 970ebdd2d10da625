/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scene: what an execution plays.  Each file of scenes ends in a table; main.c has them all.
 */
#ifndef EXPLORE_SCENE_H
#define EXPLORE_SCENE_H

#include "kit.h"

typedef struct scene {
	const char *name;      /* one word */
	void *(*play)(void *); /* on the first actor */
	unsigned clock_moves;  /* as in world_rules */
	unsigned surprises;    /* likewise */
	bool must_fail;        /* it shows that a mistake is found, and passes when it is */
} scene;

/* Tables, each ended by a scene without a name. */
extern const scene scenes_line[], scenes_end[], scenes_open[], scenes_crew[], scenes_lease[],
    scenes_keyed[], scenes_any[], scenes_shelf[], scenes_litmus[];

#endif
