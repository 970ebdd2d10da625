/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * explore: plays scenes under all schedules with few surprises, and under many random ones.
 *
 *   explore                        all scenes, some seconds each; --seconds S, in all
 *   explore --part line            those of scenes_line.c;  --list shows their names
 *   explore --scene NAME ...       this one only
 *   explore --scene NAME --bound N search exactly the executions with up to N costly choices, and
 *                                  fail if the time does not suffice
 *   explore --scene NAME --seed N  walk from this seed on; with --seconds 0 once
 *   explore --scene NAME --schedule 12:1,40:2 [--trace]   one execution
 *   explore --must-find            succeed only if a failure is found: for mutants
 */
#include "hunt.h"
#include "sanitize.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if EXPLORE_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define MOST_BOUND 12u

static const struct part {
	const char *name;
	const scene *scenes;
} parts[] = {
    {"line", scenes_line},
    {"end", scenes_end},
    {"open", scenes_open},
    {"crew", scenes_crew},
    {"lease", scenes_lease},
    {"keyed", scenes_keyed},
    {"any", scenes_any},
    {"shelf", scenes_shelf},
    {"litmus", scenes_litmus},
};

#define PARTS (sizeof parts / sizeof parts[0])

static struct {
	const char *program, *part, *scene, *schedule;
	double seconds;
	uint64_t seed;
	int bound;
	bool has_seed, traced, must_find, list;
} asked = {.seconds = 30, .bound = -1};

static bool lost_control; /* what failed did not fail again */
static const scene *chosen[100];
static size_t scenes;

static bool
is_chosen(const struct part *p, const scene *s)
{
	if (asked.part != NULL && strcmp(asked.part, p->name) != 0)
		return false;
	return asked.scene == NULL || strcmp(asked.scene, s->name) == 0;
}

static void
choose_scenes(void)
{
	for (const struct part *p = parts; p < parts + PARTS; p++)
		for (const scene *s = p->scenes; s->name != NULL; s++)
			if (is_chosen(p, s))
				chosen[scenes++] = s;
	if (scenes > 0)
		return;
	fprintf(stderr, "explore: there is no such scene; --list shows all\n");
	exit(2);
}

/* Ever more costly choices, until half of the time is over. */
static bool
search_deeper(const scene *s, double seconds, hunt_counts *counts)
{
	double until = hunt_clock() + seconds;
	bool complete = true, good = true;

	world_forget();
	counts->complete = -1;
	for (unsigned bound = 0; good && complete && bound <= MOST_BOUND; bound++) {
		good = hunt_search(s, bound, until - hunt_clock(), counts, &complete);
		if (good && complete)
			counts->complete = (int)bound;
	}
	return good;
}

static bool
search_exactly(const scene *s, hunt_counts *counts)
{
	bool complete, good;

	world_forget();
	good = hunt_search(s, (unsigned)asked.bound, asked.seconds, counts, &complete);
	counts->complete = complete ? asked.bound : -1;
	if (good && !complete)
		printf("scene %s: the time is over, and the search is not\n", s->name);
	return good && complete;
}

static bool
replay(const scene *s)
{
	choice_mark *marks;
	long count = choice_parse(asked.schedule, &marks);
	bool good;

	if (count < 0) {
		fprintf(stderr, "explore: a schedule looks like 12:1,40:2\n");
		exit(2);
	}
	good = hunt_replay(s, marks, (size_t)count, asked.traced);
	free(marks);
	printf("scene %s %s %s\n", s->name,
	    good ? "is played to its end" : "fails:", good ? "" : world_failure());
	return good;
}

static void
print_counts(const scene *s, const hunt_counts *c)
{
	double all = (double)(c->searched + c->walked);

	printf("%-17s %8" PRIu64 " searched", s->name, c->searched);
	if (c->complete >= 0)
		printf(", complete up to %d choices", c->complete);
	printf("; %8" PRIu64 " random; %.1f s, %.0f executions/s, %.0f points each\n", c->walked,
	    c->seconds, c->seconds > 0 ? all / c->seconds : 0,
	    all > 0 ? (double)c->points / all : 0);
	(void)fflush(stdout);
}

static bool
hunt(const scene *s, double seconds)
{
	hunt_counts counts = {.complete = -1};
	bool good = true;

	if (asked.schedule != NULL)
		return replay(s);
	if (asked.bound >= 0)
		good = search_exactly(s, &counts);
	else if (!asked.has_seed)
		good = search_deeper(s, seconds / 2, &counts);
	if (good && asked.bound < 0)
		good = hunt_walk(s, asked.seed, asked.has_seed ? seconds : seconds / 2, &counts);
	if (world_failure()[0] != '\0' && !s->must_fail && !hunt_report(s, asked.program))
		lost_control = true;
	if (good && s->must_fail)
		printf("scene %s does not fail, and it must: the model hides a mistake\n", s->name);
	print_counts(s, &counts);
	return good != s->must_fail;
}

