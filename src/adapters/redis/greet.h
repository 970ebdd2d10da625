/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * greet: the dialogues that make a session new: logging in, and logging in again after RESET, each in
 * one round trip.  session and reset come in.  Whatever is not the expected answer fails.
 */
#ifndef QP_REDIS_GREET_H
#define QP_REDIS_GREET_H

#include "session.h"

/* EDENIED, EFULL, EOPEN. */
qpool_err qp_redis_greet_login(qp_redis_session *session, int64_t deadline_ns, qpool_error *error);
/* ECHECK; the session is condemned then.  `skips`: messages of subscriptions may come before the
 * answers; `marks`: so may answers that the holder has left unread, and that must be noticed. */
qpool_err qp_redis_greet_again(
    qp_redis_session *session, bool skips, bool marks, int64_t deadline_ns, qpool_error *error);

#endif
