/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: messages.  Every room calls in to fill a qpool_error: one line, UTF-8, without control
 * characters, cut at the end of a character.  fault decides no outcome and knows no session.
 */
#ifndef QP_PG_FAULT_H
#define QP_PG_FAULT_H

#include <queuepool/postgres.h>

/* Fill *error, if there is one; returns `code`. */
__attribute__((format(printf, 3, 4))) qpool_err qp_pg_fault_say(
    qpool_error *error, qpool_err code, const char *format, ...);
/* The same from a failed result: `what` failed, then the server's words; native is its SQLSTATE. */
qpool_err qp_pg_fault_result(
    qpool_error *error, qpool_err code, const char *what, const PGresult *result);
/* The same from a broken connection: libpq's words, its lines joined. */
qpool_err qp_pg_fault_conn(
    qpool_error *error, qpool_err code, const char *what, const PGconn *conn);
/* The same from a user's callback: `words` is what it filled, all zero before it ran. */
qpool_err qp_pg_fault_callback(
    qpool_error *error, qpool_err code, const char *what, const qpool_error *words);
/* The length of the longest beginning of at most `most` bytes that splits no UTF-8 character. */
size_t qp_pg_fault_boundary(const char *text, size_t most);
/* In place: line breaks become "; ", other control characters and what is no UTF-8 '?'. */
void qp_pg_fault_clean(char *text);

#endif
