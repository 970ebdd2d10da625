/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * body: a mail's text as it goes over the wire: line ends made CR LF, dots doubled at the beginning
 * of lines, the end marked.  Pure, and the same however the text is cut into pieces.  send comes in.
 * body never looks at what a line says.
 */
#ifndef QP_SMTP_BODY_H
#define QP_SMTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Any byte becomes at most so many. */
enum { QP_SMTP_BODY_GROWTH = 2, QP_SMTP_BODY_END = 5 };

/*
 *   is_inside:  the line that the next byte belongs to has begun
 *   was_cr:     the last byte was a CR, written as CR LF: a LF after it is part of it
 *   size:       bytes so far as the standard counts them: line ends as two, doubled dots as one
 */
typedef struct qp_smtp_body {
	bool is_inside, was_cr, has_8bit;
	uint64_t size;
} qp_smtp_body;

void qp_smtp_body_begin(qp_smtp_body *body);
/* Put `length` bytes into `out`, which has room for twice as many; how many came of them.  NULL out:
 * only count. */
size_t qp_smtp_body_feed(qp_smtp_body *body, const char *bytes, size_t length, char *out);
/* The end: of the last line, if it has none, and of the mail. */
size_t qp_smtp_body_end(qp_smtp_body *body, char out[QP_SMTP_BODY_END]);

#endif
