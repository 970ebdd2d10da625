/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guard: what keeps SIGPIPE from the program while hiredis itself writes.  session quiets each context as
 * far as hiredis lets us, plain goes through the gate around the holder's calls.  guard never touches
 * the disposition of a signal, which is the program's.
 */
#ifndef QP_REDIS_GUARD_H
#define QP_REDIS_GUARD_H

#include <queuepool/redis.h>

/* SIGPIPE in this thread before the gate. */
typedef struct qp_redis_gate {
	bool was_blocked, was_pending;
} qp_redis_gate;

/* Between the two SIGPIPE is blocked in this thread; the one that came meanwhile is taken back. */
qp_redis_gate qp_redis_guard_enter(void);
void qp_redis_guard_leave(qp_redis_gate gate);
/* From hiredis 1.0 on a context's own writing raises none, whoever has it; before, this does nothing. */
void qp_redis_guard_quiet(redisContext *context);

#endif
