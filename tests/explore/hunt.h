/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hunt: executions of one scene, until one fails or the time is over; and what to do with the one
 * that failed: make it smaller, print it, replay it.
 */
#ifndef EXPLORE_HUNT_H
#define EXPLORE_HUNT_H

#include "choice.h"
#include "scene.h"

typedef struct hunt_counts {
	uint64_t searched, walked; /* executions */
	uint64_t points;           /* in all of them */
	int complete;              /* all with so many costly choices were searched; -1: none */
	double seconds;
} hunt_counts;

/* Search all executions with at most `bound` costly choices, for so long at most.  True: none
 * failed; *complete says whether the time sufficed. */
bool hunt_search(
    const scene *s, unsigned bound, double seconds, hunt_counts *counts, bool *complete);
/* Walk at random, from this seed on, for so long; at least once. */
bool hunt_walk(const scene *s, uint64_t seed, double seconds, hunt_counts *counts);
/* One execution, by marks; with `traced`, printed. */
bool hunt_replay(const scene *s, const choice_mark *marks, size_t count, bool traced);
/* The last execution failed: print how, make it smaller, and say how to see it again.  False: it
 * does not fail again, neither by its seed nor by its marks. */
bool hunt_report(const scene *s, const char *program);
/* The program ends in the middle of an execution: say how to see it again. */
void hunt_last_words(const char *program);
/* Time that has passed, for people and for budgets only. */
double hunt_clock(void);

#endif
