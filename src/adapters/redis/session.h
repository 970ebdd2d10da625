/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: one connection and what is remembered of it.  The pool comes in by the ops of
 * qpool_redis_ops, the holder by lease; both never at once.  A session never outlives its source.
 */
#ifndef QP_REDIS_SESSION_H
#define QP_REDIS_SESSION_H

#include "source.h"
#include "trace.h"

/*
 *   is_plain:     the holder has had the context since the last return
 *   is_condemned: nothing is sent on it again; the next who asks closes it
 *   is_asked:     a PING was sent and its answer has not been read
 *   refusals:     of the source, when this server was last known to be a primary
 *   out:          commands that were queued and not sent; out_length <= out_room
 * trace tells of the functions' commands only; so does is_plain tell that it may not be all.
 */
typedef struct qp_redis_session {
	/* Set by open, never changed. */
	redisContext *context;
	qp_redis_source *source;
	/* Who has the session: the pool's callback, else the holder. */
	bool is_plain;
	bool is_condemned;
	bool is_asked;
	unsigned refusals;
	qpool_nsec call_timeout;
	qp_redis_trace trace;
	char *out;
	size_t out_length, out_room;
	uint64_t marks; /* numbers of the PINGs that reset sends */
} qp_redis_session;

/* The ops. */
qpool_err qp_redis_session_open(void *user, const qpool_step *step, void **out, qpool_error *error);
qpool_err qp_redis_session_peek(void *user, void *resource, qpool_error *error);
qpool_err qp_redis_session_check(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
qpool_err qp_redis_session_reset(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
void qp_redis_session_close(void *user, void *resource, qpool_why why);
void qp_redis_session_describe(void *user, void *resource, char *out, size_t room);
void qp_redis_session_abandon(void *user, void *resource);

/* Is it an error with this first word? */
bool qp_redis_session_is_error(const redisReply *reply, const char *code);
/* Does the server say that it takes no writes, or that it has just ceased to? */
bool qp_redis_session_is_refusal(const redisReply *reply);
/* The context as hiredis should use it: blocking, with the pool's own timeout. */
void qp_redis_session_tune(qp_redis_session *session);
/* Nothing is sent on it again, not even by who has the context. */
void qp_redis_session_condemn(qp_redis_session *session, const char *why);
/* Let go of the struct; the context is somebody else's now. */
void qp_redis_session_free(qp_redis_session *session);

#endif
