/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show: what one slot looks like at one instant, for people.  Takes no lock and stops nobody: a slot is copied
 * and the copy kept if the slot did not move meanwhile.  Everything that speaks of holders comes in; nothing
 * here decides anything.
 */
#ifndef QP_CORE_SHOW_H
#define QP_CORE_SHOW_H

#include "core/slot.h"

/* A slot's copy.  Times are on the monotonic clock; site, label and thread mean something in LEASED only. */
typedef struct qp_shown {
	qp_state state;
	uint64_t resource_id, uses, thread;
	int64_t opened_ns, used_ns, leased_ns;
	const char *site, *label;
	char about[QP_ABOUT];
} qp_shown;

/* Copy the slot.  false: it moved again and again, and the copy may be of two instants; every text in it still
 * has its end.  Under the pool's lock it comes to rest, as it cannot pass IDLE or EMPTY: try again;
 * only there qpool_set_times is seen as a whole.  Async-signal-safe. */
bool qp_show_slot(const qp_slot *slot, qp_shown *shown);
/* The public form; points into *shown, which must live as long.  Asks the system whether a holder is gone.
 * Async-signal-safe, keeps errno. */
void qp_show_entry(const qp_shown *shown, int64_t now_ns, qpool_entry *entry);
/* qpool_each, by a visitor; *goes_on: the function did not say stop. */
size_t qp_show_all(struct qpool *pool, qpool_each_fn *fn, void *user, bool *goes_on);

#endif
