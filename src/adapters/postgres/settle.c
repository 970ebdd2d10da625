/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * settle: first read on for a moment, as most results that were left unread are complete; only then
 * cancel, which is a connection of its own.
 *
 *     pipeline: ROLLBACK and a sync
 *     read; COPY in: end it in error --- idle, or in a transaction: done
 *            | more to come
 *     cancel, read; some times over  --- on a caller's thread: EAGAIN, a worker does it
 *            |                      \-- idle, or in a transaction: done
 *            \-- late, broken: ECHECK, and the session is closed
 */
#include "settle.h"

#include "cancel.h"
#include "fault.h"
#include "wait.h"

#include <poll.h>

static bool
is_under_way(const PGconn *conn)
{
	return PQtransactionStatus(conn) == PQTRANS_ACTIVE ||
	       PQpipelineStatus(conn) != PQ_PIPELINE_OFF;
}

/* Drop rows of COPY that have come.  False: the copy is not over yet. */
static bool
drop_copied(PGconn *conn)
{
	char *row = NULL;
	int length;

	while ((length = PQgetCopyData(conn, &row, 1)) > 0)
		PQfreemem(row);
	return length < 0;
}

typedef enum { MORE_TO_COME, WANTS_COPY, AT_END } progress;

/* Drop what has come, without waiting.  A pipeline is at its end after its last sync, which
 * PQexitPipelineMode finds out: it refuses while something is queued. */
static progress
drop_results(PGconn *conn)
{
	unsigned nothing = 0;

	while (PQstatus(conn) != CONNECTION_BAD) {
		PGresult *result;
		ExecStatusType kind;

		if (PQisBusy(conn))
			return MORE_TO_COME;
		result = PQgetResult(conn);
		if (result == NULL) {
			if (PQpipelineStatus(conn) == PQ_PIPELINE_OFF || PQexitPipelineMode(conn))
				return AT_END;
			/* In a pipeline one NULL ends one command; two, with no more queued. */
			if (++nothing == 2)
				return MORE_TO_COME;
			continue;
		}
		nothing = 0;
		kind = PQresultStatus(result);
		PQclear(result);
		if (kind == PGRES_COPY_IN || kind == PGRES_COPY_BOTH)
			return WANTS_COPY;
		if (kind == PGRES_COPY_OUT && !drop_copied(conn))
			return MORE_TO_COME;
	}
	return AT_END;
}

/* Read until nothing more is under way, but not past `until_ns`: a server that goes on and on may
 * always have something there. */
static qp_pg_waited
drop_all(PGconn *conn, int64_t until_ns, progress *at)
{
	for (;;) {
		qp_pg_waited waited;
		int unsent;

		*at = drop_results(conn);
		if (PQstatus(conn) == CONNECTION_BAD)
			return QP_PG_BROKEN;
		if (*at == AT_END)
			return QP_PG_READY;
		if (*at == WANTS_COPY)
			(void)PQputCopyEnd(conn, "the connection was given back to its pool");
		unsent = PQflush(conn);
		if (qp_pg_wait_now() >= until_ns)
			return QP_PG_LATE;
		waited = qp_pg_wait_socket(
		    PQsocket(conn), (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN), until_ns);
		if (waited != QP_PG_READY)
			return waited;
		if (!PQconsumeInput(conn))
			return QP_PG_BROKEN;
	}
}

/* A pipeline whose holder sent no sync would never answer, and a sync alone would commit what the
 * server has of it; libpq does not tell whether there was one.  True: an answer is to be expected. */
static bool
end_pipeline(PGconn *conn)
{
	return PQpipelineStatus(conn) != PQ_PIPELINE_OFF &&
	       PQsendQueryParams(conn, "ROLLBACK", 0, NULL, NULL, NULL, NULL, 0) &&
	       PQpipelineSync(conn);
}

/* libpq sends first what it has queued, and would block if the peer reads nothing. */
static bool
make_nonblocking(PGconn *conn, int64_t until_ns)
{
	return PQisnonblocking(conn) || PQsocket(conn) < 0 ||
	       (qp_pg_wait_socket(PQsocket(conn), POLLOUT, until_ns) == QP_PG_READY &&
		   PQsetnonblocking(conn, 1) == 0);
}

static int64_t
share(int64_t deadline_ns, int parts)
{
	int64_t now = qp_pg_wait_now();

	return deadline_ns == INT64_MAX ? INT64_MAX : now + (deadline_ns - now) / parts;
}

static qpool_err
gone(qp_pg_session *session, qp_pg_waited waited, qpool_error *error)
{
	session->is_condemned = true;
	if (waited == QP_PG_LATE)
		return qp_pg_fault_say(error, QPOOL_ECHECK,
		    "postgres: what the holder left under way did not end within step_budget");
	return qp_pg_fault_conn(
	    error, QPOOL_ECHECK, "ending what the holder left under way", session->conn);
}

/* Parts of the budget: so long we read what is about to end anyway, and so long the server may take to
 * end what it was told to end. */
enum { READING = 64, ENDING = 4 };

/* A request that overtakes its query finds nothing to cancel, so one is not enough. */
static qp_pg_waited
cancel(PGconn *conn, int64_t deadline_ns, progress *at)
{
	qp_pg_waited waited = QP_PG_LATE;

	for (int parts = ENDING; waited == QP_PG_LATE && parts > 0; parts--) {
		if (!qp_pg_cancel(conn, deadline_ns))
			return QP_PG_LATE;
		waited = drop_all(conn, share(deadline_ns, parts), at);
	}
	return waited;
}

qpool_err
qp_pg_settle(qp_pg_session *session, int64_t deadline_ns, bool on_worker, qpool_error *error)
{
	PGconn *conn = session->conn;
	bool is_pipeline;
	qp_pg_waited waited;
	progress at;

	if (!is_under_way(conn))
		return QPOOL_OK;
	if (!make_nonblocking(conn, share(deadline_ns, ENDING)))
		return gone(session, QP_PG_LATE, error);
	is_pipeline = end_pipeline(conn);
	waited = drop_all(conn, share(deadline_ns, is_pipeline ? ENDING : READING), &at);
	if (waited == QP_PG_LATE && at == WANTS_COPY)
		waited = drop_all(conn, share(deadline_ns, ENDING), &at);
	if (waited == QP_PG_LATE && !on_worker)
		return qp_pg_fault_say(error, QPOOL_EAGAIN,
		    "postgres: the holder left a query running, and to cancel it takes a "
		    "worker: see qpool_start");
	if (waited == QP_PG_LATE)
		waited = cancel(conn, deadline_ns, &at);
	if (waited != QP_PG_READY)
		return gone(session, waited, error);
	(void)PQsetnonblocking(conn, 0);
	return QPOOL_OK;
}

void
qp_pg_settle_detach(qp_pg_session *session)
{
	PQuntrace(session->conn);
	(void)PQsetNoticeReceiver(session->conn, qp_pg_session_notice, session);
}

void
qp_pg_settle_client(qp_pg_session *session)
{
	PGconn *conn = session->conn;
	PGnotify *notify;

	qp_pg_settle_detach(session);
	while ((notify = PQnotifies(conn)) != NULL)
		PQfreemem(notify);
	if (PQisnonblocking(conn))
		(void)PQsetnonblocking(conn, 0);
	(void)PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
	(void)PQsetErrorContextVisibility(conn, PQSHOW_CONTEXT_ERRORS);
}
