/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shelf_keep: the keeper of the shelf, under the lock: open it, lay, gather, shut it, and spread it.
 *
 * Of a put and a thread that shuts, one sees the other.  The put stores, then looks whether the shelf is
 * shut; the other shuts, then gathers.  What must lie between the two steps: of an OPEN shelf a
 * membarrier, of a FENCED one a fence on either side.  A put that stored too late to be gathered sees the shelf
 * shut, takes the slot back, and returns it by the lock.
 *
 * Somebody in line does not rely on it while the one who was woken to look is on the way: that one
 * looks under the lock, and whoever then sleeps on has shut it.
 */
#include "core/shelf.h"

#if QP_FAST

#include "core/exchange.h"
#include "core/notice.h"
#include "core/pool.h"
#include "core/shelf_words.h"
#include "core/worker.h"
#include "platform/assert.h"
#include "platform/hazard_own.h"
#include "platform/membarrier.h"
#include "platform/park.h"

/* Until so long after somebody relied on it, an open shelf is FENCED: a membarrier costs as much as a thousand
 * leases, and who waited once often waits again. */
#ifndef QP_SHELF_QUIET_NS
#define QP_SHELF_QUIET_NS 8000000
#endif
/* More takes by the lock than this in a tick, though the shelf is open: then threads get cells of their own, for
 * a while. */
#ifndef QP_SHELF_CROWD
#define QP_SHELF_CROWD 1024u
#endif
#define TICK_NS       4000000
#define PAUSE_NS      8000000
#define PAUSE_MOST_NS 1000000000
#define SOON_NS       20000000
/* Instead of a membarrier that is refused later on; see the decision. */
#define DRAINED_NS 10000000

/* ---- shut ---- */

/* Who sleeps, or was promised that nothing idle lies about, must be told of returns. */
static bool
somebody_relies_locked(const qpool *pool)
{
	return (pool->waitq.head != NULL && pool->waitq.woken == NULL) || pool->readies != NULL ||
	       pool->paused || pool->closing || qp_pool_surplus_locked(pool) > 0;
}

static void
publish_locked(qpool *pool, qp_shelf_phase phase, uint64_t how)
{
	pool->shelf_books.phase = phase;
	/* release, pairs with the acquire of those who take, put and end. */
	qp_store64_release(&pool->shelf.ctl, pool->shelf_books.changes | how);
}

/* Empty the cells in which something lies idle; how many those were.  Once settled, a cell is idle only until
 * the one who put it there takes it back: and with waiters asleep, nobody may make a slot idle
 * without settle.  So then this does nothing. */
static unsigned
gather_locked(qpool *pool)
{
	unsigned found = 0;

	if (pool->shelf_books.phase == QP_SHELF_SETTLED)
		return 0;
	for (uint32_t i = 0; i < pool->shelf.count; i++) {
		qp_cell *cell = &pool->shelf.cells[i];
		uint64_t held = qp_load64_relaxed(&cell->held); /* relaxed: the swap orders */
		if (!(held & QP_CELL_IDLE) || !qp_shelf_swap(cell, held, 0))
			continue;
		qp_shelf_slot(held)->lies = QP_LIES_NOWHERE;
		pool->owned--;
		qp_idle_push(&pool->idle, qp_shelf_slot(held));
		found++;
	}
	return found;
}

void
qp_shelf_gather_locked(qpool *pool)
{
	(void)gather_locked(pool);
}

bool
qp_shelf_has_idle(const qpool *pool)
{
	/* relaxed: a hint. */
	for (uint32_t i = 0; i < pool->shelf.count; i++)
		if (qp_load64_relaxed(&pool->shelf.cells[i].held) & QP_CELL_IDLE)
			return true;
	return false;
}

bool
qp_shelf_is_being_taken_locked(const qpool *pool)
{
	for (uint32_t i = 0; i < pool->shelf.count; i++) {
		/* acquire: the swap that took it, so what is seen of the slot is not older. */
		uint64_t held = qp_load64_acquire(&pool->shelf.cells[i].held);
		if (held != 0 && !(held & QP_CELL_IDLE) &&
		    qp_slot_state(qp_shelf_slot(held)) == QP_IDLE)
			return true;
	}
	return false;
}

