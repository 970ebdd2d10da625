/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * quick: the door of the two verbs that everybody calls.  The common lease goes through it from one end to the other,
 * in as few instructions as it takes: a resource from the shelf that nobody asks, resets or hears of, taken and
 * given back by one thread.  Whatever is not common it leaves to acquire and release, before it has changed
 * anything.  With the plain engine nothing is common, and all goes there.
 */
#ifndef QP_CORE_QUICK_H
#define QP_CORE_QUICK_H

#include "core/slot.h"

/* The whole way of qpool_acquire_at, in acquire.c.  `looked`: there is nothing to be had from the shelf, but for
 * `slot`, which is CHECKING and the caller's, or NULL. */
qpool_err qp_acquire_whole(qpool *pool, qpool_nsec timeout, qpool_lease *out, qpool_error *error,
    const char *site, bool looked, qp_slot *slot);
/* The whole way of qpool_release, in release.c. */
qpool_err qp_release_whole(qpool_lease *lease);

#endif
