/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: turns what went wrong into a code and one sentence.  Every other room comes in here; it
 * never shows a key, never changes a connection, and does nothing when nobody asks for the
 * detail.
 */
#ifndef QP_SQLITE_FAULT_H
#define QP_SQLITE_FAULT_H

#include "source.h"

/* A sentence of our own.  Returns code, so that it ends a function. */
__attribute__((format(printf, 3, 4))) qpool_err qp_sqlite_fault_say(
    qpool_error *error, qpool_err code, const char *format, ...);
/* SQLite refused with rc while opening did `step`; db has its message and may be NULL.  EDENIED
 * when trying again cannot help, EFULL when too many files are open, ENOMEM, else EOPEN. */
qpool_err qp_sqlite_fault_open(
    qpool_error *error, const qp_sqlite_source *source, sqlite3 *db, int rc, const char *step);
/* Opening found something itself: `what` with its errno (or 0) and what to try.  EDENIED. */
qpool_err qp_sqlite_fault_deny(qpool_error *error, const qp_sqlite_source *source, int sys_errno,
    const char *what, const char *hint);
/* SQLite refused with rc while an open connection did `step`: ECHECK. */
qpool_err qp_sqlite_fault_session(
    qpool_error *error, const qp_sqlite_source *source, sqlite3 *db, int rc, const char *step);
/* Replace control characters, so that a sentence stays one line. */
void qp_sqlite_fault_clean(char *text);

#endif
