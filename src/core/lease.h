/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease: from a caller's lease to its slot, if it has one.  release calls in; the verbs that only
 * read a lease, or label it, are here.  lease never moves a slot.
 */
#ifndef QP_CORE_LEASE_H
#define QP_CORE_LEASE_H

#include "core/pool.h"

/* The slot a lease points at, or NULL when it is not one of ours.  In a child this
 * rebuilds its pool. */
qp_slot *qp_lease_slot(const qpool_lease *lease);
/* The slot, if it is ours and this lease is out.  NULL: not ours; or stale or ended, and then the
 * misuse is told. */
qp_slot *qp_lease_held(const qpool_lease *lease, const char *what);

#endif
