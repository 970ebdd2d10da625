/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tap: an adapter's ops with a counter on each, and, when asked, a failure now and then.  It sits between
 * any adapter and any pool, so what the pool says of itself can be held against what it really did.
 */
#ifndef CLI_TAP_H
#define CLI_TAP_H

#include <stdatomic.h>

#include <queuepool.h>

struct tap {
	qpool_ops inner;
	void *inner_user;
	/* Run before each close: what the command itself keeps on a resource must go first.  Or NULL. */
	void (*parting)(void *resource);
	_Atomic uint32_t failing; /* of 10,000 opens, checks and resets, so many fail on purpose */
	_Atomic uint64_t drawn;   /* how often chance was asked */
	_Atomic uint64_t opens, closes, open_now, open_peak;
	_Atomic uint64_t open_failures, check_failures,
	    reset_failures; /* on purpose and real ones */
	_Atomic uint64_t on_purpose;
};

/* The ops to give to a pool, with `tap` as their user.  The tap must outlive them. */
qpool_ops tap_ops(const struct tap *tap);

uint64_t tap_open_now(const struct tap *tap);

#endif
