/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show: what one slot looks like at one instant, for people.  It copies the slot, and keeps the
 * copy if the slot did not move meanwhile; so it stops no thread.  dump, holders, notice and the
 * verbs each call in.  show never decides anything.
 */
#ifndef QP_CORE_SHOW_H
#define QP_CORE_SHOW_H

#include "core/chunk.h"

/* A copy of a slot.  Times are on the monotonic clock; site, label and thread are
 * valid in LEASED only. */
typedef struct qp_shown {
	qp_state state;
	uint64_t resource_id, uses, thread;
	int64_t opened_ns, used_ns, leased_ns;
	const char *site, *label;
	char about[QP_ABOUT];
} qp_shown;

/* Copy the slot; takes no lock.  false: it kept moving, and the copy may mix two instants, though
 * every text in it still ends in NUL.  Under the pool's lock try again: the slot comes to rest,
 * because it cannot pass IDLE or EMPTY.  Only under the lock is a qpool_set_times seen as a whole.
 * Async-signal-safe. */
bool qp_show_slot(const qp_slot *slot, qp_shown *shown);
/* Fill the public form, which points into *shown.  Asks the system whether a holder's thread is
 * gone.  Async-signal-safe, keeps errno. */
void qp_show_entry(const qp_shown *shown, int64_t now_ns, qpool_entry *entry);
/* qpool_each without the visit: the caller is visiting.  *goes_on: fn did not say stop. */
size_t qp_show_all(struct qpool *pool, qpool_each_fn *fn, void *user, bool *goes_on);

#endif
