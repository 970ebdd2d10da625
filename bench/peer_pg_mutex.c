/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_pg_mutex: the pool one writes by hand, over connections.
 */
#include "peer.h"

#include "company.h"
#include "hand_pool.h"

typedef struct lent {
	hand_pool *pool;
	PGconn *conns[]; /* of pool->things */
} lent;

static void *
make(unsigned capacity)
{
	lent *all = calloc(1, sizeof *all + capacity * sizeof(PGconn *));

	if (all == NULL || (all->pool = hand_pool_make(capacity)) == NULL) {
		free(all);
		return NULL;
	}
	for (unsigned i = 0; i < capacity; i++)
		all->conns[i] = company_connect();
	return all;
}

static void
get(void *pool, peer_loan *loan)
{
	lent *all = pool;

	loan->resource = hand_pool_get(all->pool);
}

static void
put(void *pool, peer_loan *loan)
{
	lent *all = pool;

	hand_pool_put(all->pool, loan->resource);
}

static void
use(void *pool, peer_loan *loan)
{
	lent *all = pool;
	const hand_thing *thing = loan->resource;

	company_ask(all->conns[thing - all->pool->things]);
}

static void
unmake(void *pool)
{
	lent *all = pool;

	for (unsigned i = 0; i < all->pool->capacity; i++)
		PQfinish(all->conns[i]);
	hand_pool_unmake(all->pool);
	free(all);
}

const peer peer_pg_mutex = {
    .name = "mutex_pg",
    .title = "mutex + cond + array",
    .works = PEER_W6 | PEER_W6_64,
    .is_rival = true,
    .make = make,
    .get = get,
    .put = put,
    .use = use,
    .unmake = unmake,
};
