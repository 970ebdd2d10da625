/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats: the snapshot.  Each slot is read once, without the lock, so the counts add up whatever happens
 * meanwhile; a second pass over the same words says whether anything did.
 */
#include "core/abi.h"
#include "core/exchange.h"
#include "core/pool.h"

typedef struct pass {
	uint32_t counts[QP_STATES];
	uint64_t lent;
	uint64_t words; /* mixes every slot's state and number of moves */
} pass;

static pass
read_slots(const qpool *pool, uint32_t fresh)
{
	pass p;

	memset(&p, 0, sizeof p);
	for (uint32_t i = 0; i < fresh; i++) {
		const qp_slot *slot = qp_pool_slot(pool, i);
		uint32_t moved = qp_slot_moved(slot);
		p.counts[qp_slot_state_of(moved)]++;
		p.lent += qp_slot_lent(slot);
		p.words = (p.words ^ moved) * 0x100000001b3u;
	}
	return p;
}

static void
report_pool(qpool *pool, qpool_stats *now)
{
	now->max_size = pool->config.max_size;
	now->min_idle = pool->config.min_idle;
	now->workers = pool->crew.alive;
	now->waiting = pool->waitq.count;
	now->down = qp_backoff_is_hopeless(
	    &pool->backoff, qp_exchange_any_exist_locked(pool), qp_clock_now());
	qp_tally_report(&pool->tally, now);
}

/* Nothing was opened or gone since `then` was filled: its counters belong to the same instant as the slots. */
static bool
is_still_so_locked(const qpool *pool, const qpool_stats *then, uint32_t fresh)
{
	return pool->fresh == fresh && pool->tally.opens == then->opens &&
	       memcmp(pool->tally.closes, then->closes, sizeof then->closes) == 0;
}

void
qpool_get_stats(const qpool *readable, qpool_stats *out)
{
	qpool *pool = (qpool *)(uintptr_t)readable; /* looking takes the lock */
	qpool_stats now = qpool_stats_init();
	uint32_t fresh, taken, own, inherited;
	uint64_t before;
	bool still;
	pass first, second;

	if (out == NULL)
		return;
	if (qp_pool_look(pool, NULL) != QPOOL_OK) {
		qp_abi_write(out, &now, sizeof now);
		return;
	}
	qp_pool_lock(pool);
	report_pool(pool, &now);
	fresh = pool->fresh;
	inherited = pool->inherited;
	before = pool->lent_before;
	qp_pool_unlock(pool, NULL);
	first = read_slots(pool, fresh);
	second = read_slots(pool, fresh);
	qp_pool_lock(pool);
	still = is_still_so_locked(pool, &now, fresh);
	qp_pool_unlock(pool, NULL);

	taken = fresh - first.counts[QP_EMPTY];
	own = taken > inherited ? taken - inherited : 0;
	now.empty = own < now.max_size ? now.max_size - own : 0;
	now.over = taken + now.empty - now.max_size;
	now.opening = first.counts[QP_OPENING];
	now.idle = first.counts[QP_IDLE];
	now.checking = first.counts[QP_CHECKING];
	now.leased = first.counts[QP_LEASED];
	now.resetting = first.counts[QP_RESETTING];
	now.closing = first.counts[QP_CLOSING];
	now.acquires = first.lent - before;
	now.exact = first.words == second.words && still;
	qp_abi_write(out, &now, sizeof now);
}
