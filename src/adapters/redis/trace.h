/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace: what the commands of a lease have left in the session, told by their names and answers.
 * Pure: it reads commands as they go over the wire and replies as hiredis gives them.  It never sees
 * what is done through the plain context.
 */
#ifndef QP_REDIS_TRACE_H
#define QP_REDIS_TRACE_H

#include <queuepool/redis.h>

/* What ends a transaction. */
typedef enum {
	QP_REDIS_NO_END = 0,
	QP_REDIS_EXEC,
	QP_REDIS_DISCARD,
	QP_REDIS_UNWATCH
} qp_redis_end;

/*
 * Commands and replies are counted from 1.  read <= sent; each of the others <= sent.
 *   began:  the last MULTI or WATCH
 *   ending: the last EXEC, DISCARD or UNWATCH, and which it was
 *   ended:  the last of these whose reply proves that nothing before it is still open
 * Something is left of a transaction while began > ended.
 */
typedef struct qp_redis_trace {
	uint64_t sent, read, began, ending, ended;
	qp_redis_end end;
	bool is_listening; /* SUBSCRIBE, MONITOR: replies come without being asked for */
	bool is_changed;   /* database, user, name, protocol... */
} qp_redis_trace;

/* A command, as it is sent. */
void qp_redis_trace_send(qp_redis_trace *trace, const char *command, size_t length);
/* The next reply; true: it is an EXEC's. */
bool qp_redis_trace_receive(qp_redis_trace *trace, const redisReply *reply);
/* Are replies to come that nobody has read? */
bool qp_redis_trace_is_pending(const qp_redis_trace *trace);
/* Does the session differ from a new one? */
bool qp_redis_trace_is_left(const qp_redis_trace *trace);
/* The same for people: "MULTI or WATCH". */
const char *qp_redis_trace_words(const qp_redis_trace *trace);

#endif
