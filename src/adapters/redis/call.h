/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * call: commands and their replies.  The public functions of command come in.  An exchange is checked,
 * sent, collected and judged: the only place that tells a failure from a loss.  call never tries
 * anything again.
 */
#ifndef QP_REDIS_CALL_H
#define QP_REDIS_CALL_H

#include "session.h"

/* The session of a lease that is sound.  EMISUSE, EPEER; then *out is as it was. */
qpool_err qp_redis_call_enter(qpool_lease *lease, qp_redis_session **out, qpool_error *error);
/* The same when nothing of the holder's waits in the plain context. */
qpool_err qp_redis_call_begin(qpool_lease *lease, qp_redis_session **out, qpool_error *error);
/* EMISUSE when replies of queued commands are unread: who reads next would get them. */
qpool_err qp_redis_call_check_read(const qp_redis_session *session, qpool_error *error);
/* One command in the form of the wire, and its reply; *out may be NULL for one that is not wanted. */
qpool_err qp_redis_call_run(qpool_lease *lease, qp_redis_session *session, const char *command,
    size_t length, redisReply **out, qpool_error *error);
/* Queue one. */
qpool_err qp_redis_call_queue(
    qp_redis_session *session, const char *command, size_t length, qpool_error *error);
/* Send what is queued, and read one reply. */
qpool_err qp_redis_call_next(
    qpool_lease *lease, qp_redis_session *session, redisReply **out, qpool_error *error);

#endif
