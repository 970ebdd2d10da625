/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: messages.  Every room calls in to fill a qpool_error: one line, printable, without user and
 * password of the source.  fault decides no outcome and knows no session.
 */
#ifndef QP_SMTP_FAULT_H
#define QP_SMTP_FAULT_H

#include "reply.h"
#include "source.h"

/* Fill *error, if there is one; returns `code`. */
__attribute__((format(printf, 3, 4))) qpool_err qp_smtp_fault_say(
    qpool_error *error, qpool_err code, const char *format, ...);
/* "smtp host:port: " and then what is said, without secrets. */
__attribute__((format(printf, 4, 5))) qpool_err qp_smtp_fault_at(
    const qp_smtp_source *source, qpool_error *error, qpool_err code, const char *format, ...);
/* The same with the server's reply at the end, and its code as `native`. */
qpool_err qp_smtp_fault_reply(const qp_smtp_source *source, qpool_error *error, qpool_err code,
    const char *what, const qp_smtp_reply *reply);
/* The words of a reply, without secrets, zero to the end. */
void qp_smtp_fault_words(
    const qp_smtp_source *source, const qp_smtp_reply *reply, char out[sizeof reply->text]);
/* In place: user and password of the source become stars, control characters '?'. */
void qp_smtp_fault_hide(const qp_smtp_source *source, char *text);

#endif
