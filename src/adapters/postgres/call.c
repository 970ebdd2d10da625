/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * call: one statement and its whole answer.  The helpers' rooms come in.  An exchange is checked,
 * sent, collected, and then judged: the only place that tells a failure from a loss.  call never
 * composes SQL and never tries anything again.
 */
#include "call.h"

#include "fault.h"
#include "visit.h"
#include "wait.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

enum { MOST_PARAMETERS = 65535 }; /* the protocol counts them in 16 bits */

/*
 *   what:        for messages: "the statement", or COMMIT and the like
 *   is_outside:  no transaction is open
 *   is_in_doubt: if the answer is lost, the statement may have taken effect for good
 *   result:      the statement's, with the server's own failure if there is one
 *   row:         the first one, where only that is kept
 */
typedef struct exchange {
	qpool_lease *lease;
	qp_pg_session *session;
	const char *sql, *what;
	qpool_pg_params params;
	qpool_nsec budget;
	bool is_control, is_final, is_outside, is_in_doubt, keeps_first;
	bool is_late, is_copy;
	PGresult *result, *row;
	uint64_t row_count;
} exchange;

/* ---- what the caller gives ---------------------------------------------------------- */

qpool_err
qp_pg_call_read(void *to, size_t room, const void *from, const char *name, qpool_error *error)
{
	const unsigned char *bytes = from;
	size_t size;

	memset(to, 0, room);
	if (from == NULL)
		return QPOOL_OK;
	memcpy(&size, from, sizeof size);
	if (size < sizeof size)
		return qp_pg_fault_say(
		    error, QPOOL_EINVAL, "%s.size is %zu; start from %s_init()", name, size, name);
	for (size_t i = room; i < size; i++)
		if (bytes[i] != 0)
			return qp_pg_fault_say(error, QPOOL_ENOTSUP,
			    "%s is %zu bytes long and sets what this library (%zu bytes) does not "
			    "know, at byte %zu; use a newer one or leave it 0",
			    name, size, room, i);
	memcpy(to, from, size < room ? size : room);
	return QPOOL_OK;
}

static qpool_err
check_binary(const qpool_pg_params *params, uint32_t i, qpool_error *error)
{
	if (params->formats[i] == 0 || params->values == NULL || params->values[i] == NULL)
		return QPOOL_OK;
	if (params->lengths == NULL)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "qpool_pg_params.lengths is NULL, but formats says that $%" PRIu32
		    " is binary; give its length in bytes",
		    i + 1);
	if (params->lengths[i] < 0)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "qpool_pg_params.lengths is %d for $%" PRIu32 "; it must be 0 or more",
		    params->lengths[i], i + 1);
	return QPOOL_OK;
}

static qpool_err
check_formats(const qpool_pg_params *params, qpool_error *error)
{
	qpool_err err = QPOOL_OK;

	if (params->formats == NULL)
		return QPOOL_OK;
	for (uint32_t i = 0; i < params->count && err == QPOOL_OK; i++)
		if (params->formats[i] != 0 && params->formats[i] != 1)
			err = qp_pg_fault_say(error, QPOOL_EINVAL,
			    "qpool_pg_params.formats is %d for $%" PRIu32
			    "; it must be 0 (text) or 1 (binary)",
			    params->formats[i], i + 1);
		else
			err = check_binary(params, i, error);
	return err;
}

static qpool_err
check_params(const qpool_pg_params *params, qpool_error *error)
{
	if (params->count > MOST_PARAMETERS)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "qpool_pg_params.count is %" PRIu32 "; it must be at most %d; pass an array "
		    "as one parameter, or use COPY",
		    params->count, MOST_PARAMETERS);
	if (params->binary > 1)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "qpool_pg_params.binary is %" PRIu32 "; it must be 0 (text) or 1 (binary)",
		    params->binary);
	if (params->timeout < 0)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "qpool_pg_params.timeout is %" PRId64 " ns; it must be 0 (the default, "
		    "call_timeout), a duration or QPOOL_FOREVER",
		    params->timeout);
	return check_formats(params, error);
}

static const char *
skip_comment(const char *at)
{
	unsigned depth = 0;

	if (at[0] == '-')
		return at + strcspn(at, "\n");
	do {
		bool opens = at[0] == '/' && at[1] == '*';
		bool closes = at[0] == '*' && at[1] == '/';
		depth = depth + opens - closes;
		at += opens || closes ? 2 : 1;
	} while (depth > 0 && *at != '\0');
	return at;
}

