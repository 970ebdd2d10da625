/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hunt: searches, walks, shrinks, reports.
 */
#include "hunt.h"

#include "races.h"
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_EVERY   64u /* executions between two looks at the real clock */
#define SHRINK_TRIES 4000u

static bool by_seed;
static uint64_t failed_seed;
static const char *playing;

double
hunt_clock(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool
play(const scene *s, uint64_t seed)
{
	world_rules rules = {s->clock_moves, s->surprises, kit_quiet, kit_balance};

	playing = s->name;
	choice_begin(seed);
	return world_run(s->play, &rules);
}

bool
hunt_search(const scene *s, unsigned bound, double seconds, hunt_counts *counts, bool *complete)
{
	double began = hunt_clock();
	uint64_t before = world_points();
	bool more = true, good = true, in_time = true;

	by_seed = false;
	choice_search(bound);
	while (more && good && in_time) {
		good = play(s, 0);
		if (good)
			more = choice_next(world_has_learned());
		if (++counts->searched % LOOK_EVERY == 0)
			in_time = hunt_clock() - began < seconds;
	}
	*complete = !more;
	counts->seconds += hunt_clock() - began;
	counts->points += world_points() - before;
	return good;
}

bool
hunt_walk(const scene *s, uint64_t seed, double seconds, hunt_counts *counts)
{
	double began = hunt_clock();
	uint64_t before = world_points();
	bool good = true, in_time = true;

	by_seed = true;
	choice_random();
	while (good && in_time) {
		failed_seed = seed++;
		good = play(s, failed_seed);
		if (++counts->walked % LOOK_EVERY == 0 || seconds <= 0)
			in_time = hunt_clock() - began < seconds;
	}
	counts->seconds += hunt_clock() - began;
	counts->points += world_points() - before;
	return good;
}

bool
hunt_replay(const scene *s, const choice_mark *marks, size_t count, bool traced)
{
	bool good;

	choice_replay(marks, count);
	trace_on = traced;
	good = play(s, 0);
	trace_on = false;
	if (traced)
		trace_print();
	return good;
}

/* Without the marks from..to, does it still fail?  Then keep what it failed by. */
static bool
fails_without(const scene *s, choice_mark *marks, size_t *count, size_t from, size_t to)
{
	size_t fewer = *count - (to - from), now;
	choice_mark *left = malloc((fewer + 1) * sizeof *left);
	const choice_mark *made;
	bool fails;

	if (left == NULL)
		abort();
	memcpy(left, marks, from * sizeof *left);
	memcpy(left + from, marks + to, (*count - to) * sizeof *left);
	fails = !hunt_replay(s, left, fewer, false);
	free(left);
	made = choice_marks(&now);
	if (!fails || now > fewer)
		return false;
	memcpy(marks, made, now * sizeof *marks);
	*count = now;
	return true;
}

/* Leave out ever smaller runs of marks, again and again, for as long as that makes it fewer. */
static void
shrink(const scene *s, choice_mark *marks, size_t *count)
{
	unsigned tries = 0;
	size_t before;

	do {
		before = *count;
		for (size_t run = *count; run > 0; run /= 2)
			for (size_t from = 0; from + run <= *count && tries < SHRINK_TRIES; tries++)
				if (!fails_without(s, marks, count, from, from + run))
					from += run;
	} while (*count < before && tries < SHRINK_TRIES);
}

static void
print_replay(const char *program, const char *name, const choice_mark *marks, size_t count)
{
	printf("replay: %s --scene %s --trace --schedule '", program, name);
	choice_print(marks, count);
	printf("'\n");
}

void
hunt_last_words(const char *program)
{
	size_t count;
	const choice_mark *marks = choice_marks(&count);

	if (playing != NULL)
		print_replay(program, playing, marks, count);
	(void)fflush(stdout);
}

static bool
fails_by_seed(const scene *s, const char *program)
{
	if (!by_seed)
		return true;
	printf("seed %" PRIu64 "; again: %s --scene %s --seed %" PRIu64 " --seconds 0\n",
	    failed_seed, program, s->name, failed_seed);
	choice_random();
	return !play(s, failed_seed);
}

bool
hunt_report(const scene *s, const char *program)
{
	size_t count, before;
	const choice_mark *made = choice_marks(&count);
	choice_mark *marks = malloc((count + 1) * sizeof *marks);
	bool again;

	if (marks == NULL)
		abort();
	memcpy(marks, made, count * sizeof *marks);
	before = count;
	printf("scene %s fails: %s\n", s->name, world_failure());
	again = fails_by_seed(s, program);
	shrink(s, marks, &count);
	again = !hunt_replay(s, marks, count, false) && again;
	if (!again)
		printf("it does not fail again: something is not under control\n");
	else if (count < before)
		printf(
		    "made smaller, from %zu choices to %zu: %s\n", before, count, world_failure());
	races_explain();
	print_replay(program, s->name, marks, count);
	free(marks);
	return again;
}
