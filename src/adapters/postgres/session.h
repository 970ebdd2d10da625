/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: one connection and what is remembered of it.  The pool comes in by the ops of
 * qpool_pg_ops, the holder by lease; both never at once.  A session never outlives its source.
 */
#ifndef QP_PG_SESSION_H
#define QP_PG_SESSION_H

#include "source.h"

#include <stdatomic.h>

/*
 *   is_condemned: nothing is sent on it again; the next who asks closes it
 *   is_asked:     an empty query was sent and its answer has not been read
 *   turn:         of the lease that used it last; another lease's is another first use
 */
typedef struct qp_pg_session {
	/* Set by open, never changed. */
	PGconn *conn;
	const qp_pg_source *source;
	bool was_writable; /* the server let it write when it connected */
	/* Who has the session: the pool's callback, else the holder. */
	bool is_touched;
	bool is_condemned;
	bool is_asked;
	uint64_t turn;
	uint64_t epoch;   /* of its prepared statements: see qpool_pg_epoch */
	const char *site; /* that acquired the lease; for on_dirty only */
	/* Whether a thread is inside libpq with it; set and cleared by that thread, read in a
	 * forked child, which has no other.  Relaxed: fork itself orders. */
	atomic_bool is_busy;
} qp_pg_session;

qpool_err qp_pg_session_open(void *user, const qpool_step *step, void **out, qpool_error *error);
qpool_err qp_pg_session_peek(void *user, void *resource, qpool_error *error);
qpool_err qp_pg_session_check(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
qpool_err qp_pg_session_reset(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
void qp_pg_session_close(void *user, void *resource, qpool_why why);
void qp_pg_session_describe(void *user, void *resource, char *out, size_t room);
void qp_pg_session_abandon(void *user, void *resource);
/* The server, or a standby it has become, refuses to write on a session that could. */
bool qp_pg_session_lost_its_writes(const qp_pg_session *session);

#endif
