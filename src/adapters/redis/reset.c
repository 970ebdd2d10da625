/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reset: what a return finds, and what it does about it.
 *
 *     broken, replies unread, beyond RESET          --- closed
 *     nothing left, and nothing done out of sight   --- nothing
 *     else: RESET and the login again, in one go    --- as new, or closed
 */
#include "fault.h"
#include "greet.h"
#include "session.h"
#include "wire.h"

#include <stdlib.h>

static qpool_err
refuse(const qp_redis_session *session, const char *what, qpool_error *error)
{
	return qp_redis_fault_say(
	    error, QPOOL_ECHECK, "redis %s: the holder left %s", session->source->shown, what);
}

/* Beyond help. */
static qpool_err
look(const qp_redis_session *session, qpool_error *error)
{
	const redisContext *context = session->context;

	if (session->is_condemned || context->err != 0)
		return qp_redis_fault_context(
		    error, QPOOL_ECHECK, session->source, "given back", context);
	if (session->out_length > 0 || qp_redis_wire_is_unsent(context))
		return refuse(session, "commands that were not sent", error);
	if (qp_redis_trace_is_pending(&session->trace))
		return refuse(session, "replies unread", error);
	if (session->trace.is_beyond)
		return refuse(session, qp_redis_trace_words(&session->trace), error);
	if (!qp_redis_trace_is_listening(&session->trace) && !qp_redis_wire_is_drained(context))
		return refuse(session, "a reply unread", error);
	return QPOOL_OK;
}

static bool
wants_reset(const qp_redis_session *session)
{
	switch (session->source->reset) {
	case QPOOL_REDIS_RESET_ALWAYS:
		return true;
	case QPOOL_REDIS_RESET_AUTO:
		return session->is_plain || qp_redis_trace_is_left(&session->trace);
	default:
		return qp_redis_trace_is_left(&session->trace);
	}
}

/* The client's side. */
static void
forget(qp_redis_session *session)
{
	if (session->is_plain)
		qp_redis_session_tune(session);
	session->is_plain = false;
	session->call_timeout = session->source->call_timeout;
	memset(&session->trace, 0, sizeof session->trace);
	if (session->out != NULL)
		qp_redis_source_wipe(session->out, session->out_room);
	session->out = NULL;
	session->out_room = 0;
}

qpool_err
qp_redis_session_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	const qp_redis_source *source = user;
	qp_redis_session *session = resource;
	qpool_err err = look(session, error);
	bool is_listening = qp_redis_trace_is_listening(&session->trace);

	if (err != QPOOL_OK)
		return err;
	if (wants_reset(session)) {
		if (source->reset == QPOOL_REDIS_RESET_NONE)
			return refuse(session, qp_redis_trace_words(&session->trace), error);
		err = qp_redis_greet_again(session, is_listening || session->is_plain,
		    is_listening || session->is_plain, qp_redis_wire_deadline(step->budget), error);
	}
	if (err == QPOOL_OK)
		forget(session);
	return err;
}
