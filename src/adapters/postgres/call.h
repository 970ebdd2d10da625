/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * call: one statement and its whole answer, by a deadline.  The helpers' rooms (query, json,
 * transaction) come in; what a failure means for the outcome and for the lease is decided here,
 * once.  call never composes SQL and never tries anything again.
 */
#ifndef QP_PG_CALL_H
#define QP_PG_CALL_H

#include "lease.h"

/* Run `sql`, with parameters by the extended protocol.  The statement's own failure: EPEER with
 * the server's words; ETIMEOUT and EUNKNOWN as queuepool/postgres.h says; EMISUSE when a result of
 * the holder's is unread; EINVAL for parameters that cannot be, and for COPY.  *out, on OK only, is
 * the last result: PQclear it. */
qpool_err qp_pg_call(qpool_lease *lease, const char *sql, const qpool_pg_params *params,
    PGresult **out, qpool_error *error);
/* The same, but of the rows only the first is kept, in *out. */
qpool_err qp_pg_call_first(qpool_lease *lease, const char *sql, const qpool_pg_params *params,
    PGresult **out, qpool_pg_rows *rows, qpool_error *error);
/* The same for BEGIN, COMMIT and ROLLBACK: no transaction is opened for it, and `is_final` says
 * that a loss leaves the outcome unknown. */
qpool_err qp_pg_call_control(
    qpool_lease *lease, const char *sql, bool is_final, PGresult **out, qpool_error *error);
/* The session of the lease, to look at its state: opens no transaction. */
qpool_err qp_pg_call_use(qpool_lease *lease, qp_pg_session **out, qpool_error *error);
/* Copy a caller's struct that begins with `size` into `to` of `room` bytes, all 0 for NULL.
 * EINVAL and ENOTSUP name it `name`. */
qpool_err qp_pg_call_read(
    void *to, size_t room, const void *from, const char *name, qpool_error *error);

#endif
