/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main: rounds until so many operations are done (OPS), or so long (QPOOL_SECONDS, or 10 s without either).
 * QPOOL_SEED repeats a run, and QPOOL_ROUND begins it at a later round, as far as threads allow.
 */
#include "stress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define SHOW_NS 250000000

static uint64_t
wish(const char *name)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 0) : 0;
}

static void
show_progress(const totals *sum, uint64_t most, int64_t took_ns)
{
	uint64_t done = sum->leases + sum->ends;

	(void)fprintf(stderr,
	    "\r%" PRIu64 " rounds, %.1f million operations%s, %.1f million/s, %" PRIu64
	    " timeouts   ",
	    sum->rounds, (double)done / 1e6, most > 0 && done < most ? " so far" : "",
	    (double)done * 1e3 / (double)took_ns, sum->timeouts);
	(void)fflush(stderr);
}

static void
show_end(const totals *sum, int64_t took_ns)
{
	double seconds = (double)took_ns / 1e9;

	if (isatty(STDERR_FILENO) != 0)
		(void)fprintf(stderr, "\n");
	printf("%" PRIu64 " operations (%" PRIu64 " leases), %" PRIu64 " rounds, %" PRIu64
	       " pools, %" PRIu64 " waits, %" PRIu64 " timeouts, %" PRIu64 " turned away, %" PRIu64
	       " ended twice, %" PRIu64 " opens, in %.1f s: %.2f million operations/s\n",
	    sum->leases + sum->ends, sum->leases, sum->rounds, sum->pools, sum->waits,
	    sum->timeouts, sum->refusals, sum->misuses, sum->opens, seconds,
	    (double)(sum->leases + sum->ends) / 1e6 / seconds);
}

int
main(void)
{
	static round r;
	totals sum = {0};
	uint64_t seed = chance_seed(), number = wish("QPOOL_ROUND"), most = wish("OPS");
	uint64_t seconds = wish("QPOOL_SECONDS");
	int64_t begun_ns = chance_now(), shown_ns = 0, now_ns;

	if (seconds == 0 && most == 0)
		seconds = 10;
	printf("QPOOL_SEED=%" PRIu64 ", engine %s\n", seed, STRESS_ENGINE);
	(void)fflush(stdout);
	watchdog_start();
	do {
		round_run(&r, seed, number++, &sum);
		now_ns = chance_now();
		if (isatty(STDERR_FILENO) != 0 && now_ns - shown_ns >= SHOW_NS) {
			show_progress(&sum, most, now_ns - begun_ns);
			shown_ns = now_ns;
		}
	} while ((most == 0 || sum.leases + sum.ends < most) &&
		 (seconds == 0 || now_ns - begun_ns < (int64_t)seconds * 1000000000));
	watchdog_end();
	show_end(&sum, now_ns - begun_ns);
	return 0;
}
