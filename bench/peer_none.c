/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_none: no pool.  In a loop it shows what the two calls cost, and with as many threads as the pools
 * have resources it is the bound they are measured against.
 */
#include "peer.h"

static int stub;

static void *
make(unsigned capacity)
{
	(void)capacity;
	return &stub;
}

static void
get(void *pool, peer_loan *loan)
{
	loan->resource = pool;
}

static void
put(void *pool, peer_loan *loan)
{
	(void)pool;
	loan->resource = NULL;
}

static void
unmake(void *pool)
{
	(void)pool;
}

const peer peer_none = {
    .name = "none",
    .title = "no pool",
    .works = PEER_W1 | PEER_W3 | PEER_W4 | PEER_1000,
    .is_bound = true,
    .make = make,
    .get = get,
    .put = put,
    .unmake = unmake,
};
