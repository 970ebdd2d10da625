/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main: the door of the benchmark.  Reads the options, runs the workloads one after the other, prints.
 */
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
    &work_w4,
#ifdef BENCH_POSTGRES
    &work_w6,
#endif
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

typedef struct options {
	work_pace pace;
	unsigned works; /* PEER_W... */
	bool any_load, check;
	const char *json;
} options;

static const char usage[] =
    "usage: bench [--quick] [--only W1,W2,W4,W6] [--check] [--any-load] [--json FILE]\n"
    "Measures the pool beside hand-written ones and the limits of this machine; see bench/README.md.\n"
    "  --quick       within a minute; else a few minutes\n"
    "  --only LIST   these workloads only\n"
    "  --check       exit 1 when a target that this version is held to is missed\n"
    "  --any-load    keep rounds in which others used the machine\n"
    "  --json FILE   write all figures there as well\n"
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
			return kinds[i]->bit;
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
			refuse("--only ", list,
			    "name W1, W2, W4, W6 (built with PostgreSQL), with commas between");
		works |= bit;
		if (rest[length] == '\0')
			return works;
		rest += length + 1;
	}
}

static options
read_options(int count, char **words)
{
	enum { QUICK = 256, ONLY, CHECK, ANY_LOAD, JSON, SMOKE, HELP };
	static const struct option known[] = {
	    {"quick", no_argument, NULL, QUICK},
	    {"only", required_argument, NULL, ONLY},
	    {"check", no_argument, NULL, CHECK},
	    {"any-load", no_argument, NULL, ANY_LOAD},
	    {"json", required_argument, NULL, JSON},
	    {"smoke", no_argument, NULL, SMOKE},
	    {"help", no_argument, NULL, HELP},
	    {NULL, 0, NULL, 0},
	};
	options asked = {.pace = PACE_FULL, .works = PEER_W1 | PEER_W2 | PEER_W4 | PEER_W6};
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
	if (asked.check && (asked.works & (PEER_W4 | PEER_W6)) == 0)
		refuse("--check", " without W4 and W6",
		    "all held targets are theirs: name one in --only");
	return asked;
}

static void
measure(run *all, unsigned works)
{
	int64_t began_ns = timing_now();
	const work **slots[] = {&all->by_id.w1, &all->by_id.w2, &all->by_id.w4, &all->by_id.w6};

	for (unsigned i = 0; i < KINDS; i++) {
		work *one = &all->work[all->work_count];

		if ((works & kinds[i]->bit) == 0)
			continue;
		all->work_count++;
		*slots[i] = one;
		work_prepare(one, kinds[i], all->pace);
		rounds_run(one, all->any_load);
		table_print_work(one);
	}
	all->took_s = (double)(timing_now() - began_ns) / (double)TIMING_SEC;
}

/* No figure is a miss as well: nothing was shown. */
static bool
holds(const run *all)
{
	for (unsigned i = 0; i < target_count; i++) {
		const target *one = &targets[i];
		if (one->is_held && target_applies(one, &all->by_id) &&
		    !target_is_met(one, one->figure(&all->by_id)))
			return false;
	}
	return true;
}

int
main(int count, char **words)
{
	options asked = read_options(count, words);
	static run all;
	int error;

	if (asked.json != NULL && (error = json_probe(asked.json)) != 0)
		refuse("--json ", asked.json, strerror(error));
	all.where = machine_look();
	all.pace = asked.pace;
	all.any_load = asked.any_load;
	all.sees_load = load_is_visible();
	all.began_s = (int64_t)time(NULL);
	table_print_head(&all);
	measure(&all, asked.works);
	table_print_end(&all);
	if (asked.json != NULL)
		json_write(asked.json, &all);
	return asked.check && !holds(&all) ? EXIT_FAILED : EXIT_SUCCESS;
}
