/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lives: a cell a life, and a seed each time.
 */
#include "lives.h"

#include "cell.h"
#include "chance.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

bool
lives_is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

void
lives_set(bool *flag) /* NOLINT(readability-non-const-parameter): it is written */
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

void
lives_spin(chance *luck, unsigned most)
{
	for (unsigned i = chance_upto(luck, most); i > 0; i--)
		sched_yield();
}

static void
repeat(const void *first, const void *second)
{
	const life *which = first;
	uint64_t seed = *(const uint64_t *)second, lived = 0;
	int64_t end = chance_now() + QPOOL_SEC(chance_seconds()) / 2;

	printf("# %s: QPOOL_SEED=%" PRIu64 "\n", which->name, seed);
	fflush(stdout);
	/* Each has a seed of its own: the one that a broken cell shows can be run alone. */
	for (; lived == 0 || chance_now() < end; lived++) {
		cell_note("seed", (long long)seed + (long long)lived);
		which->live(seed + lived);
	}
	printf("# %s: %" PRIu64 " times\n", which->name, lived);
}

int
lives_run(const life *lives, size_t count, const char *group, int argc, char **argv)
{
	cells all = {NULL, 0, 0};
	uint64_t seed = chance_seed();

	cells_limit(chance_seconds() + 120);
	for (size_t i = 0; i < count; i++)
		cells_add(&all, repeat, &lives[i], &seed, "%s", lives[i].name);
	return cells_run(&all, group, argc, argv);
}
