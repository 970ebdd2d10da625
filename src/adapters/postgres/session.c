/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: from connect to the last close.  What a return must undo is reset's.
 *
 *     open --- idle <----------------------- reset
 *                |  peek, check                ^
 *                |                             |
 *                \---> lent: untouched, touched
 *                                 \ fatal error: condemned ---> close
 */
#include "session.h"

#include "dial.h"
#include "dirty.h"
#include "fault.h"
#include "replay.h"
#include "settle.h"
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void
qp_pg_session_busy(qp_pg_session *session, bool is_busy)
{
	atomic_store_explicit(&session->is_busy, is_busy, memory_order_relaxed);
}

/* PgBouncer sends no severity but the one that others translate; its own is English. */
bool
qp_pg_session_is_fatal(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity == NULL)
		severity = PQresultErrorField(result, PG_DIAG_SEVERITY);
	return severity != NULL &&
	       (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

/* The server's last words to an idle session ("terminating connection...") come as a notice. */
void
qp_pg_session_notice(void *about, const PGresult *notice)
{
	qp_pg_session *session = about;
	const qpool_pg_options *options = &session->source->options;

	if (qp_pg_session_is_fatal(notice))
		session->is_condemned = true;
	if (options->on_notice != NULL)
		options->on_notice(options->user, notice);
}

static bool
says_on(const PGconn *conn, const char *parameter)
{
	const char *value = PQparameterStatus(conn, parameter);

	return value != NULL && strcmp(value, "on") == 0;
}

static bool
may_write(const PGconn *conn)
{
	return !says_on(conn, "in_hot_standby") && !says_on(conn, "default_transaction_read_only");
}

bool
qp_pg_session_lost_its_writes(const qp_pg_session *session)
{
	return session->was_writable && !may_write(session->conn);
}

/* ---- running our own statements ---- */

qpool_err
qp_pg_session_no_answer(
    qp_pg_session *session, qp_pg_waited waited, const char *what, qpool_error *error)
{
	session->is_condemned = true;
	if (waited == QP_PG_LATE)
		return qp_pg_fault_say(
		    error, QPOOL_ECHECK, "postgres: no answer to %s within the budget", what);
	return qp_pg_fault_conn(error, QPOOL_ECHECK, what, session->conn);
}

static qpool_err
run(qp_pg_session *session, const char *sql, const char *what, int64_t deadline_ns,
    qpool_error *error)
{
	PGconn *conn = session->conn;
	qpool_err err = QPOOL_OK;
	qp_pg_waited waited;
	PGresult *result;

	if (!PQsendQuery(conn, sql))
		return qp_pg_session_no_answer(session, QP_PG_BROKEN, what, error);
	for (;;) {
		waited = qp_pg_wait_result(conn, deadline_ns);
		if (waited != QP_PG_READY)
			return qp_pg_session_no_answer(session, waited, what, error);
		result = PQgetResult(conn);
		if (result == NULL)
			break;
		if (PQresultStatus(result) == PGRES_FATAL_ERROR && err == QPOOL_OK)
			err = qp_pg_fault_result(error, QPOOL_EPEER, what, result);
		session->is_condemned = session->is_condemned || qp_pg_session_is_fatal(result);
		PQclear(result);
	}
	if (PQstatus(conn) == CONNECTION_BAD)
		session->is_condemned = true;
	return err;
}

qpool_err
qp_pg_session_run(qp_pg_session *session, const char *sql, const char *what, int64_t deadline_ns,
    qpool_error *error)
{
	int was_nonblocking = PQisnonblocking(session->conn);
	qpool_err err;

	/* So that a peer that reads nothing cannot hold us in a write. */
	(void)PQsetnonblocking(session->conn, 1);
	err = run(session, sql, what, deadline_ns, error);
	if (!session->is_condemned)
		(void)PQsetnonblocking(session->conn, was_nonblocking);
	return err;
}

/* ---- running the program's callbacks ---- */

void
qp_pg_session_new_epoch(qp_pg_session *session)
{
	session->epoch =
	    1 + atomic_fetch_add_explicit(&session->source->epochs, 1, memory_order_relaxed);
}

/* Whoever has the session next must find it idle. */
static qpool_err
must_be_idle(qp_pg_session *session, const char *what, qpool_err code, qpool_error *error)
{
	const PGconn *conn = session->conn;

	if (PQstatus(conn) == CONNECTION_BAD || session->is_condemned)
		return qp_pg_fault_conn(error, code, what, conn);
	if (PQtransactionStatus(conn) != PQTRANS_IDLE)
		return qp_pg_fault_say(error, code,
		    "postgres: %s left a transaction or a result open; end it there", what);
	if (PQpipelineStatus(conn) != PQ_PIPELINE_OFF)
		return qp_pg_fault_say(
		    error, code, "postgres: %s left a pipeline open; end it there", what);
	return QPOOL_OK;
}

qpool_err
qp_pg_session_call(qp_pg_session *session, qp_pg_session_fn *fn, const char *what, qpool_err code,
    const qpool_step *step, int64_t deadline_ns, qpool_error *error)
{
	qpool_step rest = *step;
	qpool_error words = {0};
	qpool_err err;

	if (fn == NULL)
		return QPOOL_OK;
	if (deadline_ns != INT64_MAX)
		rest.budget = deadline_ns - qp_pg_wait_now();
	if (rest.budget < 0)
		rest.budget = 0;
	err = fn(session->source->options.user, session->conn, &rest, &words);
	if (err != QPOOL_OK)
		return qp_pg_fault_callback(error, err, what, &words);
	return must_be_idle(session, what, code, error);
}

/* ---- open ---- */

/* A statement that the server will never take is as final as a wrong password. */
static qpool_err
as_open_error(qpool_err err, qpool_error *error)
{
	bool is_final = err == QPOOL_EPEER && strncmp(error->native, "42", 2) == 0;

	error->code = is_final ? QPOOL_EDENIED : QPOOL_EOPEN;
	return error->code;
}

static qpool_err
run_at_connect(qp_pg_session *session, int64_t deadline_ns, qpool_error *error)
{
	const char *const *statements = session->source->options.at_connect;
	qpool_err err;

	if (statements == NULL || statements[0] == NULL)
		return QPOOL_OK;
	err = qp_pg_replay(session, NULL, deadline_ns, error);
	return err == QPOOL_OK ? err : as_open_error(err, error);
}

static qpool_err
prepare(qp_pg_session *session, const qpool_step *step, int64_t deadline_ns, qpool_error *error)
{
	qpool_err err;

	qp_pg_session_new_epoch(session);
	if ((err = run_at_connect(session, deadline_ns, error)) != QPOOL_OK ||
	    (err = qp_pg_session_call(session, session->source->options.on_connect, "on_connect",
		 QPOOL_EOPEN, step, deadline_ns, error)) != QPOOL_OK)
		return err;
	/* Not before: what the program itself made read-only has lost nothing. */
	session->was_writable = may_write(session->conn);
	/* What on_connect set in libpq would last for one lease; none is more honest. */
	qp_pg_settle_client(session);
	if (session->source->options.on_dirty == NULL)
		return QPOOL_OK;
	err = qp_pg_dirty_learn(session, deadline_ns, error);
	return err == QPOOL_OK ? err : as_open_error(err, error);
}

void
qp_pg_session_free(qp_pg_session *session)
{
	qp_pg_dirty_forget(session->at_first);
	free(session);
}

/* The end of a session that is not sound: nothing may wait for its peer. */
static void
cut(PGconn *conn)
{
	if (PQsocket(conn) >= 0)
		(void)shutdown(PQsocket(conn), SHUT_RDWR);
}

qpool_err
qp_pg_session_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	int64_t deadline_ns = qp_pg_wait_deadline(step->budget);
	qp_pg_session *session = calloc(1, sizeof *session);
	qpool_error unread;
	qpool_err err;

	if (error == NULL) /* the SQLSTATE in it decides */
		error = &unread;
	if (session == NULL)
		return qp_pg_fault_say(error, QPOOL_ENOMEM, "postgres: no memory for a session");
	session->source = user;
	atomic_init(&session->is_busy, true);
	err = qp_pg_dial(user, deadline_ns, qp_pg_session_notice, session, &session->usual_receiver,
	    &session->conn, error);
	if (err == QPOOL_OK) {
		err = prepare(session, step, deadline_ns, error);
		if (err != QPOOL_OK) {
			cut(session->conn);
			qp_pg_dial_end(session->conn);
		}
	}
	if (err != QPOOL_OK) {
		qp_pg_session_free(session);
		return err;
	}
	qp_pg_session_busy(session, false);
	*out = session;
	return QPOOL_OK;
}

