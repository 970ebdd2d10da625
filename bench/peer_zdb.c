/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_zdb: libzdb's ConnectionPool over SQLite in memory, its lightest connection.  When all are lent it gives
 * NULL; who wants to wait must ask again, here after a yield.
 */
#include "peer.h"

#include <sched.h>
#include <stdlib.h>
#include <zdb.h>

typedef struct lender {
	URL_T url;
	ConnectionPool_T pool;
} lender;

static void *
make(unsigned capacity)
{
	lender *all = calloc(1, sizeof *all);

	if (all == NULL)
		return NULL;
	all->url = URL_new("sqlite:///:memory:");
	all->pool = ConnectionPool_new(all->url);
	ConnectionPool_setInitialConnections(all->pool, 0);
	ConnectionPool_setMaxConnections(all->pool, (int)capacity);
	ConnectionPool_start(all->pool);
	return all;
}

static void
get(void *pool, peer_loan *loan)
{
	const lender *all = pool;

	while ((loan->resource = ConnectionPool_getConnection(all->pool)) == NULL)
		(void)sched_yield();
}

static void
put(void *pool, peer_loan *loan)
{
	(void)pool;
	Connection_close(loan->resource);
}

static void
turns(void *pool, unsigned count)
{
	peer_loan loan;

	while (count-- > 0) {
		get(pool, &loan);
		put(pool, &loan);
	}
}

static void
unmake(void *pool)
{
	lender *all = pool;

	ConnectionPool_free(&all->pool);
	URL_free(&all->url);
	free(all);
}

const peer peer_zdb = {
    .name = "zdb",
    .title = "libzdb, asked until it gives",
    .works = PEER_W1 | PEER_W2 | PEER_W3 | PEER_W4 | PEER_W5,
    .is_library = true,
    .make = make,
    .get = get,
    .put = put,
    .turns = turns,
    .unmake = unmake,
};
