/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_mutex_clocks: the pool one writes by hand once things must not be idle too long: the clock is
 * read when one comes back and when it is lent again.
 */
#include "peer.h"

#include "hand_pool.h"
#include "timing.h"

static const int64_t max_idle_ns = 600 * TIMING_SEC;

static void *
make(unsigned capacity)
{
	return hand_pool_make(capacity);
}

static void
get(void *pool, peer_loan *loan)
{
	hand_thing *thing = hand_pool_get(pool);

	if (timing_now() - thing->returned_ns > max_idle_ns)
		thing->returned_ns = 0; /* here the real one would close it and open another */
	loan->resource = thing;
}

static void
put(void *pool, peer_loan *loan)
{
	hand_thing *thing = loan->resource;

	thing->returned_ns = timing_now();
	hand_pool_put(pool, thing);
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

const peer peer_mutex_clocks = {
    .name = "mutex_clocks",
    .title = "mutex + cond, two clocks",
    .works = PEER_STUBS,
    .is_rival = true,
    .make = make,
    .get = get,
    .put = put,
    .opened = opened,
    .unmake = unmake,
};
