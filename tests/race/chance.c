/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chance: SplitMix64, and two environment variables.
 */
#include "chance.h"

#include <stdlib.h>
#include <time.h>

int64_t
chance_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t
chance_seed(void)
{
	const char *wish = getenv("QPOOL_SEED");

	if (wish != NULL && wish[0] != '\0')
		return strtoull(wish, NULL, 0);
	/* Any will do; short ones are easier to type again. */
	return (uint64_t)chance_now() / 1000 % 1000000007;
}

unsigned
chance_seconds(void)
{
	const char *wish = getenv("QPOOL_SECONDS");
	long seconds = wish != NULL ? strtol(wish, NULL, 10) : 0;

	return seconds > 0 && seconds <= 1000000 ? (unsigned)seconds : 4;
}

chance
chance_stream(uint64_t seed, uint64_t which)
{
	chance c = {seed * 0x2545f4914f6cdd1du + which * 0x9e3779b97f4a7c15u};

	(void)chance_draw(&c);
	return c;
}

uint64_t
chance_draw(chance *c)
{
	uint64_t z = (c->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

unsigned
chance_upto(chance *c, unsigned most)
{
	return (unsigned)(chance_draw(c) % most);
}

bool
chance_one_in(chance *c, unsigned n)
{
	return chance_draw(c) % n == 0;
}
