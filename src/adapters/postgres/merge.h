/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * merge: the words that libpq would connect with, from the conninfo, its service file, PG* variables
 * and defaults: asked of libpq itself, by connects that cannot begin.  source comes in.  merge opens
 * no socket and looks up no name.
 */
#ifndef QP_PG_MERGE_H
#define QP_PG_MERGE_H

#include "conninfo.h"

/* Two answers: in each some words are ours, see merge.c. */
typedef struct qp_pg_merged {
	PQconninfoOption *most;
	PQconninfoOption *others;
	char *default_host; /* where libpq goes when no host is named; NULL: unknown */
} qp_pg_merged;

/* EINVAL with libpq's words where they cannot hold a secret; ENOMEM.  *out only on success: end it
 * by free. */
qpool_err qp_pg_merge(qp_pg_merged *out, const qp_pg_conninfo *conninfo, qpool_error *error);
void qp_pg_merge_free(qp_pg_merged *merged);
/* The value of a word; NULL if it has none, or an empty one. */
const char *qp_pg_merge_value(const qp_pg_merged *merged, const char *name);
/* The same, or what libpq was built with. */
const char *qp_pg_merge_compiled(const qp_pg_merged *merged, const char *name);

#endif
