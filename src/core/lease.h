/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease: from what a caller holds to the slot it is of, if it is of one.  release comes in; the verbs that only
 * look at a lease, or write on it, live here.
 */
#ifndef QP_CORE_LEASE_H
#define QP_CORE_LEASE_H

#include "core/pool.h"

/* The slot a lease points at, or NULL when it points at none of ours.  In a child its pool is made the child's. */
qp_slot *qp_lease_slot(const qpool_lease *lease);
/* The slot whose lease this is, while it is out; else NULL, and the misuse is told. */
qp_slot *qp_lease_held(const qpool_lease *lease, const char *what);

#endif
