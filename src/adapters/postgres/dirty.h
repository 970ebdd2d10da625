/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dirty: for on_dirty only: what a holder left behind in the server's session, as the catalogs tell.
 * Session comes in after connecting and reset after a lease; dirty changes nothing.
 */
#ifndef QP_PG_DIRTY_H
#define QP_PG_DIRTY_H

#include "session.h"

/* Remember what connecting itself left, so that it is not told of every lease. */
qpool_err qp_pg_dirty_learn(qp_pg_session *session, int64_t deadline_ns, qpool_error *error);
/* Tell what was left since: `under_way` (or NULL) is what the connection's state said. */
qpool_err qp_pg_dirty_tell(
    qp_pg_session *session, const char *under_way, int64_t deadline_ns, qpool_error *error);
void qp_pg_dirty_forget(qp_pg_traces *traces); /* NULL is fine */

#endif
