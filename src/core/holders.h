/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * holders: names the leases that a timed-out acquire waited for, as the end of its error message.
 * Only such an acquire calls in, so only it pays for the look.  holders takes the lock briefly,
 * and never ends a lease.
 */
#ifndef QP_CORE_HOLDERS_H
#define QP_CORE_HOLDERS_H

#include "core/pool.h"
#include "core/show.h"

#define QP_HOLDERS    6u  /* more than fit: a message has 239 bytes */
#define QP_HOLDER_KEY 32u /* bytes of a key shown at most */

typedef struct qp_holder {
	qp_slot *slot;
	qp_shown shown;
	bool waits;                  /* its thread waits in line too */
	char key[QP_HOLDER_KEY + 1]; /* the lease is of this other key; or "" */
} qp_holder;

/* The calling thread's own leases are listed apart: with them, it waited for itself. */
typedef struct qp_holders {
	uint32_t own, others; /* how many */
	uint32_t own_kept, others_kept;
	qp_holder own_ones[QP_HOLDERS];
	qp_holder longest[QP_HOLDERS]; /* longest first */
} qp_holders;

/* Look at every slot of the pool, without the lock, and then at the front of the line, under it.
 * If a key's pool may open but no place is free, look instead, under the lock, at the slots of all
 * keys that were taken first: any of them is in the way. */
void qp_holders_find(qpool *pool, qp_holders *h);
/* Append as many holders as fit, leaving `spare` bytes of the message. */
void qp_holders_say(const qp_holders *h, size_t spare, qpool_error *error);

#endif
