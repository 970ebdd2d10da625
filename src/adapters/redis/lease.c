/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease: what happened to one session may have happened to all; who notices it says so here.
 */
#include "lease.h"

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
	const char *why = "the server takes no writes (READONLY)";
	bool refuses = qp_redis_session_is_refusal(reply);

	if (within && reply->type == REDIS_REPLY_ARRAY)
		for (size_t i = 0; i < reply->elements && !refuses; i++)
			refuses = qp_redis_session_is_refusal(reply->element[i]);
	refuses = refuses && session->source->role == QPOOL_REDIS_ROLE_PRIMARY;
	if (refuses)
		(void)atomic_fetch_add_explicit(
		    &session->source->refusals, 1, memory_order_relaxed);
	else if (qp_redis_session_is_error(reply, "NOAUTH"))
		/* By the server or by RESET: of no use to anybody. */
		why = "the session is logged out (NOAUTH)";
	else
		return false;
	qp_redis_lease_condemn(lease, session, true, why);
	return true;
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