/* From FENCED_OPEN to SETTLED; true: something lay there. */
static bool
seal_locked(qpool *pool)
{
	unsigned found;

	publish_locked(pool, QP_SHELF_FENCED_OPEN, QP_SHELF_SHUT);
	qp_fence_seq_cst(); /* the other half is the fence in qp_shelf_let_lie */
	found = gather_locked(pool);
	pool->shelf_books.phase = QP_SHELF_SETTLED;
	return found > 0;
}

/* false: the system refused, and time had to do. */
static bool
make_barrier(void)
{
	qp_atomic_u32 word = {0};
	int64_t until_ns;

	if (qp_membarrier())
		return true;
	until_ns = qp_clock_after(qp_clock_now(), DRAINED_NS);
	while (qp_clock_now() < until_ns)
		(void)qp_park(&word, 0, until_ns); /* a signal ends it early */
	return false;
}

/* One round: leave the lock, make sure, take it again.  The pin keeps the shelf from being OPEN, and the
 * pool alive. */
static QP_COLD void
make_sure_locked(qpool *pool, bool exactly)
{
	qp_shelf_books *books = &pool->shelf_books;
	bool owes_barrier = books->phase == QP_SHELF_OPEN || books->phase == QP_SHELF_SHUTTING;
	bool refused = false;

	if (owes_barrier)
		publish_locked(pool, QP_SHELF_SHUTTING, QP_SHELF_SHUT);
	books->pins++;
	qp_pool_unlock(pool, NULL);
	if (owes_barrier)
		refused = !make_barrier();
	if (exactly)
		qp_hazard_await(pool);
	qp_pool_lock(pool);
	books->pins--;
	books->only_fenced = books->only_fenced || refused;
	books->exact = books->exact || exactly;
	if (books->phase == QP_SHELF_SHUTTING) { /* else another thread has settled it meanwhile */
		(void)gather_locked(pool);
		books->phase = QP_SHELF_SETTLED;
	}
}

/* Somebody relied on it: it is not OPEN for a while. */
static void
note_time_locked(qpool *pool)
{
	pool->shelf_books.since_ns = qp_clock_coarse();
}

void
qp_shelf_shut_locked(qpool *pool)
{
	const qp_shelf_books *books = &pool->shelf_books;

	if (pool->shelf.count == 0)
		return;
	note_time_locked(pool);
	while (books->phase != QP_SHELF_SETTLED) {
		if (books->phase == QP_SHELF_FENCED_OPEN)
			(void)seal_locked(pool);
		else
			make_sure_locked(pool, false);
	}
}

void
qp_shelf_make_exact_locked(qpool *pool)
{
	const qp_shelf_books *books = &pool->shelf_books;

	note_time_locked(pool);
	while (!books->exact) {
		/* Shut, or so many puts may follow each other that somebody is always inside. */
		if (books->phase == QP_SHELF_FENCED_OPEN)
			(void)seal_locked(pool);
		make_sure_locked(pool, true);
	}
}

static void
set_stop_locked(qpool *pool)
{
	const qp_waiter *head = qp_waitq_first(&pool->waitq);
	int64_t stop_ns = head != NULL
	                      ? qp_clock_after(head->since_ns, pool->config.max_overtake_ns)
	                      : QP_TIME_NEVER;

	/* relaxed, both: see qp_shelf_is_stopped.  It lies beside ctl, which all read. */
	if (qp_loadi64_relaxed(&pool->shelf.stop_ns) != stop_ns)
		qp_storei64_relaxed(&pool->shelf.stop_ns, stop_ns);
}

bool
qp_shelf_mind_line_locked(qpool *pool)
{
	if (pool->shelf_books.phase == QP_SHELF_SETTLED || pool->shelf_books.phase == QP_SHELF_OPEN)
		return false;
	if (pool->waitq.head != NULL && pool->waitq.woken == NULL)
		return seal_locked(pool);
	set_stop_locked(pool);
	return false;
}

bool
qp_shelf_is_settled_locked(const qpool *pool)
{
	return pool->shelf_books.phase == QP_SHELF_SETTLED;
}

bool
qp_shelf_is_pinned_locked(const qpool *pool)
{
	return pool->shelf_books.pins > 0;
}

/* ---- open ---- */

/* Must a lease of this pool be asked, reset or told of? */
static bool
is_whole(const qpool *pool)
{
	return pool->ops.peek != NULL || pool->ops.check != NULL || pool->ops.reset != NULL ||
	       qp_notice_is_wanted(pool, QPOOL_EV_ACQUIRED) ||
	       qp_notice_is_wanted(pool, QPOOL_EV_RELEASED);
}

