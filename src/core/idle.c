/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idle: a list with two ends.
 */
#include "core/idle.h"

#include "platform/assert.h"

/* ---- of all keys ---- */

static void
link_newest(qp_slot **newest, qp_slot **oldest, qp_slot *slot)
{
	qp_kin *kin = qp_slot_kin(slot);

	kin->newer = NULL;
	kin->older = *newest;
	if (*newest != NULL)
		qp_slot_kin(*newest)->newer = slot;
	else
		*oldest = slot;
	*newest = slot;
}

static void
take_out(qp_slot **newest, qp_slot **oldest, qp_slot *slot)
{
	qp_kin *kin = qp_slot_kin(slot);

	if (kin->newer != NULL)
		qp_slot_kin(kin->newer)->older = kin->older;
	else
		*newest = kin->older;
	if (kin->older != NULL)
		qp_slot_kin(kin->older)->newer = kin->newer;
	else
		*oldest = kin->newer;
	kin->newer = kin->older = NULL;
}

void
qp_idle_begin(qp_idle_all *all, qp_slot *slot)
{
	qp_slot_kin(slot)->busy = true;
	link_newest(&all->newest_busy, &all->oldest_busy, slot);
}

void
qp_idle_end(qp_idle_all *all, qp_slot *slot)
{
	qp_kin *kin = qp_slot_kin(slot);

	if (kin->busy)
		take_out(&all->newest_busy, &all->oldest_busy, slot);
	kin->busy = false;
}

/* Out of line, so that an ordinary pool pays only for the test. */
static QP_COLD void
push_of_all(qp_idle_all *all, qp_slot *slot)
{
	qp_idle_end(all, slot);
	link_newest(&all->newest, &all->oldest, slot);
}

static QP_COLD void
remove_of_all(qp_idle_all *all, qp_slot *slot)
{
	take_out(&all->newest, &all->oldest, slot);
	qp_idle_begin(all, slot);
}

/* Out of line as well: few slots are pushed to the old end. */
static QP_COLD void
push_behind_all(qp_idle_all *all, qp_slot *slot)
{
	qp_kin *kin = qp_slot_kin(slot);

	qp_idle_end(all, slot);
	kin->older = NULL;
	kin->newer = all->oldest;
	if (all->oldest != NULL)
		qp_slot_kin(all->oldest)->older = slot;
	else
		all->newest = slot;
	all->oldest = slot;
}

static uint32_t
count(const qp_slot *newest, const qp_slot *oldest, bool are_busy)
{
	const qp_slot *newer = NULL;
	uint32_t members = 0;

	for (const qp_slot *slot = newest; slot != NULL; slot = qp_slot_kin(slot)->older) {
		const qp_kin *kin = qp_slot_kin(slot);
		qp_state state = qp_slot_state(slot);
		if (kin->newer != newer || kin->busy != are_busy ||
		    (state == QP_IDLE) == are_busy || state == QP_EMPTY)
			return UINT32_MAX;
		newer = slot;
		members++;
	}
	return oldest == newer ? members : UINT32_MAX;
}

uint32_t
qp_idle_count_all(const qp_idle_all *all)
{
	return count(all->newest, all->oldest, false);
}

uint32_t
qp_idle_count_busy(const qp_idle_all *all)
{
	return count(all->newest_busy, all->oldest_busy, true);
}

/* ---- of one pool ---- */

void
qp_idle_push(qp_idle *idle, qp_slot *slot)
{
	QP_MUST(qp_slot_state(slot) == QP_IDLE);
	slot->newer = 0;
	slot->older = qp_slot_link(idle->newest);
	if (idle->newest != NULL)
		idle->newest->newer = qp_slot_link(slot);
	else
		idle->oldest = slot;
	idle->newest = slot;
	idle->count++;
	if (QP_UNLIKELY(idle->all != NULL))
		push_of_all(idle->all, slot);
}

QP_COLD void
qp_idle_push_oldest(qp_idle *idle, qp_slot *slot)
{
	QP_MUST(qp_slot_state(slot) == QP_IDLE);
	slot->older = 0;
	slot->newer = qp_slot_link(idle->oldest);
	if (idle->oldest != NULL)
		idle->oldest->older = qp_slot_link(slot);
	else
		idle->newest = slot;
	idle->oldest = slot;
	idle->count++;
	if (idle->all != NULL)
		push_behind_all(idle->all, slot);
}

void
qp_idle_remove(qp_idle *idle, qp_slot *slot)
{
	qp_slot *newer = qp_slot_newer(slot), *older = qp_slot_older(slot);

	QP_MUST(idle->count > 0);
	if (newer != NULL)
		newer->older = slot->older;
	else
		idle->newest = older;
	if (older != NULL)
		older->newer = slot->newer;
	else
		idle->oldest = newer;
	slot->newer = slot->older = 0;
	idle->count--;
	if (QP_UNLIKELY(idle->all != NULL))
		remove_of_all(idle->all, slot);
}

bool
qp_idle_is_valid(const qp_idle *idle)
{
	const qp_slot *newer = NULL;
	uint32_t members = 0;

	for (const qp_slot *slot = idle->newest; slot != NULL;
	     newer = slot, slot = qp_slot_older(slot)) {
		if (qp_slot_newer(slot) != newer || qp_slot_state(slot) != QP_IDLE ||
		    slot->resource == NULL)
			return false;
		members++;
	}
	return idle->oldest == newer && idle->count == members;
}
