/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * holders: who has what somebody waited for in vain, as the end of a sentence.  Only an acquire that has timed
 * out comes in: it pays for the look, and nobody else does.
 */
#ifndef QP_CORE_HOLDERS_H
#define QP_CORE_HOLDERS_H

#include "core/pool.h"
#include "core/show.h"

#define QP_HOLDERS    6u  /* more than are ever said: a sentence has 239 bytes */
#define QP_HOLDER_KEY 32u /* more of a key is not said */

typedef struct qp_holder {
	qp_slot *slot;
	qp_shown shown;
	bool waits;                  /* its thread stands in line itself */
	char key[QP_HOLDER_KEY + 1]; /* what it holds is of this other key; or "" */
} qp_holder;

/* The calling thread's own leases are told apart: it waited for itself. */
typedef struct qp_holders {
	uint32_t own, others; /* how many */
	uint32_t own_kept, others_kept;
	qp_holder own_ones[QP_HOLDERS];
	qp_holder longest[QP_HOLDERS]; /* longest first */
} qp_holders;

/* Look at every slot, without the lock, and then at the front of the line.  Where a key could have a place and there
 * is none, whoever has one is in the way: there it is the slots of all keys that were taken first. */
void qp_holders_find(qpool *pool, qp_holders *h);
/* Go on with the sentence, by as many holders as fit when `spare` bytes of the message are to be left. */
void qp_holders_say(const qp_holders *h, size_t spare, qpool_error *error);

#endif
