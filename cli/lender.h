/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lender: where a request gets its resource: from a pool, or, for comparison, by opening one and closing
 * it again each time, through the same ops.
 */
#ifndef CLI_LENDER_H
#define CLI_LENDER_H

#include <queuepool.h>

#include "load.h"
#include "tap.h"

struct lender {
	qpool *pool; /* NULL: each request opens its own */
	struct tap tap;
};

struct loan {
	qpool_lease lease; /* without a pool it holds the resource and nothing more */
	void *resource;
};

/* Take one, and add the time it took to self->wait.  Either way an open that fails for the moment is tried
 * again for 30 s.  ECANCEL when the load is cancelled meanwhile. */
qpool_err lender_take(
    struct lender *lender, struct load_thread *self, struct loan *out, qpool_error *error);
void lender_give(struct lender *lender, struct loan *loan);
/* Give back one that failed: it is closed. */
void lender_give_broken(struct lender *lender, struct loan *loan);

#endif
