/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main: the door of the benchmark.  Reads the options, runs the workloads one after the other, prints.
 */
#include "bytes.h"
#include "fail.h"
#include "json.h"
#include "load.h"
#include "rounds.h"
#include "run.h"
#include "table.h"
#include "timing.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const work_kind *const kinds[] = {
    &work_w1,
    &work_w2,
    &work_w3,
    &work_w3_1000,
    &work_w4,
    &work_w4_1000,
    &work_w5_hot,
    &work_w5_settled,
#ifdef BENCH_POSTGRES
    &work_w6,
    &work_w6_64,
#endif
    &work_w7,
    &work_w7_2,
    &work_w8,
    &work_mixed,
    &work_few,
    &work_idle,
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };
_Static_assert((int)KINDS <= (int)RUN_WORKS, "a run has room for every kind of work");

typedef struct options {
	work_pace pace;
	unsigned works; /* a bit for each of kinds[] */
	bool any_load, check;
	const char *json, *rivals;
} options;

static const char usage[] =
    "usage: bench [--quick] [--only LIST] [--check] [--any-load] [--json FILE]\n"
    "             [--rivals FILE]\n"
    "Measures the pool beside hand-written ones and the limits of this machine; see bench/README.md.\n"
    "  --quick       within a minute; else a few minutes\n"
    "  --only LIST   these workloads only, with commas between: W1, W2, W3, W3-1000, W4, W4-1000,\n"
    "                W5-hot, W5-settled, W6, W6-64 (built with PostgreSQL), W7, W7-2, W8, mixed,\n"
    "                few, idle\n"
    "  --check       exit 1 when a target that this version is held to is missed\n"
    "  --any-load    keep rounds in which others used the machine\n"
    "  --json FILE   write all figures there as well\n"
    "  --rivals FILE beside other libraries and languages, as far as they are here: see make\n"
    "                bench-rivals, which writes FILE\n"
    "  --smoke       every step once, in no time: whether it runs, not how fast\n"
    "  --help        this\n";

_Noreturn static void
refuse(const char *what, const char *value, const char *help)
{
	(void)fprintf(stderr, "bench: %s%s; %s\n", what, value, help);
	exit(EXIT_USAGE);
}

static unsigned
work_bit(const char *id, size_t length)
{
	for (unsigned i = 0; i < KINDS; i++)
		if (strlen(kinds[i]->id) == length && strncmp(kinds[i]->id, id, length) == 0)
			return 1u << i;
	return 0;
}

static unsigned
read_works(const char *list)
{
	const char *rest = list;
	unsigned works = 0;

	for (;;) {
		size_t length = strcspn(rest, ",");
		unsigned bit = work_bit(rest, length);

		if (bit == 0)
			refuse("--only ", list, "see bench --help for the workloads");
		works |= bit;
		if (rest[length] == '\0')
			return works;
		rest += length + 1;
	}
}

/* Is there a target to check? */
static bool
holds_any(unsigned works)
{
	for (unsigned i = 0; i < target_count; i++)
		if (targets[i].is_held &&
		    (work_bit(targets[i].work, strlen(targets[i].work)) & works) != 0)
			return true;
	return false;
}

static options
read_options(int count, char **words)
{
	enum { QUICK = 256, ONLY, CHECK, ANY_LOAD, JSON, RIVALS, SMOKE, HELP };
	static const struct option known[] = {
	    {"quick", no_argument, NULL, QUICK},
	    {"only", required_argument, NULL, ONLY},
	    {"check", no_argument, NULL, CHECK},
	    {"any-load", no_argument, NULL, ANY_LOAD},
	    {"json", required_argument, NULL, JSON},
	    {"rivals", required_argument, NULL, RIVALS},
	    {"smoke", no_argument, NULL, SMOKE},
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	options asked = {.pace = PACE_FULL, .works = (1u << KINDS) - 1};
	int found;

	opterr = 0;
	while ((found = getopt_long(count, words, ":", known, NULL)) != -1) {
		switch (found) {
		case QUICK:
			asked.pace = PACE_QUICK;
			break;
		case SMOKE:
			asked.pace = PACE_SMOKE;
			break;
		case ONLY:
			asked.works = read_works(optarg);
			break;
		case CHECK:
			asked.check = true;
			break;
		case ANY_LOAD:
			asked.any_load = true;
			break;
		case JSON:
			asked.json = optarg;
			break;
		case RIVALS:
			asked.rivals = optarg;
			break;
		case HELP:
			(void)fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		case ':':
			refuse(words[optind - 1], " wants a value", "see bench --help");
		default:
			refuse("unknown option ", words[optind - 1], "see bench --help");
		}
	}
	if (optind < count)
		refuse("unexpected argument ", words[optind], "see bench --help");
	if (asked.check && !holds_any(asked.works))
		refuse("--check", " with these workloads",
		    "none of the held targets is theirs; name another in --only");
	return asked;
}

static void
measure(run *all, unsigned works)
{
	/* On top of what bench/README.md adds up. */
	static const int64_t spares_ns[PACE_COUNT] = {
	    [PACE_FULL] = 90 * TIMING_SEC,
	    [PACE_QUICK] = 4 * TIMING_SEC,
	    [PACE_SMOKE] = 60 * TIMING_SEC,
	};
	int64_t spare_ns = spares_ns[all->pace];
	int64_t began_ns = timing_now();
	for (unsigned i = 0; i < KINDS; i++) {
		work *one = &all->work[all->work_count];

		if ((works & (1u << i)) == 0)
			continue;
		all->work_count++;
		work_prepare(one, kinds[i], all->pace, all->with_rivals);
		rounds_run(one, all->any_load, &spare_ns);
		table_print_work(one);
	}
	all->took_s = (double)(timing_now() - began_ns) / (double)TIMING_SEC;
}

/* No figure is a miss as well: nothing was shown. */
static bool
holds(const run *all)
{
	work_set set = {all->work, all->work_count};

	for (unsigned i = 0; i < target_count; i++) {
		const target *one = &targets[i];
		if (one->is_held && target_applies(one, &set) &&
		    !target_is_met(one, target_figure(one, &set)))
			return false;
	}
	return true;
}

int
main(int count, char **words)
{
	static run all;
	options asked;
	int error;

	if (count == 3 && strcmp(words[1], BYTES_OPTION) == 0) {
		bytes_answer(words[2]);
		return EXIT_SUCCESS;
	}
	asked = read_options(count, words);
	if (asked.json != NULL && (error = json_probe(asked.json)) != 0)
		refuse("--json ", asked.json, strerror(error));
	all.where = machine_look();
	all.pace = asked.pace;
	all.any_load = asked.any_load;
	all.with_rivals = asked.rivals != NULL;
	if (asked.rivals != NULL)
		rivals_read(asked.rivals);
	all.sees_load = load_is_visible();
	all.began_s = (int64_t)time(NULL);
	table_print_head(&all);
	measure(&all, asked.works);
	rivals_end();
	table_print_end(&all);
	if (asked.json != NULL)
		json_write(asked.json, &all);
	return asked.check && !holds(&all) ? EXIT_FAILED : EXIT_SUCCESS;
}
