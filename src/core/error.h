/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error: fills the caller's qpool_error, one sentence at a time.  Knows no pool; every room comes in here.
 */
#ifndef QP_CORE_ERROR_H
#define QP_CORE_ERROR_H

#include <queuepool.h>

#include "platform/compiler.h"

/* Write code and sentence, when error is not NULL; returns code, so that it ends a function. */
QP_PRINTF(3, 4) qpool_err qp_error_set(qpool_error *error, qpool_err code, const char *format, ...);
/* Add to the sentence what still fits, never cutting inside a UTF-8 character. */
QP_PRINTF(2, 3) void qp_error_add(qpool_error *error, const char *format, ...);
/* Shorten the sentence to at most `most` bytes, likewise. */
void qp_error_cut(qpool_error *error, size_t most);
/* Any text, shortened to at most `most` bytes likewise; it has room for the NUL behind them. */
void qp_error_trim(char *text, size_t most);
/* True for the codes there are, success included. */
bool qp_error_is_known(qpool_err code);

/* "2 s", "1.25 ms", "for ever": for sentences. */
typedef struct qp_span_text {
	char text[32];
} qp_span_text;
qp_span_text qp_error_span(int64_t span_ns);

#endif
