/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * random: for jitter, never for secrets.  The state is the caller's, so there is nothing to lock.
 */
#ifndef QP_PLATFORM_RANDOM_H
#define QP_PLATFORM_RANDOM_H

#include <stdint.h>

/* A state that differs from pool to pool and run to run. */
uint64_t qp_random_seed(void);
/* Evenly spread over 0 .. most. */
int64_t qp_random_upto(uint64_t *state, int64_t most);

#endif
