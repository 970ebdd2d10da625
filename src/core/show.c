/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show: the copy, its public form, and qpool_each.
 *
 * Why a copy is of one instant.  The owner writes a slot's fields without the lock, so taking the
 * lock would not help.  But everything shown of a state is written before the move into that
 * state, or is a single word.  A reader that finds the same count of moves before and after has
 * seen no field of a later state: each field is stored by release and loaded by acquire, and a
 * thread that sees it sees the moves before it, too.
 */
#include "core/show.h"

#include "core/pool.h"
#include "core/steps.h"

/* Slots per hold of the lock, as in maintain: nobody waits for the lock during a walk
 * over a large pool. */
#define STRIDE 64u
#define TRIES  8

#define COARSE_LAG 10000000 /* ns; a tick of the slowest clock there is */

static uint32_t
copy(const qp_slot *slot, qp_shown *shown)
{
	uint32_t moved = qp_load_acquire(&slot->moved);
	const qp_note *note;

	memset(shown, 0, sizeof *shown);
	shown->state = qp_slot_state_of(moved);
	if (shown->state == QP_EMPTY)
		return moved; /* it may not be set up yet */
	note = qp_slot_note(slot);
	shown->resource_id = qp_load64_acquire(qp_slot_resource_id(slot));
	shown->uses = qp_load64_acquire(&slot->uses);
	shown->thread = qp_load_acquire(&note->thread);
	shown->opened_ns = qp_loadi64_acquire(&slot->opened_ns);
	shown->used_ns = qp_loadi64_acquire(&slot->used_ns);
	shown->leased_ns = qp_loadi64_acquire(&note->leased_ns);
	shown->site = qp_loadptr_acquire(&note->site);
	shown->label = qp_loadptr_acquire(&note->label);
	qp_chunk_description(slot, shown->about);
	return moved;
}

bool
qp_show_slot(const qp_slot *slot, qp_shown *shown)
{
	for (int i = 0; i < TRIES; i++)
		if (copy(slot, shown) == qp_slot_moved(slot))
			return true;
	return false;
}

/* A span that began with the resource but was stamped by the lagging coarse clock is cut to the
 * resource's age. */
static int64_t
at_most_as_old(int64_t span_ns, int64_t age_ns)
{
	bool is_lag = span_ns > age_ns && span_ns - age_ns < COARSE_LAG;

	return is_lag ? age_ns : span_ns;
}

static int64_t
since(int64_t now_ns, int64_t then_ns)
{
	/* Times are of two clocks: the coarse one lags. */
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

void
qp_show_entry(const qp_shown *shown, int64_t now_ns, qpool_entry *entry)
{
	memset(entry, 0, sizeof *entry);
	entry->size = sizeof *entry;
	entry->state = qp_slot_state_name(shown->state);
	entry->describe = "";
	/* Until the resource is open, all other fields are left from the one before. */
	if (shown->state == QP_EMPTY || shown->state == QP_OPENING)
		return;
	entry->resource_id = shown->resource_id;
	entry->describe = shown->about;
	entry->age = since(now_ns, shown->opened_ns);
	entry->uses = shown->uses;
	if (shown->state == QP_IDLE)
		entry->idle = at_most_as_old(since(now_ns, shown->used_ns), entry->age);
	if (shown->state != QP_LEASED)
		return;
	entry->site = shown->site;
	entry->label = shown->label;
	entry->thread = shown->thread;
	entry->gone = qp_thread_is_gone((uint32_t)shown->thread);
	entry->held = at_most_as_old(since(now_ns, shown->leased_ns), entry->age);
}

/* The next slot that is not empty, within a stride; false: none here, go on from
 * *index until the end. */
static bool
find_locked(const qpool *pool, uint32_t *index, qp_shown *shown)
{
	uint32_t end = *index + STRIDE < pool->fresh ? *index + STRIDE : pool->fresh;

	while (*index < end) {
		const qp_slot *slot = qp_pool_slot(pool, (*index)++);
		if (qp_slot_state(slot) == QP_EMPTY)
			continue;
		while (!qp_show_slot(slot, shown))
			; /* it comes to rest: EMPTY and IDLE need the lock we hold, as the shelf is shut */
		return true;
	}
	return false;
}

size_t
qp_show_all(qpool *pool, qpool_each_fn *fn, void *user, bool *goes_on)
{
	size_t count = 0;
	uint32_t index = 0;
	bool more = true, found;

	*goes_on = true;
	while (more && *goes_on) {
		qpool_entry entry;
		qp_shown shown;
		qp_pool_lock(pool);
		qp_shelf_shut_locked(pool); /* else a busy slot never comes to rest */
		found = find_locked(pool, &index, &shown);
		more = index < pool->fresh;
		qp_pool_unlock(pool, NULL);
		if (!found)
			continue;
		qp_show_entry(&shown, qp_clock_now(), &entry);
		entry.key = pool->key;
		count++;
		*goes_on = qp_step_show(pool, fn, user, &entry);
	}
	return count;
}

size_t
qpool_each(qpool *pool, qpool_each_fn *fn, void *user)
{
	size_t count;
	qp_mark visit;
	bool goes_on;

	if (qp_pool_look(pool, NULL) != QPOOL_OK || fn == NULL)
		return 0;
	qp_pool_visit(pool, &visit);
	count = qp_show_all(pool, fn, user, &goes_on);
	qp_pool_leave(pool, &visit);
	return count;
}
