/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire: bytes to and from the server through libcurl, which may have TLS around them, and the only
 * room that sleeps: until a deadline.  session and send come in.  wire knows what a reply looks like,
 * never what it means, but for 421.
 */
#ifndef QP_SMTP_WIRE_H
#define QP_SMTP_WIRE_H

#include "session.h"

typedef enum {
	QP_SMTP_DONE = 0,
	QP_SMTP_LATE,   /* the deadline came first */
	QP_SMTP_LOST,   /* the connection is gone */
	QP_SMTP_GARBLED /* what came is no reply, or was not asked for */
} qp_smtp_result;

int64_t qp_smtp_wire_now(void);                   /* CLOCK_MONOTONIC, ns */
int64_t qp_smtp_wire_deadline(qpool_nsec budget); /* now + budget; INT64_MAX for for ever */

/* All of it; *sent: how many were handed over, not more of which can have reached the server. */
qp_smtp_result qp_smtp_wire_send(
    qp_smtp_session *session, const char *bytes, size_t length, int64_t deadline_ns, size_t *sent);
/* One reply.  DONE makes the session sound again, unless it is 421. */
qp_smtp_result qp_smtp_wire_hear(
    qp_smtp_session *session, qp_smtp_reply *reply, int64_t deadline_ns);
/* A line, without its end, and the reply to it.  The session is broken from the first byte until the
 * whole reply is in, and if anything came before the line or behind the reply: GARBLED then, and
 * *reply is that. */
qp_smtp_result qp_smtp_wire_ask(
    qp_smtp_session *session, const char *line, qp_smtp_reply *reply, int64_t deadline_ns);
/* Without waiting or sending: DONE when nothing has come, as between exchanges; LOST at the end of
 * the connection; GARBLED when bytes came that nobody asked for. */
qp_smtp_result qp_smtp_wire_look(qp_smtp_session *session);
/* The same, and *reply is what came, if that was whole.  The session is broken unless DONE. */
qp_smtp_result qp_smtp_wire_silence(qp_smtp_session *session, qp_smtp_reply *reply);
/* For messages: "the connection was lost". */
const char *qp_smtp_wire_words(qp_smtp_result result);

#endif
