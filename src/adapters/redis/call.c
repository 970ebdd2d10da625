/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * call: what was sent in part, or whole and not answered, may have taken effect; what was not sent
 * at all has not.
 */
#include "call.h"

#include "fault.h"
#include "lease.h"
#include "wire.h"

#include <inttypes.h>
#include <stdlib.h>

enum { FIRST_ROOM = 1024 };

qpool_err
qp_redis_call_enter(qpool_lease *lease, qp_redis_session **out, qpool_error *error)
{
	qp_redis_session *session = qp_redis_lease_session(lease);

	if (session == NULL)
		return qp_redis_fault_say(error, QPOOL_EMISUSE,
		    "the lease is %s; pass one that a pool of qpool_redis_create lent",
		    lease == NULL || lease->resource == NULL ? "empty"
		    : qpool_resource_id(lease) == 0          ? "over"
							     : "of another kind of pool");
	if (session->is_condemned || session->context->err != 0) {
		qp_redis_lease_condemn(lease, session, false, "the connection is lost");
		return qp_redis_fault_say(error, QPOOL_EPEER,
		    "redis %s: nothing was sent: the connection of this lease is lost or was given "
		    "up; release it and acquire another",
		    session->source->shown);
	}
	*out = session;
	return QPOOL_OK;
}

qpool_err
qp_redis_call_begin(qpool_lease *lease, qp_redis_session **out, qpool_error *error)
{
	qpool_err err = qp_redis_call_enter(lease, out, error);
	const qp_redis_session *session = *out;

	if (err != QPOOL_OK)
		return err;
	if (qp_redis_wire_is_unsent(session->context) ||
	    (session->is_plain && !qp_redis_trace_is_pending(&session->trace) &&
		!qp_redis_trace_is_listening(&session->trace) &&
		!qp_redis_wire_is_drained(session->context)))
		return qp_redis_fault_say(error, QPOOL_EMISUSE,
		    "redis %s: nothing was sent: commands or replies wait in the plain context; send "
		    "and read them first",
		    session->source->shown);
	return QPOOL_OK;
}

qpool_err
qp_redis_call_check_read(const qp_redis_session *session, qpool_error *error)
{
	if (session->out_length == 0 && !qp_redis_trace_is_pending(&session->trace))
		return QPOOL_OK;
	return qp_redis_fault_say(error, QPOOL_EMISUSE,
	    "redis %s: nothing was sent: replies of queued commands are unread; read them by "
	    "qpool_redis_reply",
	    session->source->shown);
}

/* Is the next reply this command's? */
static qpool_err
check_order(const qp_redis_session *session, qpool_error *error)
{
	if (qp_redis_trace_is_listening(&session->trace))
		return qp_redis_fault_say(error, QPOOL_EMISUSE,
		    "redis %s: nothing was sent: this lease listens (SUBSCRIBE, MONITOR), and the "
		    "next reply may be a message; queue by qpool_redis_append, and take what comes by "
		    "qpool_redis_reply, or use another lease",
		    session->source->shown);
	return qp_redis_call_check_read(session, error);
}

/* ---- judging ------------------------------------------------------------------------ */

static qpool_err
judge_late(qpool_lease *lease, qp_redis_session *session, bool in_doubt, qpool_error *error)
{
	const qpool_nsec budget = session->call_timeout;
	const int64_t msec = budget / 1000000 + (budget % 1000000 != 0);

	qp_redis_lease_condemn(lease, session, false, "a command was not answered in time");
	return qp_redis_fault_say(error, in_doubt ? QPOOL_EUNKNOWN : QPOOL_ETIMEOUT,
	    "redis %s: no answer within %" PRId64 " ms; %s; the connection is given up",
	    session->source->shown, msec,
	    in_doubt ? "the command may or may not have taken effect" : "nothing was sent");
}

static qpool_err
judge_loss(qpool_lease *lease, qp_redis_session *session, bool in_doubt, qpool_error *error)
{
	qpool_err code = in_doubt ? QPOOL_EUNKNOWN : QPOOL_EPEER;

	(void)qp_redis_fault_context(error, code, session->source,
	    in_doubt ? "the connection is lost, and the command may or may not have taken effect"
		     : "the connection is lost, nothing was in doubt",
	    session->context);
	qp_redis_lease_condemn(lease, session, true, "the connection is lost");
	return code;
}

static qpool_err
judge(qpool_lease *lease, qp_redis_session *session, qp_redis_waited waited, bool in_doubt,
    qpool_error *error)
{
	return waited == QP_REDIS_LATE ? judge_late(lease, session, in_doubt, error)
	                               : judge_loss(lease, session, in_doubt, error);
}

