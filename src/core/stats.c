/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats: the snapshot.  Each slot is read once, without the lock, so the counts add up whatever
 * changes meanwhile.  A second pass over the same words tells whether anything changed.
 */
#include "core/stats.h"

#include "core/abi.h"
#include "core/exchange.h"

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
	now->waiting = pool->waitq.count + pool->gate.line.count;
	now->down = qp_backoff_is_hopeless(
	    &pool->backoff, qp_exchange_any_exist_locked(pool), qp_clock_now());
	qp_tally_report(&pool->tally, now);
}

/* Was nothing opened or closed since `then` was filled?  Then its counters belong to the same
 * instant as the slots. */
static bool
is_still_so_locked(const qpool *pool, const qpool_stats *then, uint32_t fresh)
{
	return pool->fresh == fresh && pool->config.max_size == then->max_size &&
	       pool->tally.opens == then->opens &&
	       memcmp(pool->tally.closes, then->closes, sizeof then->closes) == 0;
}

static void
report_counts(const uint32_t counts[QP_STATES], qpool_stats *now)
{
	now->opening = counts[QP_OPENING];
	now->idle = counts[QP_IDLE];
	now->checking = counts[QP_CHECKING];
	now->leased = counts[QP_LEASED];
	now->resetting = counts[QP_RESETTING];
	now->closing = counts[QP_CLOSING];
}

void
qp_stats_read(qpool *pool, qpool_stats *now)
{
	uint32_t fresh, taken, own, inherited;
	uint64_t before;
	bool still;
	pass first, second;

	qp_pool_lock(pool);
	report_pool(pool, now);
	fresh = pool->fresh;
	before = pool->lent_before;
	inherited = pool->inherited;
	qp_pool_unlock(pool, NULL);
	first = read_slots(pool, fresh);
	second = read_slots(pool, fresh);
	qp_pool_lock(pool);
	still = is_still_so_locked(pool, now, fresh);
	qp_pool_unlock(pool, NULL);

	taken = fresh - first.counts[QP_EMPTY];
	own = taken > inherited ? taken - inherited : 0;
	now->empty = own < now->max_size ? now->max_size - own : 0;
	now->over = taken + now->empty - now->max_size;
	report_counts(first.counts, now);
	now->acquires = first.lent - before;
	now->exact = first.words == second.words && still;
}

void
qp_stats_add_locked(qp_stats_sum *sum, const qpool *pool)
{
	pass first = read_slots(pool, pool->fresh), second = read_slots(pool, pool->fresh);

	for (unsigned state = 0; state < QP_STATES; state++)
		sum->counts[state] += first.counts[state];
	sum->lent += first.lent - pool->lent_before;
	sum->moved = sum->moved || first.words != second.words;
	sum->waiting += pool->waitq.count;
	sum->inherited += pool->inherited;
	sum->down += qp_backoff_is_hopeless(
	    &pool->backoff, qp_exchange_any_exist_locked(pool), qp_clock_now());
	qp_tally_add(&sum->tally, &pool->tally);
}

void
qp_stats_report(const qp_stats_sum *sum, qpool_stats *now)
{
	qp_tally_report(&sum->tally, now);
	report_counts(sum->counts, now);
	now->waiting = sum->waiting;
	now->down = sum->down;
	now->acquires = sum->lent;
	now->exact = !sum->moved;
}

void
qpool_get_stats(const qpool *readable, qpool_stats *out)
{
	qpool *pool = (qpool *)(uintptr_t)readable; /* looking takes the lock */
	qpool_stats now = qpool_stats_init();

	if (out == NULL)
		return;
	if (qp_pool_look(pool, NULL) == QPOOL_OK)
		qp_stats_read(pool, &now);
	qp_abi_write(out, &now, sizeof now);
}

qpool_err
qpool_get_hist(const qpool *pool, qpool_hist_kind kind, qpool_hist *out)
{
	qpool_hist now = qpool_hist_init();

	if (qp_pool_look(pool, NULL) != QPOOL_OK || out == NULL || out->size < sizeof out->size)
		return QPOOL_EINVAL;
	switch (kind) {
	case QPOOL_HIST_WAIT:
		qp_hist_report(&pool->hists->wait, &now);
		break;
	case QPOOL_HIST_OPEN:
		qp_hist_report(&pool->hists->open, &now);
		break;
	case QPOOL_HIST_HELD:
		qp_hist_report(&pool->hists->held, &now);
		break;
	default:
		return QPOOL_EINVAL;
	}
	qp_abi_write(out, &now, sizeof now);
	return QPOOL_OK;
}
