/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch: a pass over the slots, and the telling; a lease that ends meanwhile leaves
 * its slot to us (slot.h).
 */
#include "core/watch.h"

#include "core/notice.h"
#include "core/release.h"
#include "core/worker.h"

/* What listeners want, the limits, and the time. */
typedef struct watch {
	qpool *pool;
	bool wants_long, wants_gone;
	int64_t held_long_ns, maintain_every_ns, now_ns;
} watch;

static watch
watch_of(qpool *pool)
{
	watch w;

	w.pool = pool;
	/* relaxed: either value will do while it changes. */
	w.held_long_ns = qp_loadi64_relaxed(&pool->dials.held_long_ns);
	w.maintain_every_ns = qp_loadi64_relaxed(&pool->dials.maintain_every_ns);
	/* HELD_BACK follows a HELD_LONG that was told, whether or not anybody listens
	 * to HELD_LONG. */
	w.wants_long =
	    w.held_long_ns != QPOOL_FOREVER && (qp_notice_is_wanted(pool, QPOOL_EV_HELD_LONG) ||
						   qp_notice_is_wanted(pool, QPOOL_EV_HELD_BACK));
	w.wants_gone = qp_notice_is_wanted(pool, QPOOL_EV_HOLDER_GONE);
	w.now_ns = qp_clock_now();
	return w;
}

int64_t
qp_watch_after(const qpool *pool)
{
	watch w = watch_of((qpool *)(uintptr_t)pool);
	int64_t after_ns = w.wants_long ? w.held_long_ns : QP_TIME_NEVER;

	if (w.wants_gone && w.maintain_every_ns < after_ns)
		after_ns = w.maintain_every_ns;
	return after_ns;
}

static void
tell(qpool *pool, qp_slot *slot, unsigned what, int64_t held_ns)
{
	unsigned told;
	qp_end how;

	if (what & QP_TOLD_LONG)
		qp_notice_lease(pool, QPOOL_EV_HELD_LONG, slot, held_ns);
	if (what & QP_TOLD_GONE)
		qp_notice_lease(pool, QPOOL_EV_HOLDER_GONE, slot, held_ns);
	how = qp_slot_unwatch(slot, &told);
	if (how != QP_END_NONE)
		qp_release_finish(slot, how, told);
}

static unsigned
news(const watch *w, const qp_slot *slot, unsigned told, int64_t held_ns)
{
	unsigned what = 0;

	if (w->wants_long && !(told & QP_TOLD_LONG) && held_ns >= w->held_long_ns)
		what |= QP_TOLD_LONG;
	if (w->wants_gone && !(told & QP_TOLD_GONE) &&
	    qp_thread_is_gone(qp_load_acquire(&qp_slot_note(slot)->thread)))
		what |= QP_TOLD_GONE;
	return what;
}

/* When there may be more to tell of a lease; never in the past, because another thread may be
 * telling of it now. */
static int64_t
due(const watch *w, unsigned told, int64_t leased_ns)
{
	int64_t long_ns = QP_TIME_NEVER, gone_ns = QP_TIME_NEVER;

	if (w->wants_long && !(told & QP_TOLD_LONG))
		long_ns = qp_clock_after(leased_ns, w->held_long_ns);
	if (long_ns <= w->now_ns)
		long_ns = qp_clock_after(w->now_ns, w->held_long_ns);
	if (w->wants_gone && !(told & QP_TOLD_GONE))
		gone_ns = qp_clock_after(w->now_ns, w->maintain_every_ns);
	return long_ns < gone_ns ? long_ns : gone_ns;
}

/* Tell what there is to tell of one slot's lease; returns when to look again. */
static int64_t
look(const watch *w, qp_slot *slot)
{
	uint64_t turn;
	unsigned told, what;
	int64_t leased_ns, held_ns;

	if (!qp_slot_peer_into(slot, &turn, &told)) {
		qp_state state = qp_slot_state(slot);
		/* A lease is about to begin, and nothing else will make us look. */
		return state == QP_CHECKING || state == QP_LEASED ? due(w, 0, w->now_ns)
		                                                  : QP_TIME_NEVER;
	}
	/* Of this turn, or of a later one: then qp_slot_watch fails. */
	leased_ns = qp_loadi64_acquire(&qp_slot_note(slot)->leased_ns);
	held_ns = w->now_ns - leased_ns;
	what = news(w, slot, told, held_ns);
	if (what != 0 && qp_shelf_watch(slot, turn, what)) {
		told |= what;
		tell(w->pool, slot, what, held_ns);
	}
	return due(w, told, leased_ns);
}

int64_t
qp_watch_all(qpool *pool, bool ask_gone)
{
	watch w = watch_of(pool);
	int64_t due_ns = QP_TIME_NEVER;
	uint32_t fresh;

	w.wants_gone = w.wants_gone && ask_gone;
	if (!w.wants_long && !w.wants_gone)
		return QP_TIME_NEVER;
	qp_pool_lock(pool);
	fresh = pool->fresh;
	/* A lease that begins without the lock sets no time to look, and does not look like one yet. */
	if (qp_shelf_is_being_taken_locked(pool))
		due_ns = due(&w, 0, w.now_ns);
	qp_pool_unlock(pool, NULL);
	for (uint32_t i = 0; i < fresh; i++) {
		int64_t next_ns = look(&w, qp_pool_slot(pool, i));
		due_ns = next_ns < due_ns ? next_ns : due_ns;
	}
	return due_ns;
}

void
qp_watch_one(qpool *pool, qp_slot *slot)
{
	watch w = watch_of(pool);

	(void)look(&w, slot);
}

void
qp_watch_lent_locked(qpool *pool, qp_wakes *wakes)
{
	qp_crew *crew = &pool->crew;
	int64_t after_ns;

	/* While a look is scheduled none can be needed earlier: later leases are due later. */
	if (QP_LIKELY(crew->alive == 0 || crew->watch_ns != QP_TIME_NEVER))
		return;
	after_ns = qp_watch_after(pool);
	if (after_ns == QP_TIME_NEVER)
		return;
	crew->watch_ns = qp_clock_after(qp_clock_now(), after_ns);
	qp_crew_call_locked(pool, wakes);
}
