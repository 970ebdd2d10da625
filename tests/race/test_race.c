/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_race: random verbs from many threads, in several weathers.  QPOOL_SEED repeats a run as far as
 * threads can; QPOOL_SECONDS makes it longer.  In the last weather all options are drawn, anew every few
 * seconds.
 */
#include "crowd.h"

#include <string.h>

#define SIZED(n) .size = sizeof(qpool_options), .max_size = (n)

static const weather weathers[] = {
    {.name = "fair and plain", .plain = true, .options = {SIZED(4)}},
    {.name = "one slot, strictly in order",
	.plain = true,
	.options = {SIZED(1), .max_overtake = QPOOL_ZERO, .order = QPOOL_OLDEST_FIRST}},
    {.name = "checked and reset, without a fair line",
	.fail = 50,
	.options = {SIZED(3), .max_overtake = QPOOL_FOREVER, .check_after = 1}},
    {.name = "failing, and openers are told",
	.fail = 10,
	.options = {SIZED(3), .open_failure = QPOOL_OPEN_TELL, .max_uses = 3, .max_waiters = 6}},
    {.name = "failing, with workers",
	.fail = 10,
	.workers = 3,
	.options = {SIZED(4), .max_uses = 2, .max_opening = 2, .maintain_every = 1000000}},
    {.name = "workers do it all",
	.fail = 30,
	.workers = 4,
	.options = {SIZED(4), .flags = QPOOL_RESET_ON_WORKERS, .min_idle = 2, .max_idle = 300000,
	    .max_age = 2000000, .maintain_every = 500000, .max_overtake = QPOOL_ZERO}},
    {.name = "down and up",
	.fail = 3,
	.workers = 2,
	.options = {SIZED(2), .down_after = QPOOL_MSEC(10), .max_uses = 1}},
    {.name = "any", .any = true, .fail = 20, .workers = 3, .options = {SIZED(1)}},
};

/* Options drawn anew so often. */
#define ANY_SECONDS 2u

static void
run(const void *first, const void *second)
{
	const weather *in = first;
	uint64_t seed = *(const uint64_t *)second;
	unsigned seconds = chance_seconds(), round = in->any ? ANY_SECONDS : seconds;

	/* Rounds are numbered by their seeds, so that the last one printed can be run alone. */
	for (unsigned i = 0; i < seconds; i += round)
		crowd_run(in, seed + i, round);
}

int
main(int argc, char **argv)
{
	cells all = {NULL, 0, 0};
	uint64_t seed = chance_seed();

	cells_limit(chance_seconds() * 2 + 300);
	for (size_t i = 0; i < sizeof weathers / sizeof weathers[0]; i++)
		cells_add(&all, run, &weathers[i], &seed, "%s", weathers[i].name);
	return cells_run(&all, "race", argc, argv);
}
