/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options: what the caller wrote, with defaults filled in and every value looked at.  create comes in once;
 * from then on the pool reads qp_config and never the public struct.
 */
#ifndef QP_CORE_OPTIONS_H
#define QP_CORE_OPTIONS_H

#include "core/expiry.h"

#define QP_MAX_SIZE 65535u /* slots of one pool */
#define QP_MAX_NAME 100u   /* bytes; it stands in every message */

/* 0 <= min_idle <= max_size <= QP_MAX_SIZE; 1 <= max_opening; 0 <= retry_min_ns <= retry_max_ns. */
typedef struct qp_config {
	const char *name; /* the caller's, not yet copied */
	uint32_t max_size, min_idle, max_waiters, max_opening;
	bool oldest_first, tells, is_strict, resets_on_workers;
	qp_limits limits;
	int64_t acquire_timeout_ns, max_overtake_ns;
	int64_t open_budget_ns, step_budget_ns;
	int64_t retry_min_ns, retry_max_ns, down_after_ns, maintain_every_ns;
	uint64_t event_mask;
	qpool_event_fn *on_event;
	void *event_user;
} qp_config;

/* NULL options are all defaults.  EINVAL or ENOTSUP name the option, its value and its range. */
qpool_err qp_options_read(
    qp_config *config, const qpool_options *options, const char *kind, qpool_error *error);
/* A timeout as callers write it; *out_ns is a plain duration. */
qpool_err qp_options_timeout(
    const qp_config *config, qpool_nsec timeout, int64_t *out_ns, qpool_error *error);

#endif
