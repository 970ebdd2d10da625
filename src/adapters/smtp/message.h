/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * message: what a caller wants sent, read and judged before the first byte goes out.  send comes in.
 * message knows no session but for what its server offers, and sends nothing.
 */
#ifndef QP_SMTP_MESSAGE_H
#define QP_SMTP_MESSAGE_H

#include "reply.h"
#include "source.h"

/*
 *   size:  bytes as the standard counts them; 0: not known, as `read` did not say
 *   limit: more must not go out; 0: none
 */
typedef struct qp_smtp_message {
	qpool_smtp_message given;
	uint64_t size, limit;
	bool has_8bit; /* of a body in memory */
} qp_smtp_message;

/* EINVAL, ENOTSUP. */
qpool_err qp_smtp_message_read(qp_smtp_message *message, const qpool_smtp_message *given,
    const qpool_smtp_reply *replies, qpool_error *error);
/* Does the server take such a one?  EINVAL. */
qpool_err qp_smtp_message_fits(qp_smtp_message *message, const qp_smtp_source *source,
    const qp_smtp_offers *offers, qpool_error *error);

#endif
