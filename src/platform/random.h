/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * random: numbers for jitter, never for secrets: the sequence is predictable.  pool, open, backoff
 * and fork call in, and keys for its hash.  The state is the caller's, so there is nothing to lock.
 */
#ifndef QP_PLATFORM_RANDOM_H
#define QP_PLATFORM_RANDOM_H

#include <stdint.h>

/* A state that differs from pool to pool and run to run: the kernel's bits, or the clock. */
uint64_t qp_random_seed(void);
/* Evenly spread over 0 .. most; 0 if most is not positive. */
int64_t qp_random_upto(uint64_t *state, int64_t most);

#endif
