/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire: bytes to and from a context's socket, by a deadline and without SIGPIPE.  It is the only room
 * that sleeps.  hiredis parses what came; wire interprets nothing of it.
 */
#ifndef QP_REDIS_WIRE_H
#define QP_REDIS_WIRE_H

#include <queuepool/redis.h>

typedef enum {
	QP_REDIS_READY = 0,
	QP_REDIS_LATE,  /* the deadline came first; nothing is lost, and one may go on */
	QP_REDIS_BROKEN /* the connection is gone, or what came is no reply; said in the context */
} qp_redis_waited;

int64_t qp_redis_wire_now(void);                   /* CLOCK_MONOTONIC, ns */
int64_t qp_redis_wire_deadline(qpool_nsec budget); /* now + budget; INT64_MAX for for ever */
/* poll one socket; signals do not end it. */
qp_redis_waited qp_redis_wire_wait(int fd, short events, int64_t deadline_ns);
/* Send; *sent counts what went out, also when it does not succeed.  What comes meanwhile is read into
 * the context's reader. */
qp_redis_waited qp_redis_wire_send(
    redisContext *context, const char *bytes, size_t length, int64_t deadline_ns, size_t *sent);
/* The next whole reply; on success *out is the caller's. */
qp_redis_waited qp_redis_wire_read(redisContext *context, int64_t deadline_ns, redisReply **out);
/* Is it RESP3's, which the server says unasked?  (hiredis 1.x.) */
bool qp_redis_wire_is_push(const redisReply *reply);
/* Does nothing wait in the reader, whole or in part?  (What waits in the socket: _look.) */
bool qp_redis_wire_is_drained(const redisContext *context);
/* Do commands wait in the context that the holder has put there, whole or in part? */
bool qp_redis_wire_is_unsent(const redisContext *context);
/* One look at the socket, without waiting: 0 if it is silent, else an errno, EBUSY for unread bytes. */
int qp_redis_wire_look(const redisContext *context);
/* Nobody uses this context again, not even its holder. */
void qp_redis_wire_ruin(redisContext *context, int err, const char *words);

#endif
