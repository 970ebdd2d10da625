/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: what happens to a connection between two holders, and at its end.
 */
#include "session.h"

#include "fault.h"
#include "leftover.h"
#include "limit.h"

#include <errno.h>

/* The budget ended the check, which says nothing about the connection.  No late answer can arrive,
 * so the connection may be asked again. */
static qpool_err
no_verdict(qpool_error *error, const qp_sqlite_source *source, sqlite3 *db, int rc)
{
	(void)qp_sqlite_fault_session(error, source, db, rc, "checking");
	if (error != NULL)
		error->code = QPOOL_EAGAIN;
	return QPOOL_EAGAIN;
}

/* The check waits for no lock.  SQLITE_BUSY proves that the file is there and that the connection
 * reads it; that another connection is at work is no reason to close this one. */
qpool_err
qp_sqlite_session_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	qp_sqlite_source *source = user;
	sqlite3 *db = resource;
	qp_sqlite_limit limit;
	int rc, moved = 0;

	qp_sqlite_limit_lay(&limit, db, step->budget, 0);
	errno = 0; /* SQLite may report an old errno; the pool keeps its caller's */
	rc = sqlite3_exec(db, "PRAGMA main.schema_version", NULL, NULL, NULL);
	qp_sqlite_limit_lift(db, source->busy_ms);
	if ((rc & 0xff) == SQLITE_INTERRUPT && limit.stopped)
		return no_verdict(error, source, db, rc);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
		return qp_sqlite_fault_session(error, source, db, rc, "checking");
	/* moved stays 0 without a file, or if the VFS cannot tell. */
	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (moved)
		return qp_sqlite_fault_say(error, QPOOL_ECHECK,
		    "sqlite \"%s\": checking: the file was moved, replaced or deleted while open",
		    source->shown);
	return QPOOL_OK;
}

static bool
is_busy(sqlite3 *db)
{
	for (sqlite3_stmt *at = sqlite3_next_stmt(db, NULL); at != NULL;
	     at = sqlite3_next_stmt(db, at))
		if (sqlite3_stmt_busy(at))
			return true;
	return false;
}

/* sqlite3_reset returns the statement's last error, which its holder knows, not an
 * error of resetting.  A half-read INSERT ... RETURNING outside a transaction has done
 * its work and is committed. */
static void
reset_statements(sqlite3 *db)
{
	for (sqlite3_stmt *at = sqlite3_next_stmt(db, NULL); at != NULL;
	     at = sqlite3_next_stmt(db, at))
		if (sqlite3_stmt_busy(at))
			(void)sqlite3_reset(at);
}

static qpool_err
clean(const qp_sqlite_source *source, sqlite3 *db, qpool_error *error)
{
	int rc;

	errno = 0;
	reset_statements(db);
	if (!sqlite3_get_autocommit(db)) {
		rc = sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		if (rc != SQLITE_OK)
			return qp_sqlite_fault_session(error, source, db, rc, "rolling back");
	}
	if (is_busy(db) || !sqlite3_get_autocommit(db))
		return qp_sqlite_fault_say(error, QPOOL_ECHECK,
		    "sqlite \"%s\": resetting: a statement or transaction would not end",
		    source->shown);
	return QPOOL_OK;
}

static qpool_err
look_for_leftovers(qp_sqlite_source *source, sqlite3 *db, qpool_error *error)
{
	char what[128];
	int rc = qp_sqlite_leftover_find(source, db, what, sizeof what);

	if (rc != SQLITE_OK)
		return qp_sqlite_fault_session(error, source, db, rc, "looking for leftovers");
	if (what[0] != '\0')
		return qp_sqlite_fault_say(
		    error, QPOOL_ECHECK, "sqlite \"%s\": strict: %s", source->shown, what);
	return QPOOL_OK;
}

static qpool_err
undo(qp_sqlite_source *source, sqlite3 *db, qpool_nsec budget, bool dirty, qpool_error *error)
{
	qp_sqlite_limit limit;
	qpool_err err = QPOOL_OK;

	qp_sqlite_limit_lay(&limit, db, budget, source->busy_ms);
	if (dirty)
		err = clean(source, db, error);
	if (err == QPOOL_OK && source->strict)
		err = look_for_leftovers(source, db, error);
	qp_sqlite_limit_lift(db, source->busy_ms);
	return err;
}

/* A session usually comes back with nothing to undo, at the cost of a walk over its
 * statements.  Lifting a limit, even one that was never set, and setting the result
 * codes undo what the holder set. */
qpool_err
qp_sqlite_session_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	qp_sqlite_source *source = user;
	sqlite3 *db = resource;
	bool dirty = !sqlite3_get_autocommit(db) || is_busy(db);
	qpool_err err = QPOOL_OK;

	if (dirty || source->strict)
		err = undo(source, db, step->budget, dirty, error);
	else
		qp_sqlite_limit_lift(db, source->busy_ms);
	(void)sqlite3_extended_result_codes(db, 1);
	return err;
}

void
qp_sqlite_session_end(qp_sqlite_source *source, sqlite3 *db)
{
	if (sqlite3_close(db) == SQLITE_OK)
		qp_sqlite_source_leave(source);
	else
		(void)sqlite3_close_v2(db);
}

/* A connection whose statements were not finalized lives on as a zombie, with its transaction and
 * its locks: one spoiled session would lock out every writer for good.  So its statements are
 * reset and its transaction is rolled back first.  Before that, the holder's callbacks are
 * removed: what they point to may be gone, and SQLite calls none either when it rolls back a
 * connection that closes.  The statements belong to the holder; finalizing them here would leave
 * the holder pointers to freed memory. */
void
qp_sqlite_session_close(void *user, void *resource, qpool_why why)
{
	sqlite3 *db = resource;

	(void)why;
	qp_sqlite_limit_lift(db, 0);
	(void)sqlite3_set_authorizer(db, NULL, NULL);
	(void)sqlite3_commit_hook(db, NULL, NULL);
	(void)sqlite3_rollback_hook(db, NULL, NULL);
	(void)sqlite3_trace_v2(db, 0, NULL, NULL);
	reset_statements(db);
	if (!sqlite3_get_autocommit(db))
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	qp_sqlite_session_end(user, db);
}
