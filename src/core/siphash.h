/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * siphash: SipHash-2-4.  Without the secret nobody can choose texts that collide, which matters
 * because keys come from outside (tenants, hosts).  keys calls in.  Holds no state.
 */
#ifndef QP_CORE_SIPHASH_H
#define QP_CORE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t qp_siphash(const uint64_t secret[2], const void *text, size_t length);

#endif
