/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * quick: the common lease from one end to the other, in as few instructions as it takes: a resource from the
 * shelf that nobody asks, resets or hears of, taken and given back by one thread.  acquire and
 * release call in first.  It does what they would do, and leaves whatever is not common to them,
 * before it has changed anything.  Part of the fast engine.
 */
#ifndef QP_CORE_QUICK_H
#define QP_CORE_QUICK_H

#include "core/pool.h"

/* What qp_quick_release returns when it has done nothing; no qpool_err. */
#define QP_QUICK_NOTHING ((qpool_err)-1)

#if QP_FAST

/* True: *out is the lease.  False: go the whole way, with *slot, CHECKING and the caller's, unless it is NULL. */
bool qp_quick_acquire(qpool *pool, qpool_lease *out, const char *site, qp_slot **slot);
/* End the lease and empty it; or QP_QUICK_NOTHING. */
qpool_err qp_quick_release(qpool_lease *lease);

#else

static inline bool
qp_quick_acquire(qpool *pool, qpool_lease *out, const char *site, qp_slot **slot)
{
	(void)pool;
	(void)out;
	(void)site;
	*slot = NULL;
	return false;
}

static inline qpool_err
qp_quick_release(qpool_lease *lease)
{
	(void)lease;
	return QP_QUICK_NOTHING;
}

#endif
#endif
