/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transaction: COMMIT, ROLLBACK, and a body between BEGIN and COMMIT.  Users come in.
 *
 *     BEGIN --- body --- OK ------> COMMIT --- OK
 *       ^        |                    |
 *       |        failed: ROLLBACK     failed: the server has rolled back
 *       |                |            |
 *       \--- 40001 or 40P01, and tries left;  else: failed
 *
 * transaction never tries again what a loss left in doubt.
 */
#include "call.h"
#include "fault.h"

#include <inttypes.h>
#include <stdio.h>

enum { DEFAULT_RETRIES = 3, BEGIN_ROOM = 256 };

typedef struct job {
	qpool_lease *lease;
	qpool_pg_body *body;
	void *user;
	char begin[BEGIN_ROOM];
} job;

/* ---- one at a time ------------------------------------------------------------------ */

/* A failed transaction ends by COMMIT too, and the server calls it a success. */
static qpool_err
commit(qpool_lease *lease, qpool_error *error)
{
	PGresult *result = NULL;
	qpool_err err = qp_pg_call_control(lease, "COMMIT", true, &result, error);
	bool is_rolled_back;

	if (err != QPOOL_OK)
		return err;
	is_rolled_back = strcmp(PQcmdStatus(result), "ROLLBACK") == 0;
	PQclear(result);
	if (!is_rolled_back)
		return QPOOL_OK;
	err = qp_pg_fault_say(error, QPOOL_EPEER,
	    "COMMIT rolled the transaction back, as a statement in it had failed; do not commit "
	    "after a failure, or guard the statement by a SAVEPOINT");
	if (error != NULL)
		memcpy(error->native, "25P02", sizeof "25P02");
	return err;
}

static qpool_err
roll_back(qpool_lease *lease, qpool_error *error)
{
	PGresult *result = NULL;
	qpool_err err = qp_pg_call_control(lease, "ROLLBACK", false, &result, error);

	PQclear(result);
	return err;
}

qpool_err
qpool_pg_commit(qpool_lease *lease, qpool_error *error)
{
	qp_pg_session *session;
	qpool_err err = qp_pg_call_use(lease, &session, error);

	if (err != QPOOL_OK || PQtransactionStatus(session->conn) == PQTRANS_IDLE)
		return err;
	return commit(lease, error);
}

qpool_err
qpool_pg_rollback(qpool_lease *lease, qpool_error *error)
{
	qp_pg_session *session;
	qpool_err err = qp_pg_call_use(lease, &session, error);

	if (err != QPOOL_OK || PQtransactionStatus(session->conn) == PQTRANS_IDLE)
		return err;
	return roll_back(lease, error);
}

/* ---- with a body -------------------------------------------------------------------- */

static bool
is_transient(const qpool_error *error)
{
	return strcmp(error->native, "40001") == 0 || strcmp(error->native, "40P01") == 0;
}

static bool
is_in_transaction(const qp_pg_session *session)
{
	PGTransactionStatusType status = PQtransactionStatus(session->conn);

	return !session->is_condemned && (status == PQTRANS_INTRANS || status == PQTRANS_INERROR);
}

/* Whoever goes on with this lease must not find himself in a transaction that he believes over. */
static void
leave(qpool_lease *lease, qp_pg_session *session)
{
	if (PQtransactionStatus(session->conn) != PQTRANS_IDLE &&
	    roll_back(lease, NULL) != QPOOL_OK)
		qp_pg_lease_condemn(lease, session);
}

/* A body that ended the transaction itself has had effects: it is not run again. */
static qpool_err
fail(const job *j, qpool_err said, bool *is_again, qpool_error *error)
{
	qp_pg_session *session;

	if (error->code == QPOOL_OK)
		(void)qp_pg_fault_say(error, said,
		    "the body of the transaction returned %s and filled in no error",
		    qpool_err_name(said));
	if (qp_pg_call_use(j->lease, &session, NULL) != QPOOL_OK)
		return said;
	*is_again = is_transient(error) && is_in_transaction(session);
	leave(j->lease, session);
	*is_again = *is_again && !session->is_condemned;
	return said;
}

