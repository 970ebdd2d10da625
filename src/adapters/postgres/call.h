/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * call: one statement and its whole answer, by a deadline.  The helpers' rooms (query, json,
 * transaction) come in; what a failure means for the outcome and for the lease is decided here,
 * once.
 */
#ifndef QP_PG_CALL_H
#define QP_PG_CALL_H

#include "lease.h"

/* Run `sql`, with parameters by the extended protocol.  The statement's own failure: EPEER with
 * `what` and the server's words; ETIMEOUT and EUNKNOWN as queuepool/postgres.h says.  *out, on OK
 * only, is the last result: PQclear it. */
qpool_err qp_pg_call(qpool_lease *lease, const char *sql, const qpool_pg_params *params,
    PGresult **out, qpool_error *error);
/* The same for BEGIN, COMMIT and ROLLBACK: no transaction is opened for it, and `is_final` says
 * that a loss leaves the outcome unknown. */
qpool_err qp_pg_call_control(
    qpool_lease *lease, const char *sql, bool is_final, PGresult **out, qpool_error *error);

#endif
