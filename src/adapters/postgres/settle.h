/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * settle: what a holder left under way (an unread result, COPY, a pipeline, a transaction) comes to
 * its end.  Reset comes in.  settle never blocks a caller's thread on anything but its deadline.
 */
#ifndef QP_PG_SETTLE_H
#define QP_PG_SETTLE_H

#include "session.h"

/* Afterwards the connection is idle or in a transaction, and no pipeline is open.  EAGAIN: on a worker it
 * could go on, as the query must be cancelled, and a caller is not kept for that.  ECHECK. */
qpool_err qp_pg_settle(
    qp_pg_session *session, int64_t deadline_ns, bool on_worker, qpool_error *error);
/* First of all: what belongs to the holder is called no more. */
void qp_pg_settle_detach(qp_pg_session *session);
/* Last of all: what only libpq remembers is as after connecting: blocking, receivers, verbosity, tracing, notifications. */
void qp_pg_settle_client(qp_pg_session *session);

#endif
