/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * statement: SQLite keeps a list of a connection's statements; with a handful of them, looking through
 * it costs less than a table of our own, and nothing can get out of step.
 */
#include "statement.h"

#include <stdio.h>
#include <string.h>

sqlite3_stmt *
statement_of(sqlite3 *db, const char *sql, qpool_error *error)
{
	sqlite3_stmt *statement = NULL;
	while ((statement = sqlite3_next_stmt(db, statement)) != NULL) {
		if (strcmp(sqlite3_sql(statement), sql) == 0)
			return statement;
	}
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
	    SQLITE_OK)
		statement_error(db, error);
	return statement;
}

int
statement_run(sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);
	while (rc == SQLITE_ROW)
		rc = sqlite3_step(statement);
	sqlite3_reset(statement);
	return rc;
}

void
statement_forget(void *db)
{
	sqlite3_stmt *statement;
	while ((statement = sqlite3_next_stmt(db, NULL)) != NULL)
		sqlite3_finalize(statement);
}

qpool_err
statement_error(sqlite3 *db, qpool_error *error)
{
	int rc = sqlite3_extended_errcode(db);
	memset(error, 0, sizeof *error);
	error->code = (rc & 0xff) == SQLITE_NOMEM ? QPOOL_ENOMEM : QPOOL_EPEER;
	error->sys_errno = sqlite3_system_errno(db);
	snprintf(error->native, sizeof error->native, "%d", rc & 0xff);
	snprintf(error->message, sizeof error->message, "%s (SQLite %d)", sqlite3_errmsg(db), rc);
	return error->code;
}
