/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease: who takes the plain context is not watched, so that is remembered until the return.
 */
#include "lease.h"

#include "visit.h"

const char qp_redis_kind[] = "redis";

qp_redis_session *
qp_redis_lease_session(const qpool_lease *lease)
{
	qpool *pool = lease == NULL ? NULL : qpool_of(lease);

	/* Compared by content: a wrapper or another copy of this library has its own "redis". */
	if (pool == NULL || strcmp(qpool_kind(pool), qp_redis_kind) != 0)
		return NULL;
	/* A copy of a lease that has ended points at somebody else's session, or at none. */
	return qpool_resource_id(lease) == 0 ? NULL : lease->resource;
}

void
qp_redis_lease_condemn(qpool_lease *lease, qp_redis_session *session, bool spreads, const char *why)
{
	qp_redis_session_condemn(session, why);
	(void)qpool_spoil(lease);
	if (spreads)
		qpool_suspect(qpool_of(lease));
}

bool
qp_redis_lease_note(
    qpool_lease *lease, qp_redis_session *session, const redisReply *reply, bool within)
{
	bool refuses = qp_redis_session_is_refusal(reply);

	if (within && reply->type == REDIS_REPLY_ARRAY)
		for (size_t i = 0; i < reply->elements && !refuses; i++)
			refuses = qp_redis_session_is_refusal(reply->element[i]);
	/* Logged out, by the server or by RESET: of no use to anybody. */
	if (qp_redis_session_is_error(reply, "NOAUTH")) {
		qp_redis_lease_condemn(lease, session, true, "the session is logged out (NOAUTH)");
		return true;
	}
	if (!refuses)
		return false;
	(void)atomic_fetch_add_explicit(&session->source->refusals, 1, memory_order_relaxed);
	qp_redis_lease_condemn(lease, session, true, "the server takes no writes (READONLY)");
	return true;
}

/* ---- the public ones ---- */

redisContext *
qpool_redis_context(qpool_lease *lease)
{
	qp_redis_session *session = qp_redis_lease_session(lease);

	if (session == NULL)
		return NULL;
	session->is_plain = true;
	return session->context;
}

bool
qpool_redis_note(qpool_lease *lease, const redisReply *reply)
{
	qp_redis_session *session = qp_redis_lease_session(lease);
	qp_redis_visit visit = qp_redis_visit_begin();
	bool is_lost = session != NULL && (session->is_condemned || session->context->err != 0);

	if (is_lost)
		qp_redis_lease_condemn(lease, session, true, "the connection is lost");
	else if (session != NULL && reply != NULL)
		is_lost = qp_redis_lease_note(lease, session, reply, true);
	qp_redis_visit_end(visit);
	return is_lost;
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

qpool_err
qpool_redis_within(qpool_lease *lease, qpool_nsec timeout)
{
	qp_redis_session *session = qp_redis_lease_session(lease);

	if (session == NULL)
		return QPOOL_EMISUSE;
	if (timeout != QPOOL_DEFAULT && timeout <= 0)
		return QPOOL_EINVAL;
	session->call_timeout = timeout == QPOOL_DEFAULT ? session->source->call_timeout : timeout;
	return QPOOL_OK;
}
