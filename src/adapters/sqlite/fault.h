/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: turns a failure into a code and a one-sentence message.  Every other room calls in.
 * fault never shows a key and never changes a connection, and writes nothing when the caller
 * passes no error to fill.
 */
#ifndef QP_SQLITE_FAULT_H
#define QP_SQLITE_FAULT_H

#include "source.h"

/* A message of our own.  Returns code, so that a function can end with the call. */
__attribute__((format(printf, 3, 4))) qpool_err qp_sqlite_fault_say(
    qpool_error *error, qpool_err code, const char *format, ...);
/* SQLite returned rc in this step of an open; db holds SQLite's message, and may be NULL.  EDENIED
 * when trying again cannot help, EFULL when too many files are open, ENOMEM, else EOPEN. */
qpool_err qp_sqlite_fault_open(
    qpool_error *error, const qp_sqlite_source *source, sqlite3 *db, int rc, const char *step);
/* The open itself found the fault: `what`, its errno (or 0), and a hint what to do.  EDENIED. */
qpool_err qp_sqlite_fault_deny(qpool_error *error, const qp_sqlite_source *source, int sys_errno,
    const char *what, const char *hint);
/* SQLite returned rc in this step on an open connection: ECHECK. */
qpool_err qp_sqlite_fault_session(
    qpool_error *error, const qp_sqlite_source *source, sqlite3 *db, int rc, const char *step);
/* Replace control characters, so that a message stays on one line. */
void qp_sqlite_fault_clean(char *text);

#endif
