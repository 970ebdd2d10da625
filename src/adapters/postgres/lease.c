/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease: the first use of a lease runs on_lease; any use opens a transaction where the pool has no
 * autocommit.  A lease that is never used costs the server nothing.
 */
#include "lease.h"

#include "fault.h"
#include "visit.h"
#include "wait.h"

#include <poll.h>

const char qp_pg_kind[] = "postgres";

static qp_pg_session *
session_of(const qpool_lease *lease)
{
	qpool *pool = lease == NULL ? NULL : qpool_of(lease);

	/* Compared by content: a wrapper or another copy of this library has its own "postgres". */
	if (pool == NULL || strcmp(qpool_kind(pool), qp_pg_kind) != 0)
		return NULL;
	/* A copy of a lease that has ended points at somebody else's session, or at none. */
	return qpool_resource_id(lease) == 0 ? NULL : lease->resource;
}

typedef struct looked_for {
	uint64_t id;
	const char *site;
} looked_for;

static bool
note_site(void *user, const qpool_entry *entry)
{
	looked_for *wanted = user;

	if (entry->resource_id != wanted->id)
		return true;
	wanted->site = entry->site;
	return false;
}

static qpool_err
first_use(qpool_lease *lease, qp_pg_session *session, qpool_error *error)
{
	const qpool_pg_options *options = &session->source->options;
	looked_for at = {.id = qpool_resource_id(lease)};
	qpool_error words = {0};
	qpool_err err;

	session->is_touched = true;
	qp_pg_session_busy(session, true);
	if (options->on_dirty != NULL) {
		(void)qpool_each(qpool_of(lease), note_site, &at);
		session->site = at.site;
	}
	if (options->on_lease == NULL)
		return QPOOL_OK;
	/* Not the caller's: that may be NULL, or hold anything. */
	err = options->on_lease(options->user, session->conn, &words);
	return err == QPOOL_OK ? err : qp_pg_fault_callback(error, err, "on_lease", &words);
}

static qpool_err
begin(qp_pg_session *session, qpool_error *error)
{
	const qp_pg_source *source = session->source;
	qpool_err err;

	if ((source->options.flags & QPOOL_PG_TRANSACTION) == 0 ||
	    PQtransactionStatus(session->conn) != PQTRANS_IDLE ||
	    PQpipelineStatus(session->conn) != PQ_PIPELINE_OFF)
		return QPOOL_OK;
	err = qp_pg_session_run(
	    session, source->begin, "BEGIN", qp_pg_wait_deadline(source->call_timeout), error);
	return err == QPOOL_OK ? err : QPOOL_EPEER;
}

/* Ready for a holder, or never: without what on_lease sets up it must not be worked with. */
static qpool_err
make_ready(qpool_lease *lease, qp_pg_session *session, bool begins, qpool_error *error)
{
	qpool_err err = QPOOL_OK;

	if (session->is_refused)
		return qp_pg_fault_say(error, QPOOL_EPEER,
		    "on_lease or BEGIN failed for this lease before; release it and acquire another");
	if (!session->is_touched)
		err = first_use(lease, session, error);
	if (err == QPOOL_OK && begins)
		err = begin(session, error);
	session->is_refused = err != QPOOL_OK;
	return err;
}

qpool_err
qp_pg_lease_use(qpool_lease *lease, bool begins, qp_pg_session **out, qpool_error *error)
{
	qp_pg_session *session = session_of(lease);
	qpool_err err;

	if (session == NULL) {
		(void)qp_pg_fault_say(error, QPOOL_EMISUSE,
		    "the lease is %s; pass one that a pool of qpool_pg_create lent",
		    lease == NULL || lease->resource == NULL ? "empty"
		    : qpool_resource_id(lease) == 0          ? "over"
							     : "of another kind of pool");
		return QPOOL_EMISUSE;
	}
	err = make_ready(lease, session, begins, error);
	if (err != QPOOL_OK) {
		qp_pg_lease_condemn(lease, session);
		if (error != NULL)
			error->code = err;
		return err;
	}
	*out = session;
	return QPOOL_OK;
}

void
qp_pg_lease_condemn(qpool_lease *lease, qp_pg_session *session)
{
	session->is_condemned = true;
	(void)qpool_spoil(lease);
}

/* When the server said a word before it went, libpq tells of its own failed write and goes on
 * believing in the connection: PQstatus is still CONNECTION_OK. */
static bool
is_hung_up(const PGconn *conn)
{
	struct pollfd at = {.fd = PQsocket(conn), .events = POLLRDHUP};

	return at.fd < 0 || (poll(&at, 1, 0) > 0 && at.revents != 0);
}

static bool
is_lost(const qp_pg_session *session, const PGresult *result)
{
	const char *code;

	if (PQstatus(session->conn) == CONNECTION_BAD || session->is_condemned)
		return true;
	code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (code == NULL) /* not the server's error */
		return (result == NULL || PQresultStatus(result) == PGRES_FATAL_ERROR) &&
		       is_hung_up(session->conn);
	if (qp_pg_session_is_fatal(result))
		return true;
	return strcmp(code, "25006") == 0 && qp_pg_session_lost_its_writes(session);
}

bool
qp_pg_lease_note(qpool_lease *lease, qp_pg_session *session, const PGresult *result)
{
	if (!is_lost(session, result))
		return false;
	qp_pg_lease_condemn(lease, session);
	qpool_suspect(qpool_of(lease));
	return true;
}

/* ---- the public ones ---- */

qpool_err
qpool_pg_use(qpool_lease *lease, PGconn **out, qpool_error *error)
{
	qp_pg_session *session = NULL;
	qp_pg_visit visit;
	qpool_err err;

	if (out == NULL)
		return qp_pg_fault_say(
		    error, QPOOL_EINVAL, "out is NULL; it must point to what is to be filled");
	visit = qp_pg_visit_begin();
	err = qp_pg_lease_use(lease, true, &session, error);
	qp_pg_visit_end(visit);
	*out = session != NULL ? session->conn : NULL;
	return err;
}

PGconn *
qpool_pg_conn(qpool_lease *lease)
{
	PGconn *conn;

	return qpool_pg_use(lease, &conn, NULL) == QPOOL_OK ? conn : NULL;
}

uint64_t
qpool_pg_epoch(const qpool_lease *lease)
{
	const qp_pg_session *session = session_of(lease);

	return session == NULL ? 0 : session->epoch;
}

PGconn *
qpool_pg_detach(qpool_lease *lease)
{
	qp_pg_session *session = session_of(lease);
	PGconn *conn;

	if (session == NULL || qpool_detach(lease) == NULL)
		return NULL;
	conn = session->conn;
	(void)PQsetNoticeReceiver(conn, session->usual_receiver, NULL);
	qp_pg_session_free(session);
	return conn;
}

bool
qpool_pg_note(qpool_lease *lease, const PGresult *result)
{
	qp_pg_session *session = session_of(lease);
	qp_pg_visit visit = qp_pg_visit_begin();
	bool is_spoiled = session != NULL && qp_pg_lease_note(lease, session, result);

	qp_pg_visit_end(visit);
	return is_spoiled;
}
