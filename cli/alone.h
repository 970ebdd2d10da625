/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alone: a lease around one resource that was opened by hand, for those kinds that show their connection
 * only through a lease.  ping and the first look of bench come in; it never opens, checks or resets.
 */
#ifndef CLI_ALONE_H
#define CLI_ALONE_H

#include <queuepool.h>

struct alone {
	qpool *pool; /* of this one resource */
	qpool_lease lease;
};

/* For one of the adapter's steps by hand: so long as the pool's options say, or 10 s. */
qpool_step alone_step(qpool_nsec budget);
/* On failure the resource is closed. */
qpool_err alone_begin(
    struct alone *out, const qpool_ops *ops, void *user, void *resource, qpool_error *error);
/* The resource, which is the caller's to close again. */
void *alone_end(struct alone *alone);

#endif
