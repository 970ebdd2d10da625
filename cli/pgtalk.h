/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pgtalk: one command to a PostgreSQL server and its whole answer, while looking now and then whether to go
 * on.  target_postgres comes in.  It never keeps a statement on a connection, so resets and poolers do
 * not matter to it.
 */
#ifndef CLI_PGTALK_H
#define CLI_PGTALK_H

#include <queuepool/postgres.h>

#include "target.h"

struct pgtalk {
	qpool_lease *lease;
	PGconn *conn;
	qpool_nsec until;               /* on duration_now's clock, or QPOOL_FOREVER */
	target_cancelled_fn *cancelled; /* or NULL */
	void *user;
	bool told; /* the server was told to cancel */
	qpool_nsec tell_again;
};

/* On the connection of this lease, for so long at most. */
qpool_err pgtalk_begin(
    struct pgtalk *talk, qpool_lease *lease, qpool_nsec patience, qpool_error *error);
/* Run one statement, unnamed and without parameters; every row comes here and is dropped.  EPEER with the
 * SQLSTATE in `native`; ECANCEL; ETIMEOUT; EUNKNOWN: the connection broke. */
qpool_err pgtalk_run(struct pgtalk *talk, const char *sql, qpool_error *error);
/* Have it prepared, unnamed, which runs nothing, and count its parameters.  *fault_at is the place in
 * `sql` that the server blames. */
qpool_err pgtalk_prepare(struct pgtalk *talk, const char *sql, int *parameters,
    const char **fault_at, qpool_error *error);

#endif