static const char *
first_word(const char *at)
{
	for (;;)
		if (isspace((unsigned char)*at) || *at == ';')
			at++;
		else if ((at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*'))
			at = skip_comment(at);
		else
			return at;
}

/* May `sql` make a transaction last?  The holder's own COMMIT is as final as ours. */
static bool
is_commit(const char *sql)
{
	static const char *const words[] = {"commit", "end", "prepare"};
	const char *word = first_word(sql);
	size_t length = 0;

	while (isalpha((unsigned char)word[length]))
		length++;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strlen(words[i]) == length && strncasecmp(word, words[i], length) == 0)
			return true;
	return false;
}

/* ---- sending ------------------------------------------------------------------------ */

/* Nothing has been sent yet, so a connection that is gone leaves nothing in doubt. */
static qpool_err
check_state(const exchange *x, qpool_error *error)
{
	PGconn *conn = x->session->conn;

	if (x->session->is_condemned || PQstatus(conn) != CONNECTION_OK) {
		(void)qp_pg_lease_note(x->lease, x->session, NULL);
		return qp_pg_fault_say(error, QPOOL_EPEER,
		    "%s was not sent: the connection of this lease is lost or was given up, and "
		    "with it its open transaction; release the lease and acquire another",
		    x->what);
	}
	if (PQpipelineStatus(conn) != PQ_PIPELINE_OFF)
		return qp_pg_fault_say(error, QPOOL_EMISUSE,
		    "%s was not sent: the connection is in pipeline mode; end it by "
		    "PQexitPipelineMode before you use a helper",
		    x->what);
	if (PQtransactionStatus(conn) == PQTRANS_ACTIVE)
		return qp_pg_fault_say(error, QPOOL_EMISUSE,
		    "%s was not sent: a result of the statement before is unread, or a COPY goes "
		    "on; call PQgetResult until it returns NULL",
		    x->what);
	return QPOOL_OK;
}

static bool
send_text(const exchange *x)
{
	const qpool_pg_params *p = &x->params;

	if (x->is_control)
		return PQsendQuery(x->session->conn, x->sql) == 1;
	return PQsendQueryParams(x->session->conn, x->sql, (int)p->count, p->types, p->values,
		   p->lengths, p->formats, (int)p->binary) == 1 &&
	       (!x->keeps_first || PQsetSingleRowMode(x->session->conn) == 1);
}

/* ---- collecting --------------------------------------------------------------------- */

static bool
is_success(const PGresult *result)
{
	switch (PQresultStatus(result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
		return true;
	default:
		return false;
	}
}

/* The severity, in English whatever the server's language; "" without one.  Poolers send only the
 * one that may be translated, and do not translate it. */
static const char *
severity_of(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity == NULL)
		severity = PQresultErrorField(result, PG_DIAG_SEVERITY);
	return severity != NULL ? severity : "";
}

static const char *
sqlstate_of(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return sqlstate != NULL ? sqlstate : "";
}

/* A failure counts though a success came before it: what is deferred fails only when the
 * transaction ends, after the statement's own success.  The first failure with a SQLSTATE is the
 * server's; what libpq says afterwards, that the connection closed, follows from it. */
static void
take(exchange *x, PGresult *result)
{
	if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
		x->row_count++;
		if (x->row == NULL)
			x->row = result;
		else
			PQclear(result);
	} else if (x->result == NULL || sqlstate_of(x->result)[0] == '\0') {
		PQclear(x->result);
		x->result = result;
	} else {
		PQclear(result);
	}
}

/* The statement asks for data, or sends some, that nobody here has or wants.  What it
 * sends may be long; that session is not worth the wait.  Returns whether there is more to read. */
static bool
refuse_copy(exchange *x, PGresult *result)
{
	bool is_in = PQresultStatus(result) == PGRES_COPY_IN;

	x->is_copy = true;
	PQclear(result);
	if (is_in && PQputCopyEnd(x->session->conn, "a helper has no data for COPY") == 1)
		return true;
	qp_pg_lease_condemn(x->lease, x->session);
	return false;
}

/* Returns whether there is more to read.  After FATAL only the end of the connection comes, and
 * that may never arrive. */
static bool
collect_one(exchange *x)
{
	PGresult *result = PQgetResult(x->session->conn);

	if (result == NULL)
		return false;
	switch (PQresultStatus(result)) {
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		return refuse_copy(x, result);
	default:
		take(x, result);
		return x->result == NULL || !qp_pg_session_is_fatal(x->result);
	}
}

static void
collect(exchange *x, int64_t deadline_ns)
{
	PGconn *conn = x->session->conn;
	qp_pg_waited waited;

	do {
		waited = qp_pg_wait_result(conn, deadline_ns);
		/* Rows that come one by one may never cease to: then nothing is waited for. */
		x->is_late =
		    waited == QP_PG_LATE || (x->row_count > 0 && qp_pg_wait_now() >= deadline_ns);
		/* A broken connection still hands out what it had read; but PQgetResult must not
		 * wait on one that libpq believes in. */
		if (x->is_late || (waited == QP_PG_BROKEN && PQstatus(conn) == CONNECTION_OK))
			return;
	} while (collect_one(x));
}

