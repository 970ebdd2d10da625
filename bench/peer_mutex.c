/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_mutex: the pool one writes by hand, as it is.
 */
#include "peer.h"

#include "hand_pool.h"

static void *
make(unsigned capacity)
{
	return hand_pool_make(capacity);
}

static void
get(void *pool, peer_loan *loan)
{
	loan->resource = hand_pool_get(pool);
}

static void
put(void *pool, peer_loan *loan)
{
	hand_pool_put(pool, loan->resource);
}

static void
unmake(void *pool)
{
	hand_pool_unmake(pool);
}

const peer peer_mutex = {
    .name = "mutex",
    .title = "mutex + cond + array",
    .works = PEER_W1 | PEER_W2 | PEER_W4,
    .is_rival = true,
    .make = make,
    .get = get,
    .put = put,
    .unmake = unmake,
};
