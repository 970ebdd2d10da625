/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * settle: first read what is there, as most results that were left unread are complete; only then
 * cancel, which in libpq before 17 is a blocking connection of its own.
 *
 *     read what has come --- idle: done
 *            | more to come
 *     COPY in: end it in error;   else cancel --- caller's thread, libpq < 17: EAGAIN, a worker does it
 *            |
 *     read to the end, by the deadline --- idle, or in a transaction: done
 *                                      \-- late, broken: ECHECK, and the session is closed
 */
#include "settle.h"

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

/* Read until nothing more is under way, or the deadline. */
static qp_pg_waited
drop_all(PGconn *conn, int64_t deadline_ns, progress *at)
{
	for (;;) {
		int unsent = PQflush(conn);
		short events = (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN);
		qp_pg_waited waited;

		*at = drop_results(conn);
		if (PQstatus(conn) == CONNECTION_BAD)
			return QP_PG_BROKEN;
		if (*at == AT_END)
			return QP_PG_READY;
		if (*at == WANTS_COPY)
			(void)PQputCopyEnd(conn, "the connection was given back to its pool");
		waited = qp_pg_wait_socket(PQsocket(conn), events, deadline_ns);
		if (waited != QP_PG_READY)
			return waited;
		if (!PQconsumeInput(conn))
			return QP_PG_BROKEN;
	}
}

/* A pipeline whose holder sent no sync would never answer.  True: an answer is to be expected. */
static bool
end_pipeline(PGconn *conn)
{
	return PQpipelineStatus(conn) != PQ_PIPELINE_OFF && !PQexitPipelineMode(conn) &&
	       PQpipelineSync(conn);
}

/* Blocks: connects to the server anew.  What it waits for at most is tcp_user_timeout. */
static void
cancel(PGconn *conn)
{
	PGcancel *request = PQgetCancel(conn);
	char words[256];

	if (request == NULL)
		return;
	(void)PQcancel(request, words, sizeof words);
	PQfreeCancel(request);
}

/* So long the server may take to end by itself what it was told to end. */
static int64_t
half_way(int64_t deadline_ns)
{
	int64_t now = qp_pg_wait_now();

	return deadline_ns == INT64_MAX ? INT64_MAX : now + (deadline_ns - now) / 2;
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

qpool_err
qp_pg_settle(qp_pg_session *session, int64_t deadline_ns, bool on_worker, qpool_error *error)
{
	PGconn *conn = session->conn;
	qp_pg_waited waited;
	progress at;

	if (!is_under_way(conn))
		return QPOOL_OK;
	(void)PQsetnonblocking(conn, 1);
	waited = drop_all(conn, end_pipeline(conn) ? half_way(deadline_ns) : 0, &at);
	if (waited == QP_PG_LATE && at == WANTS_COPY)
		waited = drop_all(conn, half_way(deadline_ns), &at);
	if (waited == QP_PG_LATE) {
		if (!on_worker)
			return qp_pg_fault_say(error, QPOOL_EAGAIN,
			    "postgres: the holder left a query running, and to cancel it takes a "
			    "worker: see qpool_start");
		cancel(conn);
		waited = drop_all(conn, deadline_ns, &at);
	}
	if (waited != QP_PG_READY)
		return gone(session, waited, error);
	(void)PQsetnonblocking(conn, 0);
	return QPOOL_OK;
}

void
qp_pg_settle_client(qp_pg_session *session)
{
	PGconn *conn = session->conn;
	PGnotify *notify;

	while ((notify = PQnotifies(conn)) != NULL)
		PQfreemem(notify);
	if (PQisnonblocking(conn))
		(void)PQsetnonblocking(conn, 0);
	(void)PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
	(void)PQsetErrorContextVisibility(conn, PQSHOW_CONTEXT_ERRORS);
	(void)PQsetNoticeReceiver(conn, qp_pg_session_notice, session);
	PQuntrace(conn);
}