/* ---- before a lease ---- */

enum { LOOKS = 4 }; /* at what keeps coming; then let check ask */

static qpool_err
say_dead(qpool_error *error)
{
	return qp_pg_fault_say(
	    error, QPOOL_ECHECK, "postgres: the server closed the connection while it was idle");
}

/* Judge what came to an idle session: notices, parameters, TLS's tickets, or last words. */
static qpool_err
judge(qp_pg_session *session, qpool_error *error)
{
	PGconn *conn = session->conn;

	(void)PQisBusy(conn); /* looks at what was read */
	if (PQstatus(conn) == CONNECTION_BAD || session->is_condemned)
		return say_dead(error);
	if (qp_pg_session_lost_its_writes(session))
		return qp_pg_fault_say(
		    error, QPOOL_ECHECK, "postgres: the server no longer lets this session write");
	return QPOOL_OK;
}

static qpool_err
look(qp_pg_session *session, qpool_error *error)
{
	if (session->is_condemned)
		return say_dead(error);
	for (int i = 0; i < LOOKS; i++) {
		struct pollfd at = {.fd = PQsocket(session->conn), .events = POLLIN | POLLRDHUP};
		int count = poll(&at, 1, 0);
		qpool_err err;

		if (count == 0)
			return session->is_asked ? QPOOL_EAGAIN : QPOOL_OK;
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 || (at.revents & ~POLLIN) != 0)
			return say_dead(error);
		err = PQconsumeInput(session->conn) ? judge(session, error) : say_dead(error);
		if (err != QPOOL_OK)
			return err;
	}
	return QPOOL_EAGAIN;
}