static qpool_err
finish(const job *j, bool *is_again, qpool_error *error)
{
	qp_pg_session *session;
	qpool_err err = qp_pg_call_use(j->lease, &session, error);

	if (err != QPOOL_OK)
		return err;
	if (PQtransactionStatus(session->conn) == PQTRANS_IDLE)
		return qp_pg_fault_say(error, QPOOL_EMISUSE,
		    "the body ended the transaction itself; leave COMMIT and ROLLBACK to "
		    "qpool_pg_transaction, or run without it");
	err = commit(j->lease, error);
	if (err == QPOOL_OK)
		return QPOOL_OK;
	*is_again = err == QPOOL_EPEER && is_transient(error) && !session->is_condemned;
	leave(j->lease, session);
	return err;
}

static qpool_err
attempt(const job *j, bool *is_again, qpool_error *error)
{
	PGresult *result = NULL;
	qpool_err err = qp_pg_call_control(j->lease, j->begin, false, &result, error);

	PQclear(result);
	*is_again = false;
	if (err != QPOOL_OK)
		return err;
	err = j->body(j->user, j->lease, error);
	if (err != QPOOL_OK)
		return fail(j, err, is_again, error);
	return finish(j, is_again, error);
}

/* Without a pause: it would keep a connection and its place in the pool from others.  After 40001
 * the server has seen to it that the same rivals are no rivals any more.  After a deadlock the loser
 * may be quicker than the winner at the row that it let go of, and lose once more; that is seldom,
 * costs deadlock_timeout, and the tries are few. */
static qpool_err
repeat(const job *j, uint32_t retries, qpool_error *error)
{
	qpool_error failure;
	bool is_again;
	qpool_err err;

	do {
		memset(&failure, 0, sizeof failure);
		err = attempt(j, &is_again, &failure);
	} while (err != QPOOL_OK && is_again && retries-- > 0);
	if (err != QPOOL_OK && error != NULL)
		*error = failure;
	return err;
}

static qpool_err
check(const qpool_pg_transaction_options *options, qpool_error *error)
{
	const uint32_t access = QPOOL_PG_READ_ONLY | QPOOL_PG_READ_WRITE;
	const uint32_t known = access | QPOOL_PG_DEFERRABLE;

	if (options->isolation_level > QPOOL_PG_SERIALIZABLE)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "qpool_pg_transaction_options.isolation_level is %" PRIu32
		    "; it must be 0 (the pool's) or one of QPOOL_PG_READ_UNCOMMITTED (1) to "
		    "QPOOL_PG_SERIALIZABLE (4)",
		    options->isolation_level);
	if ((options->flags & ~known) != 0 || (options->flags & access) == access)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "qpool_pg_transaction_options.flags is 0x%" PRIx32
		    "; it may hold QPOOL_PG_READ_ONLY (1) or QPOOL_PG_READ_WRITE (2), not both, "
		    "and QPOOL_PG_DEFERRABLE (4)",
		    options->flags);
	if (options->reserved_ != 0)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "qpool_pg_transaction_options.reserved_ is %" PRIu32 "; it must be 0",
		    options->reserved_);
	return QPOOL_OK;
}

/* The session's pool decides what BEGIN must say. */
static qpool_err
prepare(job *j, const qpool_pg_transaction_options *options, qpool_error *error)
{
	qp_pg_session *session;
	qpool_err err = qp_pg_call_use(j->lease, &session, error);

	if (err != QPOOL_OK)
		return err;
	if (is_in_transaction(session))
		return qp_pg_fault_say(error, QPOOL_EMISUSE,
		    "a transaction is open on this lease; end it by qpool_pg_commit or "
		    "qpool_pg_rollback first");
	qp_pg_source_begin(
	    session->source, options->isolation_level, options->flags, j->begin, sizeof j->begin);
	return QPOOL_OK;
}

static uint32_t
retries_of(const qpool_pg_transaction_options *options)
{
	if (options->retries == 0)
		return DEFAULT_RETRIES;
	return options->retries == QPOOL_ZERO32 ? 0 : options->retries;
}

qpool_err
qpool_pg_transaction(qpool_lease *lease, const qpool_pg_transaction_options *options,
    qpool_pg_body *body, void *user, qpool_error *error)
{
	qpool_pg_transaction_options mine;
	job j = {.lease = lease, .body = body, .user = user};
	qpool_err err;

	if (body == NULL)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "body is NULL; it must be the function that the transaction runs");
	err = qp_pg_call_read(&mine, sizeof mine, options, "qpool_pg_transaction_options", error);
	if (err != QPOOL_OK || (err = check(&mine, error)) != QPOOL_OK ||
	    (err = prepare(&j, &mine, error)) != QPOOL_OK)
		return err;
	return repeat(&j, retries_of(&mine), error);
}
