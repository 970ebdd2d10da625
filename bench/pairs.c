/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pairs: see pairs.h.
 */
#include "pairs.h"

#include "fail.h"
#include "gang.h"
#include "timing.h"

#include <math.h>
#include <stdlib.h>

/* Pairs between two looks at the clock: enough that the look costs below 1 % of the fastest pair. */
enum { BATCH = 1024 };

typedef struct share {
	_Alignas(128) int64_t took_ns;
	uint64_t pairs;
} share;

typedef struct pairs {
	const work_row *row;
	void *pool; /* of a peer */
	share shares[PAIRS_THREADS];
} pairs;

static void
turn(const pairs *all, unsigned index, unsigned count)
{
	const peer *who = all->row->peer;
	const limit *of = all->row->limit;
	peer_loan loan;

	if (who == NULL) {
		(index > 0 && of->beside != NULL ? of->beside : of->turns)(count);
	} else if (who->turns != NULL) {
		who->turns(all->pool, count);
	} else {
		while (count-- > 0) {
			who->get(all->pool, &loan);
			who->put(all->pool, &loan);
		}
	}
}

static void
loop(void *shared, unsigned index, const gang_window *window)
{
	pairs *all = shared;
	share *mine = &all->shares[index];
	uint64_t count = 0;
	int64_t began_ns, now_ns;

	while (timing_now() < window->from_ns)
		turn(all, index, BATCH);
	began_ns = timing_now();
	do {
		turn(all, index, BATCH);
		count += BATCH;
		now_ns = timing_now();
	} while (now_ns < window->until_ns);
	mine->took_ns = now_ns - began_ns;
	mine->pairs = count;
}

void
pairs_fill(const peer *who, void *pool, unsigned capacity)
{
	peer_loan *loans = calloc(capacity, sizeof *loans);

	if (loans == NULL)
		fail("out of memory for %u loans", capacity);
	for (unsigned i = 0; i < capacity; i++)
		who->get(pool, &loans[i]);
	for (unsigned i = 0; i < capacity; i++)
		who->put(pool, &loans[i]);
	free(loans);
}

double
pairs_ns(const work_row *row, const work_timing *timing, unsigned threads, unsigned capacity,
    bool is_filled)
{
	pairs all = {.row = row};
	bool one_counts = row->limit != NULL && row->limit->beside != NULL;
	int64_t took_ns = 0;
	uint64_t count = 0;

	if (row->limit != NULL && row->limit->is_there != NULL && !row->limit->is_there())
		return NAN;
	if (row->peer != NULL && (all.pool = row->peer->make(capacity)) == NULL)
		fail("%s gave no pool of %u", row->peer->name, capacity);
	if (row->peer != NULL && is_filled)
		pairs_fill(row->peer, all.pool, capacity);
	(void)gang_run(threads, loop, &all, timing->ramp_ns, timing->open_ns);
	if (row->peer != NULL)
		row->peer->unmake(all.pool);
	for (unsigned i = 0; i < (one_counts ? 1 : threads); i++) {
		took_ns += all.shares[i].took_ns;
		count += all.shares[i].pairs;
	}
	return (double)took_ns / (double)count;
}