qpool_err
qp_pg_session_peek(void *user, void *resource, qpool_error *error)
{
	qp_pg_session *session = resource;
	qpool_err err;

	(void)user;
	qp_pg_session_busy(session, true);
	err = look(session, error);
	qp_pg_session_busy(session, false);
	return err;
}

/* An answer that is late may still come: the next check goes on waiting for it. */
static qpool_err
ask(qp_pg_session *session, int64_t deadline_ns, qpool_error *error)
{
	PGconn *conn = session->conn;
	qp_pg_waited waited = QP_PG_READY;

	if (!session->is_asked && !PQsendQuery(conn, ""))
		return say_dead(error);
	session->is_asked = true;
	for (;;) {
		PGresult *result;
		bool is_bad;

		waited = qp_pg_wait_result(conn, deadline_ns);
		if (waited == QP_PG_LATE)
			return qp_pg_fault_say(error, QPOOL_EAGAIN,
			    "postgres: no answer to an empty query within the budget");
		if (waited == QP_PG_BROKEN)
			return say_dead(error);
		result = PQgetResult(conn);
		if (result == NULL)
			break;
		is_bad = PQresultStatus(result) != PGRES_EMPTY_QUERY;
		if (is_bad)
			(void)qp_pg_fault_result(error, QPOOL_ECHECK, "an empty query", result);
		PQclear(result);
		if (is_bad)
			return QPOOL_ECHECK;
	}
	session->is_asked = false;
	return judge(session, error);
}

qpool_err
qp_pg_session_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	qp_pg_session *session = resource;
	qpool_err err;

	(void)user;
	if (session->is_condemned)
		return say_dead(error);
	qp_pg_session_busy(session, true);
	(void)PQsetnonblocking(session->conn, 1);
	err = ask(session, qp_pg_wait_deadline(step->budget), error);
	if (err == QPOOL_OK)
		(void)PQsetnonblocking(session->conn, 0);
	else if (err != QPOOL_EAGAIN)
		session->is_condemned = true;
	qp_pg_session_busy(session, false);
	return err;
}

/* ---- its end ---- */

/* Terminate is sent only on a sound, idle connection, where it fits the socket's buffer. */
void
qp_pg_session_close(void *user, void *resource, qpool_why why)
{
	qp_pg_session *session = resource;

	(void)user;
	if (why == QPOOL_WHY_CHECK || session->is_condemned || session->is_asked ||
	    PQtransactionStatus(session->conn) == PQTRANS_ACTIVE ||
	    PQtransactionStatus(session->conn) == PQTRANS_UNKNOWN)
		cut(session->conn);
	qp_pg_dial_end(session->conn);
	qp_pg_session_free(session);
}

void
qp_pg_session_describe(void *user, void *resource, char *out, size_t room)
{
	const qp_pg_session *session = resource;
	const PGconn *conn = session->conn;

	(void)user;
	if (session->source->options.pooler == QPOOL_PG_POOLER_NONE)
		(void)snprintf(out, room, "pid %d at %s:%s, database %s", PQbackendPID(conn),
		    PQhost(conn), PQport(conn), PQdb(conn));
	else /* what it says of a pid is made up */
		(void)snprintf(out, room, "pooler at %s:%s, database %s", PQhost(conn),
		    PQport(conn), PQdb(conn));
	qp_pg_fault_clean(out);
}

/* The socket becomes /dev/null, so that nothing that libpq says on its way out reaches the parent's
 * server.  If a thread of the parent was inside libpq its memory may be in pieces: it is left. */
void
qp_pg_session_abandon(void *user, void *resource)
{
	qp_pg_session *session = resource;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd = PQsocket(session->conn);
	bool is_cut = fd < 0 || (null >= 0 && dup3(null, fd, O_CLOEXEC) >= 0);

	(void)user;
	if (null >= 0)
		(void)close(null);
	if (!is_cut)
		(void)close(fd);
	if (!is_cut || atomic_load_explicit(&session->is_busy, memory_order_relaxed))
		return;
	PQfinish(session->conn);
	qp_pg_session_free(session);
}
