/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reset: what a return costs and undoes, by policy.
 *
 *     condemned ------------------------------------------------> ECHECK: closed
 *     none:     idle: OK, nothing is sent;  anything else ------> ECHECK: closed
 *     the rest: settle what is under way; tell on_dirty; then
 *       rollback:            in a transaction: ROLLBACK;  on_return
 *       smart, touched; full: ROLLBACK, DISCARD ALL, at_connect, in one round trip
 *       smart, untouched:     as rollback
 */
#include "session.h"

#include "dirty.h"
#include "fault.h"
#include "replay.h"
#include "settle.h"
#include "wait.h"

/* ---- the full reset ---- */

static qpool_err
reset_fully(qp_pg_session *session, int64_t deadline_ns, qpool_error *error)
{
	static const char *const all[] = {"ROLLBACK", "DISCARD ALL", NULL};
	bool is_idle = PQtransactionStatus(session->conn) == PQTRANS_IDLE;
	qpool_err err = qp_pg_replay(session, all + is_idle, deadline_ns, error);

	if (err == QPOOL_OK)
		session->epoch = 1 + atomic_fetch_add_explicit(
					 &session->source->epochs, 1, memory_order_relaxed);
	return err;
}

/* ---- the others ---- */

static bool
is_in_transaction(const PGconn *conn)
{
	PGTransactionStatusType status = PQtransactionStatus(conn);

	return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

static qpool_err
roll_back(qp_pg_session *session, int64_t deadline_ns, qpool_error *error)
{
	qpool_err err;

	if (!is_in_transaction(session->conn))
		return QPOOL_OK;
	err = qp_pg_session_run(session, "ROLLBACK", "ROLLBACK", deadline_ns, error);
	if (err == QPOOL_OK && PQtransactionStatus(session->conn) != PQTRANS_IDLE)
		err = qp_pg_fault_say(
		    error, QPOOL_ECHECK, "postgres: ROLLBACK did not end the transaction");
	return err;
}

static qpool_err
call_on_return(
    qp_pg_session *session, const qpool_step *step, int64_t deadline_ns, qpool_error *error)
{
	const qpool_pg_options *options = &session->source->options;
	qpool_step rest = *step;
	qpool_err err;

	if (options->on_return == NULL || !session->is_touched)
		return QPOOL_OK;
	if (deadline_ns != INT64_MAX) {
		rest.budget = deadline_ns - qp_pg_wait_now();
		if (rest.budget < 0)
			rest.budget = 0;
	}
	err = options->on_return(options->user, session->conn, &rest, error);
	if (err == QPOOL_EAGAIN)
		return qp_pg_fault_say(
		    error, QPOOL_ECHECK, "postgres: on_return returned EAGAIN, which it may not");
	if (err == QPOOL_OK && PQtransactionStatus(session->conn) != PQTRANS_IDLE)
		err = qp_pg_fault_say(error, QPOOL_ECHECK,
		    "postgres: on_return left a transaction or a result open; end it there");
	else if (err == QPOOL_OK && PQpipelineStatus(session->conn) != PQ_PIPELINE_OFF)
		err = qp_pg_fault_say(
		    error, QPOOL_ECHECK, "postgres: on_return left a pipeline open; end it there");
	return err;
}

/* What the state of the connection says was left under way, or NULL. */
static const char *
under_way(const PGconn *conn)
{
	if (PQpipelineStatus(conn) != PQ_PIPELINE_OFF)
		return "open pipeline";
	switch (PQtransactionStatus(conn)) {
	case PQTRANS_INTRANS:
		return "open transaction";
	case PQTRANS_INERROR:
		return "failed transaction";
	case PQTRANS_ACTIVE:
		return "unread result or COPY";
	default:
		return NULL;
	}
}

static qpool_err
say_not_idle(const PGconn *conn, qpool_error *error)
{
	const char *left = under_way(conn);

	return qp_pg_fault_say(error, QPOOL_ECHECK,
	    "postgres: the holder left %s, and reset is none", left != NULL ? left : "it broken");
}

static qpool_err
undo(qp_pg_session *session, const qpool_step *step, qpool_error *error)
{
	const qpool_pg_options *options = &session->source->options;
	int64_t deadline_ns = qp_pg_wait_deadline(step->budget);
	const char *left = under_way(session->conn);
	bool fully = options->reset == QPOOL_PG_RESET_FULL ||
	             (options->reset == QPOOL_PG_RESET_SMART && session->is_touched);
	qpool_err err = qp_pg_settle(session, deadline_ns, step->on_worker, error);

	if (err != QPOOL_OK)
		return err;
	if (PQstatus(session->conn) == CONNECTION_BAD)
		return qp_pg_fault_conn(error, QPOOL_ECHECK, "after a lease", session->conn);
	qp_pg_settle_client(session);
	if (session->is_touched && options->on_dirty != NULL) {
		if ((err = roll_back(session, deadline_ns, error)) != QPOOL_OK ||
		    (err = qp_pg_dirty_tell(session, left, deadline_ns, error)) != QPOOL_OK)
			return err;
	}
	if (fully)
		err = reset_fully(session, deadline_ns, error);
	else if ((err = roll_back(session, deadline_ns, error)) == QPOOL_OK)
		err = call_on_return(session, step, deadline_ns, error);
	/* Again: notifications come when a transaction ends, and a callback may set what it likes. */
	if (err == QPOOL_OK)
		qp_pg_settle_client(session);
	return err;
}

static qpool_err
reset(qp_pg_session *session, const qpool_step *step, qpool_error *error)
{
	const PGconn *conn = session->conn;
	bool is_idle =
	    PQtransactionStatus(conn) == PQTRANS_IDLE && PQpipelineStatus(conn) == PQ_PIPELINE_OFF;

	if (session->is_touched)
		qp_pg_settle_detach(session);
	if (session->is_condemned)
		return qp_pg_fault_say(
		    error, QPOOL_ECHECK, "postgres: the connection was given up during the lease");
	if (!session->is_touched && session->source->options.reset != QPOOL_PG_RESET_FULL)
		return QPOOL_OK;
	if (session->source->options.reset != QPOOL_PG_RESET_NONE)
		return undo(session, step, error);
	if (!is_idle)
		return say_not_idle(conn, error);
	qp_pg_settle_client(session);
	return QPOOL_OK;
}

qpool_err
qp_pg_session_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	qp_pg_session *session = resource;
	qpool_err err;

	(void)user;
	qp_pg_session_busy(session, true);
	err = reset(session, step, error);
	if (err == QPOOL_EAGAIN) /* a worker goes on */
		return err;
	if (err != QPOOL_OK)
		session->is_condemned = true;
	session->is_touched = false;
	session->site = NULL;
	qp_pg_session_busy(session, false);
	return err;
}
