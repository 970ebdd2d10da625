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
		qp_pg_session_new_epoch(session);
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

/* EAGAIN would be taken for a wish to run on a worker. */
static qpool_err
call_on_return(
    qp_pg_session *session, const qpool_step *step, int64_t deadline_ns, qpool_error *error)
{
	qpool_err err;

	qp_pg_settle_client(session);
	err = qp_pg_session_call(session, session->source->options.on_return, "on_return",
	    QPOOL_ECHECK, step, deadline_ns, error);
	if (err != QPOOL_EAGAIN)
		return err;
	return qp_pg_fault_say(
	    error, QPOOL_ECHECK, "postgres: on_return returned EAGAIN, which it may not");
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

static bool
is_idle(const PGconn *conn)
{
	return PQtransactionStatus(conn) == PQTRANS_IDLE &&
	       PQpipelineStatus(conn) == PQ_PIPELINE_OFF;
}

/* Is there more to do than what libpq itself remembers?  If not, the return takes no clock and no
 * round trip. */
static bool
needs_undo(const qp_pg_session *session)
{
	const qpool_pg_options *options = &session->source->options;

	if (options->reset == QPOOL_PG_RESET_NONE)
		return false;
	return options->reset != QPOOL_PG_RESET_ROLLBACK || !is_idle(session->conn) ||
	       options->on_return != NULL || options->on_dirty != NULL;
}

static qpool_err
undo(qp_pg_session *session, const qpool_step *step, qpool_error *error)
{
	const qpool_pg_options *options = &session->source->options;
	int64_t deadline_ns = qp_pg_wait_deadline(step->budget);
	const char *left = under_way(session->conn);
	qpool_err err = qp_pg_settle(session, deadline_ns, step->on_worker, error);

	if (err != QPOOL_OK)
		return err;
	if (PQstatus(session->conn) == CONNECTION_BAD)
		return qp_pg_fault_conn(error, QPOOL_ECHECK, "after a lease", session->conn);
	if (session->is_touched && options->on_dirty != NULL) {
		if ((err = roll_back(session, deadline_ns, error)) != QPOOL_OK ||
		    (err = qp_pg_dirty_tell(session, left, deadline_ns, error)) != QPOOL_OK)
			return err;
	}
	if (options->reset != QPOOL_PG_RESET_ROLLBACK)
		return reset_fully(session, deadline_ns, error);
	err = roll_back(session, deadline_ns, error);
	return err == QPOOL_OK ? call_on_return(session, step, deadline_ns, error) : err;
}

static qpool_err
reset(qp_pg_session *session, const qpool_step *step, qpool_error *error)
{
	uint32_t policy = session->source->options.reset;
	qpool_err err = QPOOL_OK;

	if (session->is_touched)
		qp_pg_settle_detach(session);
	if (session->is_condemned)
		return qp_pg_fault_say(
		    error, QPOOL_ECHECK, "postgres: the connection was given up during the lease");
	if (!session->is_touched && policy != QPOOL_PG_RESET_FULL)
		return QPOOL_OK;
	if (policy == QPOOL_PG_RESET_NONE && !is_idle(session->conn))
		return say_not_idle(session->conn, error);
	if (needs_undo(session))
		err = undo(session, step, error);
	/* Last: notifications come when a transaction ends, and a callback may set what it likes. */
	if (err == QPOOL_OK)
		qp_pg_settle_client(session);
	return err;
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
