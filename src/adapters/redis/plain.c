/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plain: the public functions that give the context out of hand.  Who takes it is not watched, so that is
 * remembered until the return.
 */
#include "call.h"
#include "fault.h"
#include "guard.h"
#include "lease.h"
#include "visit.h"

redisContext *
qpool_redis_unguarded_context(qpool_lease *lease)
{
	qp_redis_session *session = qp_redis_lease_session(lease);

	if (session == NULL)
		return NULL;
	session->is_plain = true;
	return session->context;
}

/* What a reply or the context says of the session. */
static bool
note(qpool_lease *lease, qp_redis_session *session, const redisReply *reply)
{
	if (session->is_condemned || session->context->err != 0) {
		qp_redis_lease_condemn(lease, session, true, "the connection is lost");
		return true;
	}
	return reply != NULL && qp_redis_lease_note(lease, session, reply, true);
}

bool
qpool_redis_note(qpool_lease *lease, const redisReply *reply)
{
	qp_redis_session *session = qp_redis_lease_session(lease);
	qp_redis_visit visit = qp_redis_visit_begin();
	bool is_lost = session != NULL && note(lease, session, reply);

	qp_redis_visit_end(visit);
	return is_lost;
}

/* The holder's code may be cancelled; then the lease is its own affair, as it is anywhere. */
qpool_err
qpool_redis_use(qpool_lease *lease, qpool_redis_use_fn *use, void *user, qpool_error *error)
{
	qp_redis_session *session = NULL;
	qp_redis_gate gate;
	qpool_err err;

	if (use == NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL, "use is NULL");
	err = qp_redis_call_enter(lease, &session, error);
	if (err == QPOOL_OK)
		err = qp_redis_call_check_read(session, error);
	if (err != QPOOL_OK)
		return err;
	session->is_plain = true;
	gate = qp_redis_guard_enter();
	err = use(session->context, user, error);
	qp_redis_guard_leave(gate);
	(void)qpool_redis_note(lease, NULL);
	return err;
}

redisContext *
qpool_redis_detach(qpool_lease *lease)
{
	qp_redis_session *session = qp_redis_lease_session(lease);
	redisContext *context;

	if (session == NULL || qpool_detach(lease) == NULL)
		return NULL;
	context = session->context;
	/* What was queued goes along; without memory hiredis keeps an error in the context. */
	if (session->out_length > 0)
		(void)redisAppendFormattedCommand(context, session->out, session->out_length);
	qp_redis_session_free(session);
	return context;
}
