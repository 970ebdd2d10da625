/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: what happens to a session between two holders, and at its end.  Opening is dial's.
 */
#include "session.h"

#include "fault.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static qpool_err
fail(const qp_smtp_session *session, qp_smtp_result result, const char *what, qpool_error *error)
{
	return qp_smtp_fault_at(
	    session->source, error, QPOOL_ECHECK, "%s: %s", what, qp_smtp_wire_words(result));
}

qpool_err
qp_smtp_session_peek(void *user, void *resource, qpool_error *error)
{
	static const char what[] = "looking at an idle session";
	qp_smtp_session *session = resource;
	qp_smtp_result result = QP_SMTP_LOST;
	qp_smtp_reply reply;

	(void)user;
	qp_smtp_reply_begin(&reply);
	if (!session->is_broken)
		result = qp_smtp_wire_silence(session, &reply);
	if (result == QP_SMTP_DONE)
		return QPOOL_OK;
	/* What comes unasked is a goodbye, most often. */
	if (reply.heard == QP_SMTP_WHOLE)
		return qp_smtp_fault_reply(session->source, error, QPOOL_ECHECK, what, &reply);
	return fail(session, result, what, error);
}

/* A command whose only right answer is 250. */
static qpool_err
ask(qp_smtp_session *session, const char *line, int64_t deadline_ns, qpool_error *error)
{
	qp_smtp_reply reply;
	qp_smtp_result result;

	if (session->is_broken)
		return fail(session, QP_SMTP_LOST, line, error);
	result = qp_smtp_wire_ask(session, line, &reply, deadline_ns);
	if (result != QP_SMTP_DONE)
		return fail(session, result, line, error);
	if (reply.code == 250)
		return QPOOL_OK;
	session->is_broken = session->is_broken || reply.code < 400;
	return qp_smtp_fault_reply(session->source, error, QPOOL_ECHECK, line, &reply);
}

/* A late answer would be taken for that to the next question, so that one without is the end. */
qpool_err
qp_smtp_session_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	(void)user;
	return ask(resource, "NOOP", qp_smtp_wire_deadline(step->budget), error);
}

qpool_err
qp_smtp_session_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	qp_smtp_session *session = resource;
	qpool_err err;

	(void)user;
	if (session->is_broken)
		return fail(session, QP_SMTP_LOST, "returning a session", error);
	if (!session->is_open)
		return QPOOL_OK;
	err = ask(session, "RSET", qp_smtp_wire_deadline(step->budget), error);
	session->is_open = err != QPOOL_OK;
	return err;
}

/* Goodbye, if it can be said at once; nobody waits for the answer.  A broken session is shut first: a
 * TLS library may hold back bytes that it would send with its own goodbye, and of a mail that was told
 * undelivered nothing may go out any more. */
void
qp_smtp_session_close(void *user, void *resource, qpool_why why)
{
	qp_smtp_session *session = resource;

	size_t sent;

	(void)user;
	(void)why;
	if (session->is_broken)
		(void)shutdown(session->fd, SHUT_RDWR);
	else if (qp_smtp_wire_look(session) == QP_SMTP_DONE)
		(void)qp_smtp_wire_send(session, "QUIT\r\n", 6, 0, &sent);
	curl_easy_cleanup(session->curl);
	free(session);
}

void
qp_smtp_session_describe(void *user, void *resource, char *out, size_t room)
{
	const qp_smtp_session *session = resource;
	long port = 0;

	(void)user;
	(void)curl_easy_getinfo(session->curl, CURLINFO_LOCAL_PORT, &port);
	if (room > 0)
		(void)snprintf(out, room, "%s from port %ld", session->source->shown, port);
}

/* libcurl's own end would say TLS's goodbye on the parent's connection: its memory is the price. */
void
qp_smtp_session_abandon(void *user, void *resource)
{
	qp_smtp_session *session = resource;

	(void)user;
	(void)close(session->fd);
	free(session);
}
