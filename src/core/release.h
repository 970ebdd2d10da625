/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * release: what is left to do when a lease has ended.  watch comes in, for those that end while it tells of
 * them.
 */
#ifndef QP_CORE_RELEASE_H
#define QP_CORE_RELEASE_H

#include "core/pool.h"

/* Tell of the end, and give the slot back; it was the caller's and is so no more. */
void qp_release_finish(qp_slot *slot, qp_end how, unsigned told);

#endif
