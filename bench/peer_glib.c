/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_glib: GLib's GAsyncQueue, the pool one gets by putting all resources into a queue: opened beforehand, used
 * oldest first.
 */
#include "peer.h"

#include <glib.h>

typedef struct queue {
	GAsyncQueue *idle;
	char *stubs;
} queue;

static void *
make(unsigned capacity)
{
	queue *all = g_new0(queue, 1);

	all->idle = g_async_queue_new();
	all->stubs = g_new0(char, capacity);
	for (unsigned i = 0; i < capacity; i++)
		g_async_queue_push(all->idle, &all->stubs[i]);
	return all;
}

static void
get(void *pool, peer_loan *loan)
{
	const queue *all = pool;

	loan->resource = g_async_queue_pop(all->idle);
}

static void
put(void *pool, peer_loan *loan)
{
	const queue *all = pool;

	g_async_queue_push(all->idle, loan->resource);
}

static void
turns(void *pool, unsigned count)
{
	GAsyncQueue *idle = ((queue *)pool)->idle;

	while (count-- > 0)
		g_async_queue_push(idle, g_async_queue_pop(idle));
}

static bool
get_within(void *pool, peer_loan *loan, int64_t timeout_ns)
{
	const queue *all = pool;

	/* Microseconds: rounded up, or it would be early by right. */
	loan->resource = g_async_queue_timeout_pop(all->idle, (guint64)(timeout_ns + 999) / 1000);
	return loan->resource != NULL;
}

static void
unmake(void *pool)
{
	queue *all = pool;

	g_async_queue_unref(all->idle);
	g_free(all->stubs);
	g_free(all);
}

const peer peer_glib = {
    .name = "glib",
    .title = "GLib GAsyncQueue",
    .works = (PEER_STUBS & ~(unsigned)PEER_FEW) | PEER_MIXED,
    .is_rival = true,
    .is_library = true,
    .make = make,
    .get = get,
    .put = put,
    .turns = turns,
    .get_within = get_within,
    .unmake = unmake,
};
