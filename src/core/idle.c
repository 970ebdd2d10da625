/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idle: a list with two ends.
 */
#include "core/idle.h"

#include "platform/assert.h"

void
qp_idle_push(qp_idle *idle, qp_slot *slot)
{
	QP_MUST(qp_slot_state(slot) == QP_IDLE);
	slot->newer = NULL;
	slot->older = idle->newest;
	if (idle->newest != NULL)
		idle->newest->newer = slot;
	else
		idle->oldest = slot;
	idle->newest = slot;
	idle->count++;
}

void
qp_idle_remove(qp_idle *idle, qp_slot *slot)
{
	QP_MUST(idle->count > 0);
	if (slot->newer != NULL)
		slot->newer->older = slot->older;
	else
		idle->newest = slot->older;
	if (slot->older != NULL)
		slot->older->newer = slot->newer;
	else
		idle->oldest = slot->newer;
	slot->newer = slot->older = NULL;
	idle->count--;
}

bool
qp_idle_is_valid(const qp_idle *idle)
{
	const qp_slot *newer = NULL;
	uint32_t members = 0;

	for (const qp_slot *slot = idle->newest; slot != NULL; newer = slot, slot = slot->older) {
		if (slot->newer != newer || qp_slot_state(slot) != QP_IDLE ||
		    slot->resource == NULL)
			return false;
		members++;
	}
	return idle->oldest == newer && idle->count == members;
}
