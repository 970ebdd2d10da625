/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error: fills the caller's qpool_error, one sentence at a time.  Every room calls in; it knows no
 * pool and takes no lock.
 */
#ifndef QP_CORE_ERROR_H
#define QP_CORE_ERROR_H

#include <queuepool.h>

#include "platform/compiler.h"

/* Write code and sentence, unless error is NULL; returns code, so that a function can
 * end with it. */
QP_PRINTF(3, 4) qpool_err qp_error_set(qpool_error *error, qpool_err code, const char *format, ...);
/* Add to the sentence as much as fits, never cutting inside a UTF-8 character. */
QP_PRINTF(2, 3) void qp_error_add(qpool_error *error, const char *format, ...);
/* Shorten the sentence to at most `most` bytes, as carefully. */
void qp_error_cut(qpool_error *error, size_t most);
/* The same for any text, which has room for the NUL behind `most` bytes. */
void qp_error_trim(char *text, size_t most);
/* True for the codes of the table, success included. */
bool qp_error_is_known(qpool_err code);

/* "2 s", "1.25 ms", "for ever": for sentences. */
typedef struct qp_span_text {
	char text[32];
} qp_span_text;
qp_span_text qp_error_span(int64_t span_ns);

#endif
