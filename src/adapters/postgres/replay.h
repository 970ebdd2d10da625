/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay: runs at_connect, with statements of ours before it, in one round trip.  Session comes in after
 * connecting, and reset for the full reset: both run the same, so that what fails later fails at first.
 */
#ifndef QP_PG_REPLAY_H
#define QP_PG_REPLAY_H

#include "session.h"

/* On an idle connection, or in a transaction that `before` (NULL at the end) ends.  EPEER: one
 * failed by itself; ECHECK: no answer, or it left no idle connection.  After either the connection is for closing. */
qpool_err qp_pg_replay(
    qp_pg_session *session, const char *const *before, int64_t deadline_ns, qpool_error *error);

#endif
