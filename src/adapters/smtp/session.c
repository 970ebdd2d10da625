/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: what happens to a session between two holders, and at its end.  Opening is dial's.
 */
#include "session.h"

#include "fault.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static qpool_err
fail(const qp_smtp_session *session, qp_smtp_result result, const char *what, qpool_error *error)
{
	return qp_smtp_fault_at(
	    session->source, error, QPOOL_ECHECK, "%s: %s", what, qp_smtp_wire_words(result));
}

/* Bytes that came unasked are most often a goodbye. */
static qpool_err
say_unasked(qp_smtp_session *session, qpool_error *error)
{
	qp_smtp_reply reply;

	qp_smtp_reply_begin(&reply);
	(void)qp_smtp_reply_feed(&reply, session->in + session->at, session->end - session->at);
	if (reply.heard != QP_SMTP_WHOLE)
		return fail(session, QP_SMTP_GARBLED, "looking at an idle session", error);
	return qp_smtp_fault_reply(
	    session->source, error, QPOOL_ECHECK, "looking at an idle session", &reply);
}

qpool_err
qp_smtp_session_peek(void *user, void *resource, qpool_error *error)
{
	qp_smtp_session *session = resource;
	qp_smtp_result result;

	(void)user;
	if (session->is_broken)
		return fail(session, QP_SMTP_LOST, "looking at an idle session", error);
	result = qp_smtp_wire_look(session);
	if (result == QP_SMTP_DONE)
		return QPOOL_OK;
	if (result == QP_SMTP_GARBLED)
		return say_unasked(session, error);
	return fail(session, result, "looking at an idle session", error);
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
qp_smtp_session_rset(qp_smtp_session *session, int64_t deadline_ns, qpool_error *error)
{
	qpool_err err = ask(session, "RSET", deadline_ns, error);

	if (err == QPOOL_OK)
		session->is_open = false;
	return err;
}

qpool_err
qp_smtp_session_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	qp_smtp_session *session = resource;

	(void)user;
	if (session->is_broken)
		return fail(session, QP_SMTP_LOST, "returning a session", error);
	if (!session->is_open)
		return QPOOL_OK;
	return qp_smtp_session_rset(session, qp_smtp_wire_deadline(step->budget), error);
}

/* Goodbye, if it can be said at once; nobody waits for the answer. */
void
qp_smtp_session_close(void *user, void *resource, qpool_why why)
{
	qp_smtp_session *session = resource;

	(void)user;
	(void)why;
	if (!session->is_broken && qp_smtp_wire_look(session) == QP_SMTP_DONE)
		(void)qp_smtp_wire_send(session, "QUIT\r\n", 6, 0);
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
