/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease: the holder's side of a session: first use, condemnation.  The public functions and the
 * helpers' rooms come in; lease never ends a lease.
 */
#ifndef QP_PG_LEASE_H
#define QP_PG_LEASE_H

#include "session.h"

extern const char qp_pg_kind[];

/* The session of a lease of ours, touched: on_lease has run, and BEGIN where the pool has no
 * autocommit and `begins`.  EMISUSE for the empty lease and for one of another kind of pool; what on_lease said;
 * EPEER when BEGIN failed. */
qpool_err qp_pg_lease_use(qpool_lease *lease, bool begins, qp_pg_session **out, qpool_error *error);
/* Spoil the lease and make the other sessions suspect if `result` (NULL: none came), or the state
 * of the connection, says that the server or the connection is lost.  Returns whether it did. */
bool qp_pg_lease_note(qpool_lease *lease, qp_pg_session *session, const PGresult *result);
/* Nothing may be sent on it again: spoil the lease. */
void qp_pg_lease_condemn(qpool_lease *lease, qp_pg_session *session);

#endif
