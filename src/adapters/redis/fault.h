/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: messages.  Every room calls in to fill a qpool_error: one line, UTF-8, without control
 * characters and without the password, cut at the end of a character.  fault decides no outcome.
 */
#ifndef QP_REDIS_FAULT_H
#define QP_REDIS_FAULT_H

#include "source.h"

/* Fill *error, if there is one; returns `code`. */
__attribute__((format(printf, 3, 4))) qpool_err qp_redis_fault_say(
    qpool_error *error, qpool_err code, const char *format, ...);
/* The same, with the errno behind it. */
__attribute__((format(printf, 4, 5))) qpool_err qp_redis_fault_system(
    qpool_error *error, qpool_err code, int sys_errno, const char *format, ...);
/* The same from a server's error: "redis ADDRESS: WHAT: its words; HINT"; native is the first word. */
qpool_err qp_redis_fault_answer(qpool_error *error, qpool_err code, const qp_redis_source *source,
    const char *what, const redisReply *reply, const char *hint);
/* The same from a context that broke: hiredis' words or ours. */
qpool_err qp_redis_fault_context(qpool_error *error, qpool_err code, const qp_redis_source *source,
    const char *what, const redisContext *context);

#endif
