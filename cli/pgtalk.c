/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pgtalk: libpq's asynchronous calls around a poll that never sleeps for long.
 */
#include "pgtalk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"

#define LOOK_EVERY 50 /* ms: for a cancellation, or the end of the patience */
#define TELL_EVERY QPOOL_MSEC(300)
#define LAST_WORDS QPOOL_SEC(2) /* for the answer to a cancellation */

/* ---- what went wrong ------------------------------------------------------------------- */

static qpool_err
broken(struct pgtalk *talk, qpool_error *error)
{
	memset(error, 0, sizeof *error);
	error->code = QPOOL_EUNKNOWN;
	snprintf(error->message, sizeof error->message, "the connection broke: %s",
	    PQerrorMessage(talk->conn));
	qpool_pg_note(talk->lease, NULL);
	qpool_spoil(talk->lease);
	return error->code;
}

static qpool_err
given_up(struct pgtalk *talk, qpool_error *error)
{
	qpool_spoil(talk->lease);
	if (talk->told)
		return QPOOL_ECANCEL;
	memset(error, 0, sizeof *error);
	error->code = QPOOL_ETIMEOUT;
	snprintf(error->message, sizeof error->message, "the server did not answer in time");
	return error->code;
}

static const char *
field(const PGresult *result, int code)
{
	const char *text = PQresultErrorField(result, code);
	return text != NULL ? text : "";
}

/* The server's words; libpq's own when there are none. */
static qpool_err
refused(struct pgtalk *talk, const PGresult *result, qpool_error *error)
{
	const char *words = field(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = field(result, PG_DIAG_MESSAGE_HINT);
	const char *state = field(result, PG_DIAG_SQLSTATE);
	if (state[0] == '\0')
		return broken(talk, error);
	memset(error, 0, sizeof *error);
	error->code = QPOOL_EPEER;
	snprintf(error->native, sizeof error->native, "%s", state);
	snprintf(error->message, sizeof error->message, "%s%s%s (SQLSTATE %s)", words,
	    hint[0] != '\0' ? "; hint: " : "", hint, state);
	qpool_pg_note(talk->lease, result);
	return talk->told && strcmp(state, "57014") == 0 ? QPOOL_ECANCEL : QPOOL_EPEER;
}

/* COPY goes on until somebody sends, or takes, what it copies. */
static qpool_err
refuse_copy(struct pgtalk *talk, qpool_error *error)
{
	memset(error, 0, sizeof *error);
	error->code = QPOOL_ENOTSUP;
	snprintf(error->message, sizeof error->message,
	    "COPY to or from the client is not run here; use a file of the server, or SELECT and INSERT");
	qpool_spoil(talk->lease);
	return error->code;
}

/* ---- an answer ------------------------------------------------------------------------- */

/* More than once if need be: it may come before the statement has begun, above all through a pooler. */
static void
tell_cancel(struct pgtalk *talk)
{
	char unheard[256];
	PGcancel *cancel = PQgetCancel(talk->conn);
	if (!talk->told)
		talk->until = duration_now() + LAST_WORDS;
	talk->told = true;
	if (cancel != NULL)
		PQcancel(cancel, unheard, sizeof unheard);
	PQfreeCancel(cancel);
	talk->tell_again = duration_now() + TELL_EVERY;
}

static bool
is_cancelled(const struct pgtalk *talk)
{
	return talk->told || (talk->cancelled != NULL && talk->cancelled(talk->user));
}

/* Until PQgetResult would not block.  Rows that come without a pause are no reason not to look. */
static qpool_err
await(struct pgtalk *talk, qpool_error *error)
{
	while (PQisBusy(talk->conn)) {
		struct pollfd socket = {.fd = PQsocket(talk->conn), .events = POLLIN};
		if (is_cancelled(talk) && duration_now() >= talk->tell_again)
			tell_cancel(talk);
		if (duration_now() >= talk->until)
			return given_up(talk, error);
		int count = poll(&socket, 1, LOOK_EVERY);
		if ((count < 0 && errno != EINTR) || (count > 0 && !PQconsumeInput(talk->conn)))
			return broken(talk, error);
	}
	return QPOOL_OK;
}

static qpool_err
judge(struct pgtalk *talk, const PGresult *result, qpool_error *error)
{
	switch (PQresultStatus(result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
		return QPOOL_OK;
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		return refuse_copy(talk, error);
	default:
		return refused(talk, result, error);
	}
}

/* All results, the last of them into *last, to clear, also if it failed.  `sent` is what PQsend... said. */
static qpool_err
answer(struct pgtalk *talk, int sent, PGresult **last, qpool_error *error)
{
	PGresult *result;
	qpool_err err = QPOOL_OK;
	*last = NULL;
	if (!sent)
		return broken(talk, error);
	while (err == QPOOL_OK || err == QPOOL_EPEER || err == QPOOL_ECANCEL) {
		qpool_err waited = await(talk, error);
		if (waited != QPOOL_OK)
			return waited;
		result = PQgetResult(talk->conn);
		if (result == NULL)
			break;
		PQclear(*last);
		*last = result;
		err = err == QPOOL_OK ? judge(talk, result, error) : err;
	}
	return err;
}

/* ---- the doors ------------------------------------------------------------------------- */

qpool_err
pgtalk_begin(struct pgtalk *talk, qpool_lease *lease, qpool_nsec patience, qpool_error *error)
{
	qpool_nsec until = patience == QPOOL_FOREVER ? patience : duration_now() + patience;
	*talk = (struct pgtalk){.lease = lease, .until = until};
	return qpool_pg_use(lease, &talk->conn, error);
}

qpool_err
pgtalk_run(struct pgtalk *talk, const char *sql, qpool_error *error)
{
	PGresult *last;
	int sent = PQsendQueryParams(talk->conn, sql, 0, NULL, NULL, NULL, NULL, 0);
	qpool_err err = answer(talk, sent, &last, error);
	PQclear(last);
	return err;
}

/* The server counts characters, from 1. */
static const char *
place(const PGconn *conn, const char *sql, const char *position)
{
	int encoding = PQclientEncoding(conn);
	const char *end = sql + strlen(sql);
	for (long left = strtol(position, NULL, 10); left > 1 && sql < end; left--)
		sql += PQmblen(sql, encoding);
	return sql < end ? sql : end;
}

qpool_err
pgtalk_prepare(struct pgtalk *talk, const char *sql, int *parameters, const char **fault_at,
    qpool_error *error)
{
	PGresult *last;
	qpool_err err = answer(talk, PQsendPrepare(talk->conn, "", sql, 0, NULL), &last, error);
	*fault_at = place(talk->conn, sql, field(last, PG_DIAG_STATEMENT_POSITION));
	PQclear(last);
	if (err != QPOOL_OK)
		return err;
	err = answer(talk, PQsendDescribePrepared(talk->conn, ""), &last, error);
	*parameters = PQnparams(last);
	PQclear(last);
	return err;
}
