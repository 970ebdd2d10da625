/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reply: what a mail server says, byte by byte: replies of one or many lines, and what an EHLO's
 * lines offer.  Pure: no socket, no clock, no memory of its own; bytes come from wire, in whatever
 * pieces, and lines from dial.  reply never believes what it cannot explain.
 */
#ifndef QP_SMTP_REPLY_H
#define QP_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of all lines of a reply.  512 to a line and a handful of lines is what the standard has in mind. */
#define QP_SMTP_REPLY_MOST 65536u

typedef enum {
	QP_SMTP_MORE, /* its end has not come */
	QP_SMTP_WHOLE,
	QP_SMTP_NONSENSE
} qp_smtp_heard;

/*
 *   code:   of the first line; 200 to 599 once its third digit is in
 *   text:   always ends in NUL; printable; words of the lines with a blank between
 *   column: bytes of this line so far
 *   total:  bytes of the reply so far, <= QP_SMTP_REPLY_MOST
 */
typedef struct qp_smtp_reply {
	int code, this_code;
	size_t column, total, length;
	bool is_last, has_cr;
	qp_smtp_heard heard;
	char text[256];
} qp_smtp_reply;

void qp_smtp_reply_begin(qp_smtp_reply *reply);
/* Take bytes up to the end of the reply; how many.  What it came to is in reply->heard; after WHOLE
 * and NONSENSE nothing more is taken. */
size_t qp_smtp_reply_feed(qp_smtp_reply *reply, const char *bytes, size_t length);

/* What an EHLO's reply offers. */
typedef struct qp_smtp_offers {
	bool size, eight_bit;
	uint64_t size_most; /* 0: it does not say */
} qp_smtp_offers;
/* One line of it, without code and line end. */
void qp_smtp_offers_line(qp_smtp_offers *offers, const char *line, size_t length);

#endif
