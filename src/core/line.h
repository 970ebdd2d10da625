/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line: how one acquire gets a slot, at once or by standing in line.  acquire comes in, as often as it must
 * (the slot it got may fail its check), and keeps its place meanwhile.
 */
#ifndef QP_CORE_LINE_H
#define QP_CORE_LINE_H

#include "core/pool.h"

/* One acquire on its way; lives on its thread's stack. */
typedef struct qp_asking {
	/* fixed */
	qpool *pool;
	int64_t timeout_ns; /* 0: may not wait */
	const char *site, *label;
	int (*interrupted)(void *user);
	void *interrupt_user;
	int64_t interrupt_every_ns; /* 0: only after a signal */
	bool inside;                /* in a callback of this pool: takes what is idle, or fails */
	uint32_t spare;             /* bytes of a message about it that others will need */
	/* its way */
	int64_t since_ns, deadline_ns;
	uint64_t ticket;   /* its place; 0 before it asked for one */
	int64_t waited_ns; /* in line, summed */
	int64_t
	    cut_ns; /* what was left for a check, if that was too little for an answer; else 0 */
	bool has_waited;
	bool refused;   /* at once, because the pool is down: it neither waited nor tried */
	bool paused;    /* when we last looked, the pool was */
	bool visits;    /* counted in pool->visits */
	bool starved;   /* there was no memory for slots */
	uint32_t forks; /* the process's generation when they were counted */
	uint32_t slots; /* how many the pool must have, if more than it has; else 0 */
	uint32_t wants; /* of one that collects several: how many in all; else 0 */
	/* If the thread is cancelled while it waits: gives back what it has besides, or NULL. */
	void (*undo)(struct qp_asking *self);
	qpool_error cause; /* why the last try failed; code OK: none did */
	qp_mark visit;     /* while `visits` */
} qp_asking;

/* The time starts, once; the common path never asks for it. */
void qp_line_start(qp_asking *asking);
/* The pool stays while we are inside; in a lock that is held. */
void qp_line_visit_locked(qp_asking *asking);
/* Begin: the time has started, and the pool stays while we are inside. */
void qp_line_enter(qp_asking *asking);
/* End, with what came out of it. */
void qp_line_leave(qp_asking *asking, qpool_err err);
/* *slot is CHECKING (it was idle) or OPENING (open it), and the caller's.  Or an error. */
qpool_err qp_line_get(qp_asking *asking, qp_slot **slot);
/* When the interrupt hook is to run next by time; and whether it is to run after this sleep. */
int64_t qp_line_next_hook(const qp_asking *asking);
bool qp_line_hook_is_due(const qp_asking *asking, qp_parked how, int64_t hook_ns);
/* Time left for a step that may take `budget_ns`; at least 1 ns. */
int64_t qp_line_budget(qp_asking *asking, int64_t budget_ns);

#endif
