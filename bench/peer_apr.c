/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_apr: apr_reslist, the pool of Apache's database modules: opens on demand, keeps all, used newest first.
 */
#include "peer.h"

#include "fail.h"

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_reslist.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct list {
	apr_pool_t *memory;
	apr_reslist_t *resources;
	atomic_uint opened;
} list;

static apr_status_t
open_stub(void **resource, void *params, apr_pool_t *memory)
{
	list *all = params;

	(void)memory;
	atomic_fetch_add_explicit(&all->opened, 1, memory_order_relaxed);
	*resource = all;
	return APR_SUCCESS;
}

static apr_status_t
close_stub(void *resource, void *params, apr_pool_t *memory)
{
	(void)resource;
	(void)params;
	(void)memory;
	return APR_SUCCESS;
}

static void *
make(unsigned capacity)
{
	list *all = calloc(1, sizeof *all);

	if (all == NULL || apr_initialize() != APR_SUCCESS ||
	    apr_pool_create(&all->memory, NULL) != APR_SUCCESS ||
	    apr_reslist_create(&all->resources, 0, (int)capacity, (int)capacity, 0, open_stub,
		close_stub, all, all->memory) != APR_SUCCESS)
		fail("apr_reslist gave no pool of %u", capacity);
	return all;
}

static void
get(void *pool, peer_loan *loan)
{
	const list *all = pool;

	if (apr_reslist_acquire(all->resources, &loan->resource) != APR_SUCCESS)
		fail("apr_reslist lent nothing");
}

static void
put(void *pool, peer_loan *loan)
{
	const list *all = pool;

	if (apr_reslist_release(all->resources, loan->resource) != APR_SUCCESS)
		fail("apr_reslist took nothing back");
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

static unsigned
opened(void *pool)
{
	return atomic_load(&((list *)pool)->opened);
}

static void
unmake(void *pool)
{
	list *all = pool;

	apr_pool_destroy(all->memory);
	free(all);
	apr_terminate();
}

const peer peer_apr = {
    .name = "apr",
    .title = "apr_reslist",
    .works = PEER_STUBS,
    .is_rival = true,
    .is_library = true,
    .make = make,
    .get = get,
    .put = put,
    .turns = turns,
    .opened = opened,
    .unmake = unmake,
};
