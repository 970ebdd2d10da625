/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resolve: names of hosts become addresses on a thread that only does that, so that whoever opens a
 * session waits no longer than its budget, however long DNS is silent.  One lookup of a name is
 * under way at a time, and whoever wants that name waits for it.  Answers are not kept.
 */
#ifndef QP_PG_RESOLVE_H
#define QP_PG_RESOLVE_H

#include "source.h"

#define QP_PG_ADDRESSES 16 /* of one name; more are not tried */

typedef struct qp_pg_addresses {
	size_t count;
	char text[QP_PG_ADDRESSES][64]; /* numeric, in the resolver's order */
} qp_pg_addresses;

qp_pg_resolver *qp_pg_resolver_make(void); /* NULL without memory */
/* A lookup under way ends by itself, later. */
void qp_pg_resolver_free(qp_pg_resolver *resolver); /* NULL is fine */
/* EOPEN: no such name, or no answer by then; the message names the host. */
qpool_err qp_pg_resolve(qp_pg_resolver *resolver, const char *host, int64_t deadline_ns,
    qp_pg_addresses *out, qpool_error *error);

#endif
