/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_limits: what the machine asks for one hand-over, in the clothes of a pool of one: by spinning, and by
 * a futex, across two cores and on one.  W5 measures pools beside these.
 */
#include "peer.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct cell {
	_Alignas(128) _Atomic uint32_t idle; /* 1: nobody has it */
} cell;

static void *
make(unsigned capacity)
{
	cell *one = aligned_alloc(_Alignof(cell), sizeof *one);

	if (one != NULL)
		atomic_init(&one->idle, 1);
	return capacity == 1 ? one : NULL;
}

static void
get_spinning(void *pool, peer_loan *loan)
{
	cell *one = pool;

	while (atomic_load_explicit(&one->idle, memory_order_acquire) == 0)
		;
	atomic_store_explicit(&one->idle, 0, memory_order_relaxed);
	loan->resource = one;
}

static void
put_plainly(void *pool, peer_loan *loan)
{
	cell *one = pool;

	(void)loan;
	atomic_store_explicit(&one->idle, 1, memory_order_release);
}

static void
get_sleeping(void *pool, peer_loan *loan)
{
	cell *one = pool;

	while (atomic_exchange(&one->idle, 0) == 0)
		(void)syscall(SYS_futex, &one->idle, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	loan->resource = one;
}

static void
put_waking(void *pool, peer_loan *loan)
{
	cell *one = pool;

	(void)loan;
	atomic_store(&one->idle, 1);
	(void)syscall(SYS_futex, &one->idle, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#define LIMIT(symbol, id, text, getter, putter) \
	const peer symbol = {                   \
	    .name = id,                         \
	    .title = text,                      \
	    .works = PEER_W5,                   \
	    .is_limit = true,                   \
	    .make = make,                       \
	    .get = getter,                      \
	    .put = putter,                      \
	    .unmake = free,                     \
	}

LIMIT(peer_spin, "spin", "spinning", get_spinning, put_plainly);
LIMIT(peer_futex, "futex", "futex, across two cores", get_sleeping, put_waking);
LIMIT(peer_futex_one_core, "futex_one_core", "futex, on one core", get_sleeping, put_waking);
