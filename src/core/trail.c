/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trail: a chain of marks, held by one thread-local pointer.
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
	here->kept_count = NULL;
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
