/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dial: a connected socket, or why not, by a deadline.  session comes in.  dial says nothing to the
 * server.
 */
#ifndef QP_REDIS_DIAL_H
#define QP_REDIS_DIAL_H

#include "source.h"

/* *out blocks and is closed on exec.  EDENIED, EFULL, EOPEN; then nothing is left. */
qpool_err qp_redis_dial(
    const qp_redis_source *source, int64_t deadline_ns, int *out, qpool_error *error);

#endif