/* For so long nobody has relied on it that it need not be FENCED. */
static bool
is_quiet_locked(const qpool *pool, int64_t now_ns)
{
	const qp_shelf_books *books = &pool->shelf_books;

	return !books->only_fenced && pool->waitq.head == NULL &&
	       (books->since_ns == 0 || now_ns - books->since_ns >= QP_SHELF_QUIET_NS);
}

static void
set_review_locked(qpool *pool, bool fenced, int64_t now_ns)
{
	const qp_shelf_books *books = &pool->shelf_books;
	int64_t review_ns = books->narrow_ns, quiet_ns;

	if (fenced && !books->only_fenced) {
		quiet_ns = now_ns + QP_SHELF_QUIET_NS;
		review_ns = quiet_ns < review_ns ? quiet_ns : review_ns;
	}
	/* relaxed: see shelf.h. */
	qp_storei64_relaxed(&pool->shelf.review_ns, review_ns);
}

/* Open it, or change how.  What was laid before goes by the lock once more. */
static void
open_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;
	/* A pin may vouch for what was OPEN before, not for what is opened now. */
	bool fenced = books->pins > 0 || !is_quiet_locked(pool, now_ns);

	if (!fenced)
		books->exact = false;
	books->changes += QP_SHELF_ONCE;
	set_stop_locked(pool);
	set_review_locked(pool, fenced, now_ns);
	publish_locked(pool, fenced ? QP_SHELF_FENCED_OPEN : QP_SHELF_OPEN,
	    books->mask * QP_SHELF_SPREAD | (fenced ? QP_SHELF_FENCED : 0u) |
		(is_whole(pool) ? QP_SHELF_WHOLE : 0u));
	qp_crew_mind_shelf_locked(pool, now_ns);
}

/* Threads get in each other's way: spread more, for a while, and for longer if that was tried before. */
static void
widen_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	books->crowd = 0;
	if (2 * books->mask + 1 >= pool->shelf.count)
		return;
	if (now_ns - books->narrowed_ns >= SOON_NS || books->pause_ns == 0)
		books->pause_ns = PAUSE_NS;
	else if (books->pause_ns < PAUSE_MOST_NS)
		books->pause_ns *= 2;
	books->mask = 2 * books->mask + 1;
	books->narrow_ns = now_ns + books->pause_ns;
	open_locked(pool, now_ns);
}

static void
narrow_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	books->mask /= 2;
	books->narrowed_ns = now_ns;
	books->narrow_ns = books->mask > 0 ? now_ns + books->pause_ns : QP_TIME_NEVER;
	(void)gather_locked(pool); /* nobody's cells are among them now */
	open_locked(pool, now_ns);
}

/* It is time to look whether it may be spread less, or need not be FENCED any more. */
static void
review_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	if (now_ns >= books->narrow_ns)
		narrow_locked(pool, now_ns);
	else if (books->phase == QP_SHELF_FENCED_OPEN && books->pins == 0 &&
		 is_quiet_locked(pool, now_ns))
		open_locked(pool, now_ns);
	else
		set_review_locked(pool, books->phase == QP_SHELF_FENCED_OPEN, now_ns);
}

/* An acquire came by the lock although the shelf is open. */
static void
count_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	/* relaxed: under the lock. */
	if (now_ns >= qp_loadi64_relaxed(&pool->shelf.review_ns))
		review_locked(pool, now_ns);
	if (now_ns - books->tick_ns >= TICK_NS) {
		books->tick_ns = now_ns;
		books->crowd = 0;
	}
	if (++books->crowd > QP_SHELF_CROWD)
		widen_locked(pool, now_ns);
}

bool
qp_shelf_is_spread_locked(const qpool *pool)
{
	return pool->shelf_books.mask > 0;
}

static void
set_age_locked(const qpool *pool, qp_cell *cell, const qp_slot *slot)
{
	int64_t age_ns = qp_expiry_age(&pool->dials.bounds, slot->age_draw);
	int64_t opened_ns = qp_loadi64_relaxed(&slot->opened_ns);

	cell->age_last_ns =
	    age_ns == QPOOL_FOREVER ? QP_TIME_NEVER : qp_clock_after(opened_ns, age_ns) - 1;
}

