/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options: the caller's options, with defaults filled in and every value checked.  create and
 * configure call in; from then on the pool reads qp_config and qp_dials, never the public struct.
 * parse fills the public struct from text, by the same tables.  options knows no pool.
 */
#ifndef QP_CORE_OPTIONS_H
#define QP_CORE_OPTIONS_H

#include "core/expiry.h"

#define QP_MAX_SIZE 65535u /* slots of one pool */
#define QP_MAX_NAME 100u   /* bytes; the name is in every message */

/* 0 <= min_idle <= max_size <= QP_MAX_SIZE; 1 <= max_opening; 0 <= retry_min_ns <= retry_max_ns. */
typedef struct qp_config {
	const char *name; /* the caller's, until the pool copies it */
	uint32_t max_size, min_idle, max_waiters, max_opening;
	bool oldest_first, tells, is_strict, resets_on_workers;
	qp_limits limits;
	int64_t acquire_timeout_ns, max_overtake_ns;
	int64_t open_budget_ns, step_budget_ns;
	int64_t retry_min_ns, retry_max_ns, down_after_ns, maintain_every_ns;
	int64_t held_long_ns;
	uint64_t event_mask;
	qpool_event_fn *on_event;
	void *event_user;
} qp_config;

/* What a table row allows in addition to its range. */
enum { QP_ZERO_OK = 1, QP_NOLIMIT_OK = 2 };

/* The options that are counts, and those that are durations; all may change while the pool lives.
 * The last row has no name. */
typedef struct qp_count_row {
	const char *name;
	size_t from, to; /* offsets in qpool_options and qp_config */
	uint32_t fallback, most;
	unsigned allows;
} qp_count_row;

typedef struct qp_span_row {
	const char *name;
	size_t from, to;
	int64_t fallback_ns;
	unsigned allows;
} qp_span_row;

extern const qp_count_row qp_option_counts[];
extern const qp_span_row qp_option_spans[];

/* What verbs read without the lock while qpool_configure may write: copies of a part
 * of the config. */
typedef struct qp_dials {
	/* atomic: written under the pool's lock, read without it */
	qp_bounds bounds;
	qp_atomic_i64 acquire_timeout_ns, open_budget_ns, step_budget_ns;
	qp_atomic_i64 held_long_ns, maintain_every_ns;
	qp_atomic_u64 event_mask;
} qp_dials;

/* NULL options mean all defaults.  EINVAL and ENOTSUP name the option, its value and its range. */
qpool_err qp_options_read(
    qp_config *config, const qpool_options *options, const char *kind, qpool_error *error);
/* Change what the options set; a field of 0 stays as it is.  EINVAL also for an option that is
 * fixed since create.  On failure *config is undefined. */
qpool_err qp_options_merge(qp_config *config, const qpool_options *options, qpool_error *error);
/* Copy only what a merge may change: the rest of the config is read without the lock. */
void qp_options_apply(qp_config *config, const qp_config *merged);
void qp_options_dial(qp_dials *dials, const qp_config *config);
/* Turn a caller's timeout into a plain duration. */
qpool_err qp_options_timeout(
    const qp_dials *dials, qpool_nsec timeout, int64_t *out_ns, qpool_error *error);

#endif
