/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trail: a chain of stack frames that hangs on the thread's pocket.
 */
#include "core/trail.h"

#include "platform/assert.h"
#include "platform/thread.h"

#include <stddef.h>

void
qp_trail_enter(qp_mark *here, struct qpool *pool, qp_place place, qp_slot *slot)
{
	void **pocket = qp_thread_pocket();

	here->pool = pool;
	here->slot = slot;
	here->kept = NULL;
	here->count = NULL;
	here->place = place;
	here->below = *pocket;
	*pocket = here;
}

void
qp_trail_leave(const qp_mark *here)
{
	void **pocket = qp_thread_pocket();

	QP_MUST(*pocket == here);
	*pocket = here->below;
}

const qp_mark *
qp_trail_top(void)
{
	return *qp_thread_pocket();
}

static bool
is_kept(const qp_mark *mark, const qp_slot *slot)
{
	for (uint32_t i = 0; mark->count != NULL && i < *mark->count; i++)
		if (mark->kept[i].slot_ == slot)
			return true;
	return false;
}

bool
qp_trail_owns(const qp_slot *slot)
{
	for (const qp_mark *mark = qp_trail_top(); mark != NULL; mark = mark->below)
		if (mark->slot == slot || is_kept(mark, slot))
			return true;
	return false;
}
