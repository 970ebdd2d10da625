/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay: a pipeline with one sync, and so one transaction, but that ROLLBACK and DISCARD ALL end
 * theirs at once.  The first failure makes the server skip the rest.
 */
#include "replay.h"

#include "fault.h"
#include "wait.h"

#include <stdio.h>

/* `count` statements of ours come before the caller's. */
typedef struct script {
	const char *const *before;
	size_t count;
} script;

static bool
queue(PGconn *conn, const char *const *statements)
{
	for (size_t i = 0; statements != NULL && statements[i] != NULL; i++)
		if (!PQsendQueryParams(conn, statements[i], 0, NULL, NULL, NULL, NULL, 0))
			return false;
	return true;
}

/* Not its text, which may hold a secret. */
static void
name(const script *s, size_t at, char out[48])
{
	if (at < s->count)
		(void)snprintf(out, 48, "%s", s->before[at]);
	else
		(void)snprintf(out, 48, "at_connect[%zu]", at - s->count);
}

/* What one result says; *is_over after the last. */
static qpool_err
judge(const PGresult *result, const char *what, bool *is_over, qpool_error *error)
{
	switch (PQresultStatus(result)) {
	case PGRES_PIPELINE_SYNC:
		*is_over = true;
		return QPOOL_OK;
	case PGRES_FATAL_ERROR:
		return qp_pg_fault_result(error, QPOOL_EPEER, what, result);
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		*is_over = true;
		return qp_pg_fault_say(error, QPOOL_EPEER, "postgres: %s is a COPY", what);
	default:
		return QPOOL_OK;
	}
}

static qpool_err
collect(qp_pg_session *session, const script *s, int64_t deadline_ns, qpool_error *error)
{
	PGconn *conn = session->conn;
	qpool_err err = QPOOL_OK;
	bool is_over = false;
	size_t at = 0;

	while (!is_over) {
		qp_pg_waited waited = qp_pg_wait_result(conn, deadline_ns);
		PGresult *result = waited == QP_PG_READY ? PQgetResult(conn) : NULL;
		char what[48];

		name(s, at, what);
		if (result == NULL && (waited != QP_PG_READY || PQstatus(conn) == CONNECTION_BAD))
			return err != QPOOL_OK
			           ? err
			           : qp_pg_session_no_answer(session, waited, what, error);
		if (result == NULL)
			at++; /* the end of one */
		else if (err == QPOOL_OK)
			err = judge(result, what, &is_over, error);
		else
			is_over = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
		PQclear(result);
	}
	return err;
}

qpool_err
qp_pg_replay(
    qp_pg_session *session, const char *const *before, int64_t deadline_ns, qpool_error *error)
{
	PGconn *conn = session->conn;
	script s = {.before = before};
	qpool_err err;

	while (before != NULL && before[s.count] != NULL)
		s.count++;
	(void)PQsetnonblocking(conn, 1);
	if (!PQenterPipelineMode(conn) || !queue(conn, before) ||
	    !queue(conn, session->source->options.at_connect) || !PQpipelineSync(conn))
		return qp_pg_session_no_answer(session, QP_PG_BROKEN, "at_connect", error);
	err = collect(session, &s, deadline_ns, error);
	if (err != QPOOL_OK)
		return err;
	if (!PQexitPipelineMode(conn))
		return qp_pg_session_no_answer(session, QP_PG_BROKEN, "at_connect", error);
	if (PQtransactionStatus(conn) != PQTRANS_IDLE)
		return qp_pg_fault_say(error, QPOOL_EPEER,
		    "postgres: at_connect left a transaction open; end it there");
	(void)PQsetnonblocking(conn, 0);
	return QPOOL_OK;
}
