/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease: the holder's side of a session: the way to it, and condemnation.  The public functions come
 * in; lease never ends a lease.
 */
#ifndef QP_REDIS_LEASE_H
#define QP_REDIS_LEASE_H

#include "session.h"

extern const char qp_redis_kind[];

/* The session of a lease of ours; NULL for the empty lease and for one of another kind of pool. */
qp_redis_session *qp_redis_lease_session(const qpool_lease *lease);
/* Nothing may be sent on it again: spoil the lease.  `spreads`: what happened to it may have happened
 * to all, so the others are asked before their next use. */
void qp_redis_lease_condemn(
    qpool_lease *lease, qp_redis_session *session, bool spreads, const char *why);
/* The same if the server refuses writes; `within`: look at the replies in an array, too.  Returns
 * whether it does. */
bool qp_redis_lease_note(
    qpool_lease *lease, qp_redis_session *session, const redisReply *reply, bool within);

#endif