/* ---- judging ------------------------------------------------------------------------ */

static qpool_err
judge_late(const exchange *x, qpool_error *error)
{
	const int64_t msec = x->budget / 1000000 + (x->budget % 1000000 != 0);

	qp_pg_lease_condemn(x->lease, x->session);
	if (x->is_in_doubt)
		return qp_pg_fault_say(error, QPOOL_EUNKNOWN,
		    "%s got no answer within %" PRId64 " ms and may or may not have taken effect; "
		    "the connection is given up",
		    x->what, msec);
	return qp_pg_fault_say(error, QPOOL_ETIMEOUT,
	    "%s got no answer within %" PRId64 " ms; the connection is given up%s", x->what, msec,
	    x->is_outside ? "" : ", and with it the open transaction");
}

static qpool_err
judge_copy(const exchange *x, qpool_error *error)
{
	(void)qp_pg_lease_note(x->lease, x->session, x->result);
	return qp_pg_fault_say(error, QPOOL_EINVAL,
	    "COPY from or to the client cannot run in a helper; run it through libpq on "
	    "qpool_pg_conn");
}

static qpool_err
judge_loss(const exchange *x, qpool_error *error)
{
	char what[128];

	/* First the words: to condemn may end what they are read from. */
	(void)snprintf(what, sizeof what, "%s lost its connection%s", x->what,
	    x->is_in_doubt  ? " and may or may not have taken effect"
	    : x->is_outside ? ""
			    : ", and with it the open transaction");
	(void)qp_pg_fault_conn(
	    error, x->is_in_doubt ? QPOOL_EUNKNOWN : QPOOL_EPEER, what, x->session->conn);
	(void)qp_pg_lease_note(x->lease, x->session, x->result);
	qp_pg_lease_condemn(x->lease, x->session);
	return x->is_in_doubt ? QPOOL_EUNKNOWN : QPOOL_EPEER;
}

/* Does the server's answer leave open what became of the statement?  08xxx and FATAL is a pooler
 * that lost the server behind it; a PANIC may strike after the commit is written; 40003 and 08007
 * say it themselves.  A COMMIT that ends in FATAL may be done here and not on the standby. */
static bool
leaves_doubt(const exchange *x)
{
	const char *sqlstate = sqlstate_of(x->result);
	bool is_over = qp_pg_session_is_fatal(x->result);

	if (!x->is_in_doubt)
		return false;
	return (x->is_final && is_over) || strcmp(severity_of(x->result), "PANIC") == 0 ||
	       (is_over && strncmp(sqlstate, "08", 2) == 0) || strcmp(sqlstate, "40003") == 0 ||
	       strcmp(sqlstate, "08007") == 0;
}

static qpool_err
judge_failure(const exchange *x, qpool_error *error)
{
	bool is_unknown = leaves_doubt(x);
	char what[96];
	qpool_err err;

	(void)snprintf(what, sizeof what, "%s%s", x->what,
	    is_unknown ? ", which may or may not have taken effect" : "");
	err = qp_pg_fault_result(error, is_unknown ? QPOOL_EUNKNOWN : QPOOL_EPEER, what, x->result);
	(void)qp_pg_lease_note(x->lease, x->session, x->result);
	if (is_unknown || qp_pg_session_is_fatal(x->result))
		qp_pg_lease_condemn(x->lease, x->session);
	return err;
}

/* A failure without a SQLSTATE is libpq's, not the server's: the answer has not come. */
static qpool_err
judge(const exchange *x, qpool_error *error)
{
	if (x->is_late)
		return judge_late(x, error);
	if (x->is_copy)
		return judge_copy(x, error);
	if (x->result != NULL && is_success(x->result) &&
	    PQtransactionStatus(x->session->conn) != PQTRANS_ACTIVE)
		return QPOOL_OK;
	if (x->result == NULL || sqlstate_of(x->result)[0] == '\0')
		return judge_loss(x, error);
	return judge_failure(x, error);
}

/* ---- the whole ---------------------------------------------------------------------- */

static qpool_err
judge_unsent(const exchange *x, qpool_error *error)
{
	if (PQstatus(x->session->conn) != CONNECTION_OK)
		return judge_loss(x, error);
	/* Half a message may be in libpq's buffer. */
	(void)qp_pg_fault_conn(error, QPOOL_ENOMEM, x->what, x->session->conn);
	qp_pg_lease_condemn(x->lease, x->session);
	return QPOOL_ENOMEM;
}