/* ---- one reply ---------------------------------------------------------------------- */

static qpool_err
hand_over(redisReply *reply, redisReply **out)
{
	if (out != NULL)
		*out = reply;
	else
		freeReplyObject(reply);
	return QPOOL_OK;
}

/* What the server says unasked, to who does not listen, is nobody's. */
static qp_redis_waited
read_answer(qp_redis_session *session, int64_t deadline_ns, redisReply **out)
{
	bool is_aside;

	do {
		qp_redis_waited waited = qp_redis_wire_read(session->context, deadline_ns, out);
		if (waited != QP_REDIS_READY)
			return waited;
		is_aside =
		    qp_redis_wire_is_push(*out) && !qp_redis_trace_awaits_message(&session->trace);
		if (is_aside)
			freeReplyObject(*out);
	} while (is_aside);
	return QP_REDIS_READY;
}

static qpool_err
read_one(qpool_lease *lease, qp_redis_session *session, int64_t deadline_ns, redisReply **out,
    qpool_error *error)
{
	bool is_message = qp_redis_trace_hears(&session->trace), is_exec;
	redisReply *reply = NULL;
	qp_redis_waited waited = read_answer(session, deadline_ns, &reply);
	qpool_err err;

	/* No message yet is no failure. */
	if (waited == QP_REDIS_LATE && is_message)
		return qp_redis_fault_say(error, QPOOL_ETIMEOUT,
		    "redis %s: no message came in time", session->source->shown);
	if (waited != QP_REDIS_READY)
		return judge(lease, session, waited, !is_message, error);
	is_exec = qp_redis_trace_receive(&session->trace, reply);
	(void)qp_redis_lease_note(lease, session, reply, is_exec);
	if (reply->type != REDIS_REPLY_ERROR)
		return hand_over(reply, out);
	err = qp_redis_fault_answer(
	    error, QPOOL_EPEER, session->source, "the server answered", reply, "");
	freeReplyObject(reply);
	return err;
}

qpool_err
qp_redis_call_run(qpool_lease *lease, qp_redis_session *session, const char *command, size_t length,
    redisReply **out, qpool_error *error)
{
	int64_t deadline_ns = qp_redis_wire_deadline(session->call_timeout);
	qp_redis_waited waited;
	qpool_err err = check_order(session, error);
	size_t sent;

	if (err != QPOOL_OK)
		return err;
	qp_redis_trace_send(&session->trace, command, length);
	waited = qp_redis_wire_send(session->context, command, length, deadline_ns, &sent);
	if (waited != QP_REDIS_READY)
		return judge(lease, session, waited, sent > 0, error);
	return read_one(lease, session, deadline_ns, out, error);
}

/* ---- a pipeline --------------------------------------------------------------------- */

static bool
make_room(qp_redis_session *session, size_t length)
{
	size_t room = session->out_room == 0 ? FIRST_ROOM : session->out_room;
	char *longer;

	while (room - session->out_length < length)
		if (room > SIZE_MAX / 2)
			return false;
		else
			room *= 2;
	if (room == session->out_room)
		return true;
	longer = realloc(session->out, room);
	if (longer == NULL)
		return false;
	session->out = longer;
	session->out_room = room;
	return true;
}

qpool_err
qp_redis_call_queue(
    qp_redis_session *session, const char *command, size_t length, qpool_error *error)
{
	if (!make_room(session, length))
		return qp_redis_fault_say(error, QPOOL_ENOMEM,
		    "redis %s: no memory to queue a command", session->source->shown);
	memcpy(session->out + session->out_length, command, length);
	session->out_length += length;
	qp_redis_trace_send(&session->trace, command, length);
	return QPOOL_OK;
}

qpool_err
qp_redis_call_next(
    qpool_lease *lease, qp_redis_session *session, redisReply **out, qpool_error *error)
{
	int64_t deadline_ns = qp_redis_wire_deadline(session->call_timeout);
	uint64_t unread = session->trace.sent - session->trace.read;
	qp_redis_waited waited = QP_REDIS_READY;
	size_t sent = 0;

	if (unread == 0 && !qp_redis_trace_is_listening(&session->trace))
		return qp_redis_fault_say(error, QPOOL_EMISUSE,
		    "redis %s: no reply is to come; queue a command by qpool_redis_append first",
		    session->source->shown);
	if (session->out_length > 0)
		waited = qp_redis_wire_send(
		    session->context, session->out, session->out_length, deadline_ns, &sent);
	session->out_length = 0;
	if (waited != QP_REDIS_READY)
		return judge(lease, session, waited, sent > 0, error);
	return read_one(lease, session, deadline_ns, out, error);
}