/* May the slot that was just taken lie on the shelf?  Opens it, if it is time. */
static bool
is_open_locked(qpool *pool, int64_t now_ns)
{
	qp_shelf_books *books = &pool->shelf_books;

	if (books->phase != QP_SHELF_SETTLED)
		return books->phase != QP_SHELF_SHUTTING;
	if (somebody_relies_locked(pool))
		return false;
	open_locked(pool, now_ns);
	return true;
}

/* Does all there is lie on the shelf or with a holder?  Only a guess of whether to wait there. */
static void
set_dry_locked(qpool *pool)
{
	uint32_t dry = pool->idle.count == 0 && qp_pool_room_locked(pool) == 0;

	/* relaxed, both: a hint, and written under the lock. */
	if (qp_load_relaxed(&pool->shelf.dry) != dry)
		qp_store_relaxed(&pool->shelf.dry, dry);
}

/* The cell of this thread; if that is another's, too, one that is nobody's becomes its own; NULL: there is none. */
static qp_cell *
find_cell_locked(const qpool *pool, qp_hazard *own, uint64_t ctl)
{
	for (uint32_t i = 0; i <= pool->shelf_books.mask; i++, own->number++) {
		qp_cell *cell = qp_shelf_home(pool, own, ctl);
		/* relaxed: under the lock nobody lays another slot there. */
		if (qp_load64_relaxed(&cell->held) == 0)
			return cell;
	}
	return NULL;
}

void
qp_shelf_lay_locked(qpool *pool, qp_slot *slot)
{
	qp_hazard *own = pool->shelf.count > 0 ? qp_hazard_own() : NULL;
	int64_t now_ns;
	qp_cell *cell;
	uint64_t ctl;

	if (own == NULL)
		return;
	now_ns = qp_clock_coarse();
	if (!is_open_locked(pool, now_ns))
		return;
	count_locked(pool, now_ns);
	set_dry_locked(pool);
	ctl = qp_load64_relaxed(&pool->shelf.ctl); /* relaxed: under the lock */
	cell = find_cell_locked(pool, own, ctl);
	if (cell == NULL)
		return;
	cell->laid = ctl;
	cell->note = qp_slot_note(slot);
	slot->lies = (uint8_t)(cell - pool->shelf.cells + 1);
	set_age_locked(pool, cell, slot);
	/* release: as in qp_shelf_let_lie, though nobody may take it yet. */
	qp_store64_release(&cell->held, qp_shelf_word(slot));
}

void
qp_shelf_retime_locked(qp_slot *slot)
{
	const qpool *pool = qp_slot_pool(slot);

	if (qp_shelf_has(slot))
		set_age_locked(pool, qp_shelf_cell(pool, slot), slot);
}

void
qp_shelf_leave_locked(qp_slot *slot)
{
	if (!qp_shelf_has(slot))
		return;
	qp_store64_release(&qp_shelf_cell(qp_slot_pool(slot), slot)->held, 0);
	slot->lies = QP_LIES_NOWHERE;
}

/* ---- valid ---- */

static bool
is_phase_right(const qpool *pool)
{
	const qp_shelf_books *books = &pool->shelf_books;
	/* relaxed: under the lock. */
	uint64_t ctl = qp_load64_relaxed(&pool->shelf.ctl);

	switch (books->phase) {
	case QP_SHELF_SETTLED:
		return (ctl & QP_SHELF_SHUT) != 0;
	case QP_SHELF_SHUTTING:
		return (ctl & QP_SHELF_SHUT) != 0 && pool->waitq.head == NULL;
	case QP_SHELF_FENCED_OPEN:
		return (ctl & QP_SHELF_FENCED) != 0 && !somebody_relies_locked(pool);
	case QP_SHELF_OPEN:
		return (ctl & (QP_SHELF_SHUT | QP_SHELF_FENCED)) == 0 && !books->exact &&
		       pool->waitq.head == NULL && !somebody_relies_locked(pool);
	}
	return false;
}

bool
qp_shelf_is_valid_locked(const qpool *pool)
{
	if (pool->shelf.count == 0)
		return true;
	if (!is_phase_right(pool))
		return false;
	for (uint32_t i = 0; i < pool->shelf.count; i++) {
		const qp_cell *cell = &pool->shelf.cells[i];
		uint64_t held = qp_load64_relaxed(&cell->held);
		if (held != 0 && qp_shelf_slot(held)->lies != i + 1)
			return false;
	}
	return true;
}

#endif
