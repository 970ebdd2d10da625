/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * release: what remains to do after a lease has ended.  watch calls in, for a lease that ended
 * while watch was telling of it.  release never waits in line.
 */
#ifndef QP_CORE_RELEASE_H
#define QP_CORE_RELEASE_H

#include "core/pool.h"

/* Tell the end of the lease, and give the slot back; it is no longer the caller's. */
void qp_release_finish(qp_slot *slot, qp_end how, unsigned told);

#endif
