/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line: how one acquire gets a slot, at once or by waiting in line.  acquire calls in, more than
 * once if a slot it got fails its check; the acquire keeps its place in line meanwhile.  line
 * never decides about other waiters (exchange does), and never opens or checks a resource.
 */
#ifndef QP_CORE_LINE_H
#define QP_CORE_LINE_H

#include "core/pool.h"

/* One acquire in progress; lives on the stack of its thread. */
typedef struct qp_asking {
	/* fixed */
	qpool *pool;
	int64_t timeout_ns; /* 0: may not wait */
	const char *site, *label;
	int (*interrupted)(void *user);
	void *interrupt_user;
	int64_t interrupt_every_ns; /* 0: only after a signal */
	bool inside;    /* called in a callback of this pool: takes an idle slot, or fails */
	uint32_t spare; /* bytes to leave free in the error message */
	/* progress */
	int64_t since_ns, deadline_ns;
	uint64_t ticket;   /* its place in line; 0: none yet */
	int64_t waited_ns; /* time in line so far */
	int64_t cut_ns;    /* budget of a check that was cut short without an answer; else 0 */
	bool has_waited;
	bool refused;   /* refused at once: the pool is down, and it neither waited nor opened */
	bool paused;    /* the pool was paused at the last look */
	bool visits;    /* counted in pool->visits */
	bool starved;   /* no memory for the slots it needed */
	uint32_t forks; /* generation of the process when `slots` was computed */
	uint32_t slots; /* how many slots the pool must have, if it has fewer; else 0 */
	uint32_t wants; /* qpool_acquire_many: how many in all; else 0 */
	/* Called if the thread is cancelled while it waits: gives back what else it
	 * holds; or NULL. */
	void (*undo)(struct qp_asking *self);
	qp_slot *lent;     /* what a lease was made of, if it may lie on the shelf; or NULL */
	qpool_error cause; /* why the last open or check failed; code OK: none did */
	qp_mark visit;     /* valid while `visits` */
} qp_asking;

/* Set since_ns and the deadline, once.  The common path never does: reading the clock costs. */
void qp_line_start(qp_asking *asking);
/* Keep the pool alive until qp_line_leave.  The lock is held. */
void qp_line_visit_locked(qp_asking *asking);
/* Begin: start the time, keep the pool alive until qp_line_leave, and reserve slots. */
void qp_line_enter(qp_asking *asking);
/* End: count the outcome. */
void qp_line_leave(qp_asking *asking, qpool_err err);
/* OK: *slot is the caller's, either CHECKING (it was idle) or OPENING (to be opened).
 * Else an error. */
qpool_err qp_line_get(qp_asking *asking, qp_slot **slot);
/* When the interrupt hook is next due by time; and whether it is due after a sleep
 * that ended by `how`. */
int64_t qp_line_next_hook(const qp_asking *asking);
bool qp_line_hook_is_due(const qp_asking *asking, qp_parked how, int64_t hook_ns);
/* The smaller of `budget_ns` and the time left; at least 1 ns. */
int64_t qp_line_budget(qp_asking *asking, int64_t budget_ns);

#endif
