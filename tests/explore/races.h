/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * races: are two touches of one byte, one of them a write, ordered by what the code says (its locks
 * and memory orders), or only by the schedule we happened to choose?  This finds a release that is
 * missing even where the simulated machine, like x86, would never show it.
 *
 * For plain memory it needs the core compiled with -fsanitize=thread: then the compiler calls the
 * __tsan_ functions at each access, and here they are ours.  shared asks the same of atomic words,
 * where such a pair is no mistake, but what a search must branch at.
 */
#ifndef EXPLORE_RACES_H
#define EXPLORE_RACES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RACES_ACTORS 12u

/* What had happened before, for each actor: its time then. */
typedef struct clocks {
	uint32_t at[RACES_ACTORS];
} clocks;

extern bool races_on; /* the core is compiled so */

/* A new execution; which one is it? */
void races_begin(void);
uint32_t races_run(void);
/* The time of an actor, and whether another knows that it had come so far. */
uint32_t races_time(unsigned who);
bool races_knows(unsigned who, unsigned other, uint32_t time);
/* `who` has loaded a value that another's store left there. */
void races_load(const volatile void *object, unsigned who, memory_order order);
/* What a store of `who` carries with it, and when it is seen by all. */
clocks races_store(unsigned who, memory_order order);
void races_arrive(const volatile void *object, const clocks *carried);
/* An exchange of any kind; one that fails is a load. */
void races_exchange(const volatile void *object, unsigned who, memory_order order);
void races_fence(unsigned who, memory_order order);
/* Locks; `who` has started `other`, or joined it. */
void races_lock(const void *lock, unsigned who);
void races_unlock(const void *lock, unsigned who);
void races_start(unsigned who, unsigned other);
void races_join(unsigned who, unsigned other);
/* The block is freed: that touches all of it. */
void races_free(const void *block, size_t bytes);
/* Print where the two touches of the last race were, if there was one. */
void races_explain(void);

#endif
