/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_mutex: the pool one writes by hand, as it is.
 */
#include "peer.h"

#include "hand_pool.h"
#include "timing.h"

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

static bool
get_within(void *pool, peer_loan *loan, int64_t timeout_ns)
{
	loan->resource = hand_pool_get_until(pool, timing_now() + timeout_ns);
	return loan->resource != NULL;
}

static unsigned
opened(void *pool)
{
	return ((hand_pool *)pool)->open;
}

static void
unmake(void *pool)
{
	hand_pool_unmake(pool);
}

const peer peer_mutex = {
    .name = "mutex",
    .title = "mutex + cond + array",
    .works = PEER_STUBS | PEER_MIXED,
    .is_rival = true,
    .make = make,
    .get = get,
    .put = put,
    .get_within = get_within,
    .opened = opened,
    .unmake = unmake,
};
