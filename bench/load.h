/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: did somebody else use this machine while we measured?  Rounds come in.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct load_mark {
	int64_t wall_ns, foreign_ns;
} load_mark;

/* Can it be told here at all? */
bool load_is_visible(void);
/* `others_ns` tells what others took so far; NULL: what was busy and is not this process's. */
load_mark load_now(int64_t (*others_ns)(void));
/* The share of all CPUs that others took since the mark, 0 to 1. */
double load_foreign(const load_mark *since, int64_t (*others_ns)(void));

/* What all processes took so far but this one and its children, and, if it is not 0, the process `also`
 * and its children.  Dearer than /proc/stat, and blind to stolen time; but that one is sampled by
 * ticks, and where threads sleep and wake with the timers it is off by a fifth. */
int64_t load_processes_ns(int also);
int64_t load_others_ns(void); /* also: 0 */

/* More than this disturbs: a burst of some 50 ms in a second already moves a p99. */
#define LOAD_MOST 0.02

#endif
