/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: one session with a mail server, from connect to QUIT.  The pool comes in by the ops of
 * qpool_smtp_ops, the holder by send; both never at once.  A session never outlives its source and
 * never connects again.
 */
#ifndef QP_SMTP_SESSION_H
#define QP_SMTP_SESSION_H

#include "reply.h"
#include "source.h"

#include <curl/curl.h>

/*
 *   is_broken: an exchange was cut short, or the server said what cannot be or that it closes (421):
 *              nothing is sent again
 *   is_open:   a transaction was begun and may not be over: RSET before the next
 *   is_busy:   a mail is being sent: its reader may not use the session
 *   in:        bytes that have come and were not looked at: at <= end; none between exchanges
 */
typedef struct qp_smtp_session {
	/* Set by open, never changed. */
	CURL *curl;
	const qp_smtp_source *source;
	int fd;
	qp_smtp_offers offers;
	char words[CURL_ERROR_SIZE]; /* libcurl writes them when it likes */
	/* Who has the session: the pool's callback, else the holder. */
	bool is_broken;
	bool is_open;
	bool is_busy;
	size_t at, end;
	char in[4096];
} qp_smtp_session;

/* The ops. */
qpool_err qp_smtp_session_open(void *user, const qpool_step *step, void **out, qpool_error *error);
qpool_err qp_smtp_session_peek(void *user, void *resource, qpool_error *error);
qpool_err qp_smtp_session_check(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
qpool_err qp_smtp_session_reset(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
void qp_smtp_session_close(void *user, void *resource, qpool_why why);
void qp_smtp_session_describe(void *user, void *resource, char *out, size_t room);
void qp_smtp_session_abandon(void *user, void *resource);

#endif
