/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_pg_none: no pool: each thread takes a connection the first time and keeps it.
 */
#include "peer.h"

#include "company.h"
#include "fail.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct owned {
	unsigned capacity;
	atomic_uint taken;
	PGconn *conns[];
} owned;

static _Thread_local PGconn *mine; /* a thread lives for one sample only */

static void *
make(unsigned capacity)
{
	owned *all = calloc(1, sizeof *all + capacity * sizeof(PGconn *));

	for (unsigned i = 0; all != NULL && i < capacity; i++)
		all->conns[i] = company_connect();
	if (all != NULL)
		all->capacity = capacity;
	return all;
}

static void
get(void *pool, peer_loan *loan)
{
	owned *all = pool;

	if (mine == NULL) {
		unsigned at = atomic_fetch_add(&all->taken, 1);
		if (at >= all->capacity)
			fail("more threads than connections");
		mine = all->conns[at];
	}
	loan->resource = mine;
}

static void
put(void *pool, peer_loan *loan)
{
	(void)pool;
	(void)loan;
}

static void
use(void *pool, peer_loan *loan)
{
	(void)pool;
	company_ask(loan->resource);
}

static void
unmake(void *pool)
{
	owned *all = pool;

	for (unsigned i = 0; i < all->capacity; i++)
		PQfinish(all->conns[i]);
	free(all);
}

const peer peer_pg_none = {
    .name = "none_pg",
    .title = "own connections",
    .works = PEER_W6 | PEER_W6_64,
    .is_bound = true,
    .make = make,
    .get = get,
    .put = put,
    .use = use,
    .unmake = unmake,
};
