/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cancel: asks the server to cancel what a connection has under way.  Settle comes in.  cancel reads no answer.
 */
#ifndef QP_PG_CANCEL_H
#define QP_PG_CANCEL_H

#include <queuepool/postgres.h>

/* True: the server has had the request, and no later query of this connection can be hit by it.  Else
 * close the connection, as the request may still be on its way. */
bool qp_pg_cancel(PGconn *conn, int64_t deadline_ns);

#endif
