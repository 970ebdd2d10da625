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
 *   first_listen, last_listen: SUBSCRIBE, MONITOR; 0: none that was not refused
 * Something is left of a transaction while began > ended.  From the answer to first_listen on replies come
 * without being asked for, and read stands still.
 */
typedef struct qp_redis_trace {
	uint64_t sent, read, began, ending, ended, first_listen, last_listen;
	qp_redis_end end;
	bool is_changed; /* database, user, name, protocol... */
	bool is_beyond;  /* changed by what RESET does not undo */
} qp_redis_trace;

/* A command, as it is sent. */
void qp_redis_trace_send(qp_redis_trace *trace, const char *command, size_t length);
/* The next reply; true: it is an EXEC's. */
bool qp_redis_trace_receive(qp_redis_trace *trace, const redisReply *reply);
/* Is it one after which no answer comes (CLIENT REPLY OFF, SKIP)? */
bool qp_redis_trace_is_mute(const char *command, size_t length);
/* Was SUBSCRIBE or MONITOR sent?  _hears: and answered, so that the next reply may be a message. */
bool qp_redis_trace_is_listening(const qp_redis_trace *trace);
bool qp_redis_trace_hears(const qp_redis_trace *trace);
/* Is the next reply the answer to the first of them, or a message? */
bool qp_redis_trace_awaits_message(const qp_redis_trace *trace);
/* Are replies to come that nobody has read? */
bool qp_redis_trace_is_pending(const qp_redis_trace *trace);
/* Does the session differ from a new one? */
bool qp_redis_trace_is_left(const qp_redis_trace *trace);
/* The same for people: "MULTI or WATCH". */
const char *qp_redis_trace_words(const qp_redis_trace *trace);

#endif
