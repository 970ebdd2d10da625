/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * adapter: pools of sessions with a line server, line.h's; what an adapter shows to its users.  Programs
 * come in here and by <queuepool.h>.
 */
#ifndef EXAMPLES_ADAPTER_H
#define EXAMPLES_ADAPTER_H

#include "line.h"

#include <queuepool.h>

/* For qpool_create, with a line_source as `user` that outlives the pool, or for wrapping.  In a keyed
 * pool the key takes the place of the name. */
qpool_ops session_ops(void);
/* Say one line in the session of a lease and have the answer.  EPEER and others by class: the server says no, see native.
 * EUNKNOWN: the connection broke or time was over, and nobody knows whether it was done; that session is
 * lent no more.  EINVAL: an empty lease, one of another kind of pool, or no line. */
QPOOL_CHECKED qpool_err session_ask(const qpool_lease *lease, const char *say, qpool_nsec timeout,
    char answer[LINE_ROOM], qpool_error *error);

#endif
