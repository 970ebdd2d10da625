/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: one connection and what is remembered of it.  The pool comes in by the ops of
 * qpool_pg_ops, the holder by lease; both never at once.  A session never outlives its source.
 */
#ifndef QP_PG_SESSION_H
#define QP_PG_SESSION_H

#include "source.h"
#include "wait.h"

#include <stdatomic.h>

/*
 *   is_touched:   the holder has had the connection since the last return
 *   is_condemned: nothing is sent on it again; the next who asks closes it
 *   is_refused:   on_lease or BEGIN failed: no holder gets it
 *   is_asked:     an empty query was sent and its answer has not been read
 */
typedef struct qp_pg_traces qp_pg_traces;

typedef struct qp_pg_session {
	/* Set by open, never changed. */
	PGconn *conn;
	qp_pg_source *source;
	bool was_writable;               /* the server let it write when it connected */
	PQnoticeReceiver usual_receiver; /* libpq's own, for a connection that is detached */
	qp_pg_traces *at_first; /* what connecting left in the session; for on_dirty only */
	/* Who has the session: the pool's callback, else the holder. */
	bool is_touched;
	bool is_condemned;
	bool is_refused;
	bool is_asked;
	uint64_t epoch;   /* of its prepared statements: see qpool_pg_epoch */
	const char *site; /* that acquired the lease; for on_dirty only */
	/* Whether a thread may be inside libpq with it: set and cleared by that thread, read in a
	 * forked child, where no other lives.  Relaxed: fork itself orders. */
	atomic_bool is_busy;
} qp_pg_session;

/* The ops. */
qpool_err qp_pg_session_open(void *user, const qpool_step *step, void **out, qpool_error *error);
qpool_err qp_pg_session_peek(void *user, void *resource, qpool_error *error);
qpool_err qp_pg_session_check(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
qpool_err qp_pg_session_reset(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
void qp_pg_session_close(void *user, void *resource, qpool_why why);
void qp_pg_session_describe(void *user, void *resource, char *out, size_t room);
void qp_pg_session_abandon(void *user, void *resource);

/* Every notice goes here; it never prints.  `about` is the session. */
void qp_pg_session_notice(void *about, const PGresult *notice);
/* Does the server end the session, or itself, with these words? */
bool qp_pg_session_is_fatal(const PGresult *result);
/* A thread enters libpq with it, or leaves. */
void qp_pg_session_busy(qp_pg_session *session, bool is_busy);
/* The server has become a standby or read-only under a session that could write. */
bool qp_pg_session_lost_its_writes(const qp_pg_session *session);
/* Run `sql`, called `what` in messages, by a deadline and drop its rows.  EPEER: the server's error;
 * ECHECK: no answer, and the session is condemned. */
qpool_err qp_pg_session_run(qp_pg_session *session, const char *sql, const char *what,
    int64_t deadline_ns, qpool_error *error);
/* The same for a statement sent elsewhere that got no answer: ECHECK. */
qpool_err qp_pg_session_no_answer(
    qp_pg_session *session, qp_pg_waited waited, const char *what, qpool_error *error);
/* The session's prepared statements are gone. */
void qp_pg_session_new_epoch(qp_pg_session *session);
/* Run a callback of the options that may be NULL, called `what`, with what is left of the budget.  Its own
 * failure, or `code` when it left the connection lost or not idle. */
typedef qpool_err qp_pg_session_fn(
    void *user, PGconn *conn, const qpool_step *step, qpool_error *error);
qpool_err qp_pg_session_call(qp_pg_session *session, qp_pg_session_fn *fn, const char *what,
    qpool_err code, const qpool_step *step, int64_t deadline_ns, qpool_error *error);
/* Let go of the struct; the connection is somebody else's now. */
void qp_pg_session_free(qp_pg_session *session);

#endif