/* Non-blocking meanwhile: else libpq would send a long statement without looking at our clock. */
static qpool_err
converse(exchange *x, qpool_error *error)
{
	PGconn *conn = x->session->conn;
	int was_nonblocking = PQisnonblocking(conn);
	int64_t deadline_ns = qp_pg_wait_deadline(x->budget);
	bool is_sent;

	(void)PQsetnonblocking(conn, 1);
	is_sent = send_text(x);
	if (is_sent)
		collect(x, deadline_ns);
	(void)PQsetnonblocking(conn, was_nonblocking);
	return is_sent ? judge(x, error) : judge_unsent(x, error);
}

static qpool_err
begin(exchange *x, qpool_error *error)
{
	qpool_err err = qp_pg_lease_use(x->lease, !x->is_control, &x->session, error);

	if (err != QPOOL_OK || (err = check_state(x, error)) != QPOOL_OK)
		return err;
	x->is_outside = PQtransactionStatus(x->session->conn) == PQTRANS_IDLE;
	x->is_in_doubt = x->is_final || (x->is_outside && !x->is_control);
	x->budget = x->params.timeout != 0 ? x->params.timeout : x->session->source->call_timeout;
	return QPOOL_OK;
}

/* On success *out is the result, the caller's; else nothing is left. */
static qpool_err
run(exchange *x, PGresult **out, qpool_error *error)
{
	qp_pg_visit visit = qp_pg_visit_begin();
	qpool_err err = begin(x, error);

	if (err == QPOOL_OK)
		err = converse(x, error);
	if (err == QPOOL_OK)
		*out = x->result;
	else
		PQclear(x->result);
	qp_pg_visit_end(visit);
	return err;
}

static qpool_err
prepare(exchange *x, qpool_lease *lease, const char *sql, const qpool_pg_params *params,
    qpool_error *error)
{
	qpool_err err;

	memset(x, 0, sizeof *x);
	x->lease = lease;
	x->sql = sql;
	x->what = "the statement";
	if (sql == NULL)
		return qp_pg_fault_say(
		    error, QPOOL_EINVAL, "sql is NULL; it must be the text of a statement");
	err = qp_pg_call_read(&x->params, sizeof x->params, params, "qpool_pg_params", error);
	if (err != QPOOL_OK)
		return err;
	x->is_final = is_commit(sql);
	return check_params(&x->params, error);
}

qpool_err
qp_pg_call_use(qpool_lease *lease, qp_pg_session **out, qpool_error *error)
{
	qp_pg_visit visit = qp_pg_visit_begin();
	qpool_err err = qp_pg_lease_use(lease, false, out, error);

	qp_pg_visit_end(visit);
	return err;
}

qpool_err
qp_pg_call(qpool_lease *lease, const char *sql, const qpool_pg_params *params, PGresult **out,
    qpool_error *error)
{
	exchange x;
	qpool_err err = prepare(&x, lease, sql, params, error);

	return err == QPOOL_OK ? run(&x, out, error) : err;
}

/* The last result of a statement read row by row has everything but the rows. */
static bool
put_row(PGresult *to, const PGresult *row)
{
	bool is_put = true;

	for (int i = 0; i < PQnfields(row) && is_put; i++)
		is_put = PQgetisnull(row, 0, i) ? PQsetvalue(to, 0, i, NULL, -1) != 0
		                                : PQsetvalue(to, 0, i, PQgetvalue(row, 0, i),
						      PQgetlength(row, 0, i)) != 0;
	return is_put;
}

qpool_err
qp_pg_call_first(qpool_lease *lease, const char *sql, const qpool_pg_params *params, PGresult **out,
    qpool_pg_rows *rows, qpool_error *error)
{
	exchange x;
	PGresult *result = NULL;
	qpool_err err = prepare(&x, lease, sql, params, error);

	if (err != QPOOL_OK)
		return err;
	x.keeps_first = true;
	err = run(&x, &result, error);
	if (err == QPOOL_OK && x.row != NULL && !put_row(result, x.row)) {
		PQclear(result);
		err = qp_pg_fault_say(error, QPOOL_ENOMEM,
		    "no memory for the first row of a statement that has taken effect");
	}
	PQclear(x.row);
	if (err != QPOOL_OK)
		return err;
	*out = result;
	*rows = x.row_count == 0   ? QPOOL_PG_NO_ROW
	        : x.row_count == 1 ? QPOOL_PG_ONE_ROW
	                           : QPOOL_PG_MORE_ROWS;
	return QPOOL_OK;
}

qpool_err
qp_pg_call_control(
    qpool_lease *lease, const char *sql, bool is_final, PGresult **out, qpool_error *error)
{
	exchange x = {
	    .lease = lease, .sql = sql, .what = "BEGIN", .is_control = true, .is_final = is_final};

	if (strncmp(sql, "BEGIN", 5) != 0)
		x.what = sql;
	return run(&x, out, error);
}