/* Any of the scenes may find it: they take ever longer turns. */
static bool
find_mutant(void)
{
	double began = hunt_clock(), turn = 0.05;

	for (; hunt_clock() - began < asked.seconds; turn *= 2)
		for (size_t i = 0; i < scenes; i++)
			if (!chosen[i]->must_fail && !hunt(chosen[i], turn)) {
				printf("found after %.2f s\n", hunt_clock() - began);
				return !lost_control;
			}
	printf("the mistake was not found in %.0f s\n", asked.seconds);
	return false;
}

static void
usage(void)
{
	fprintf(stderr,
	    "usage: explore [--part NAME] [--scene NAME] [--seconds S] [--bound N] [--seed N]\n"
	    "               [--schedule MARKS [--trace]] [--must-find] [--list]\n");
	exit(2);
}

static void
read_arguments(int count, char **arguments)
{
	static const struct option known[] = {
	    {"part", required_argument, NULL, 'p'},
	    {"scene", required_argument, NULL, 'c'},
	    {"seconds", required_argument, NULL, 's'},
	    {"bound", required_argument, NULL, 'b'},
	    {"seed", required_argument, NULL, 'r'},
	    {"schedule", required_argument, NULL, 'm'},
	    {"trace", no_argument, NULL, 't'},
	    {"must-find", no_argument, NULL, 'f'},
	    {"list", no_argument, NULL, 'l'},
	    {NULL, 0, NULL, 0},
	};
	int found;

	asked.program = arguments[0];
	asked.seed = (uint64_t)(hunt_clock() * 1e6) << 20;
	while ((found = getopt_long(count, arguments, "", known, NULL)) != -1) {
		asked.part = found == 'p' ? optarg : asked.part;
		asked.scene = found == 'c' ? optarg : asked.scene;
		asked.seconds = found == 's' ? strtod(optarg, NULL) : asked.seconds;
		asked.bound = found == 'b' ? (int)strtol(optarg, NULL, 10) : asked.bound;
		asked.seed = found == 'r' ? strtoull(optarg, NULL, 10) : asked.seed;
		asked.has_seed = asked.has_seed || found == 'r';
		asked.schedule = found == 'm' ? optarg : asked.schedule;
		asked.traced = asked.traced || found == 't';
		asked.must_find = asked.must_find || found == 'f';
		asked.list = asked.list || found == 'l';
		if (found == '?')
			usage();
	}
	if (optind != count)
		usage();
}

static bool
hunt_all(void)
{
	bool good = true;

	for (size_t i = 0; i < scenes; i++)
		good = hunt(chosen[i], asked.seconds / (double)scenes) && good;
	return good;
}

#if EXPLORE_ASAN

/* A sanitizer has found something, and ends the program. */
static void
die(void)
{
	hunt_last_words(asked.program);
	if (asked.must_find)
		_exit(0);
}

static void
catch_abort(int number)
{
	(void)number;
	die();
}

/* The sanitizer for undefined behaviour knows no callback, but aborts. */
static void
watch_for_faults(void)
{
	__sanitizer_set_death_callback(die);
	(void)signal(SIGABRT, catch_abort);
}

#else

/* Poison was followed as a pointer: that ends the execution, not the hunt.  It is a fault of the
 * very code that runs, so all may be called here that may be called there. */
static void
catch_fault(int number)
{
	if (world_self() != NULL)
		world_fail("a wild pointer was followed (signal %d)", number);
	abort();
}

static void
watch_for_faults(void)
{
	static char room[64 * 1024];
	const stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
	struct sigaction action = {.sa_handler = catch_fault, .sa_flags = SA_NODEFER | SA_ONSTACK};

	(void)sigaltstack(&stack, NULL);
	(void)sigaction(SIGSEGV, &action, NULL);
	(void)sigaction(SIGBUS, &action, NULL);
}

#endif

int
main(int count, char **arguments)
{
	read_arguments(count, arguments);
	choose_scenes();
	watch_for_faults();
	for (size_t i = 0; asked.list && i < scenes; i++)
		printf("%s\n", chosen[i]->name);
	if (asked.list)
		return 0;
	if (asked.must_find)
		return find_mutant() ? 0 : 1;
	return hunt_all() ? 0 : 1;
}
