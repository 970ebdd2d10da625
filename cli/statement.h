/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * statement: prepared SQLite statements that live on their connection and are found again by their text,
 * which is what a program with a pool does and a program without one cannot.
 */
#ifndef CLI_STATEMENT_H
#define CLI_STATEMENT_H

#include <queuepool.h>
#include <sqlite3.h>

/* The connection's statement of exactly this text, prepared now if it is not there; reset, its old
 * bindings still on it.  NULL with *error on failure. */
sqlite3_stmt *statement_of(sqlite3 *db, const char *sql, qpool_error *error);
/* Step to the end, then reset.  The SQLite code: SQLITE_DONE is success. */
int statement_run(sqlite3_stmt *statement);
/* Finalize all the connection has; before it is closed. */
void statement_forget(void *db);
/* *error from what the connection failed with last; returns error->code.  error->native is SQLite's
 * primary code in digits. */
qpool_err statement_error(sqlite3 *db, qpool_error *error);

#endif
