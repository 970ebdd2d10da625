/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open: the steps from a target to a working connection.  Each step that fails says so in one
 * sentence, and the handle is closed in one place.
 */
#include "session.h"

#include "fault.h"
#include "leftover.h"
#include "limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct opening {
	qp_sqlite_source *source;
	sqlite3 *db;
	qp_sqlite_limit limit;
	qpool_error *error;
} opening;

static qpool_err
refused(const opening *o, int rc, const char *step)
{
	return qp_sqlite_fault_open(o->error, o->source, o->db, rc, step);
}

/* SQLite does not say that a path is too long for it; other faults of a path the system reports. */
static qpool_err
look_at_path(const opening *o)
{
	const sqlite3_vfs *vfs = sqlite3_vfs_find(o->source->vfs);

	if (vfs != NULL && strlen(o->source->file) > (size_t)vfs->mxPathname)
		return qp_sqlite_fault_deny(o->error, o->source, ENAMETOOLONG, "opening",
		    "SQLite takes no path of that length");
	return QPOOL_OK;
}

/* SQLite would block for ever in open() of a FIFO, and take /dev/null for an empty database. */
static qpool_err
look_at_file(const opening *o)
{
	struct stat found;

	if (o->source->file == NULL)
		return QPOOL_OK;
	if (stat(o->source->file, &found) != 0)
		return errno == ELOOP ? qp_sqlite_fault_deny(o->error, o->source, ELOOP, "opening",
					    "mend the symbolic links")
		                      : look_at_path(o);
	if (S_ISREG(found.st_mode))
		return look_at_path(o);
	if (S_ISDIR(found.st_mode))
		return qp_sqlite_fault_deny(o->error, o->source, EISDIR, "opening",
		    "name a database file inside the folder");
	return qp_sqlite_fault_deny(o->error, o->source, 0,
	    "opening: it is a device, pipe or socket", "name a database file");
}

/* When a file may not be written, SQLite silently opens it read-only, and the first
 * INSERT fails.  A user who asked for read-only by a flag or in the URI gets it; a
 * user who asked for writing is told now. */
static qpool_err
look_at_access(const opening *o)
{
	const char *name = sqlite3_db_filename(o->db, "main");
	const char *mode;
	int why;

	if (sqlite3_db_readonly(o->db, "main") != 1 || name == NULL ||
	    (o->source->open_flags & SQLITE_OPEN_READONLY) != 0)
		return QPOOL_OK;
	mode = sqlite3_uri_parameter(name, "mode");
	if ((mode != NULL && strcmp(mode, "ro") == 0) || sqlite3_uri_boolean(name, "immutable", 0))
		return QPOOL_OK;
	why = faccessat(AT_FDCWD, name, W_OK, AT_EACCESS) == 0 ? 0 : errno;
	return qp_sqlite_fault_deny(o->error, o->source, why,
	    "opening for writing: the file may only be read",
	    "make it writable, or open with SQLITE_OPEN_READONLY");
}

static qpool_err
open_handle(opening *o, const qpool_step *step)
{
	int rc;

	/* SQLite may report an errno that this call did not set; the pool keeps its caller's. */
	errno = 0;
	rc = sqlite3_open_v2(o->source->target, &o->db, o->source->open_flags, o->source->vfs);

	if (rc != SQLITE_OK)
		return refused(o, o->db != NULL ? sqlite3_extended_errcode(o->db) : rc, "opening");
	(void)sqlite3_extended_result_codes(o->db, 1);
	/* Before anything that takes a lock: without the limit the change to WAL gets
	 * SQLITE_BUSY at once. */
	qp_sqlite_limit_lay(&o->limit, o->db, step->budget, o->source->busy_ms);
	return look_at_access(o);
}

/* The one row of PRAGMA journal_mode: the present mode. */
static int
on_mode(void *arg, int columns, char **values, char **names)
{
	(void)names;
	if (values != NULL && columns > 0 && values[0] != NULL)
		(void)snprintf(arg, 16, "%s", values[0]);
	return 0;
}

/* The change begins as a read and becomes a write.  When another connection writes meanwhile, as
 * happens when two open one new file, SQLite does not call the busy handler: while the read goes
 * on, waiting cannot help.  Starting over does. */
static int
change_mode(opening *o, const char *mode, char *now)
{
	char sql[48];
	int rc, attempt = 0;

	(void)snprintf(sql, sizeof sql, "PRAGMA main.journal_mode = %s", mode);
	do {
		rc = sqlite3_exec(o->db, sql, on_mode, now, NULL);
	} while ((rc & 0xff) == SQLITE_BUSY && qp_sqlite_limit_wait(&o->limit, attempt++));
	return rc;
}

static qpool_err
set_journal_mode(opening *o)
{
	const char *name = sqlite3_db_filename(o->db, "main");
	const char *named = o->source->journal_mode;
	const char *mode = named != NULL ? named : "wal";
	bool has_file = name != NULL && name[0] != '\0';
	char step[32], what[64], now[16] = "";
	int rc;

	if (o->source->keeps_journal_mode ||
	    (named == NULL && (!has_file || sqlite3_db_readonly(o->db, "main") != 0)))
		return QPOOL_OK;
	(void)snprintf(step, sizeof step, "journal_mode %s", mode);
	rc = change_mode(o, mode, now);
	if (rc != SQLITE_OK)
		return refused(o, rc, step);
	if (named == NULL || sqlite3_stricmp(now, mode) == 0)
		return QPOOL_OK;
	(void)snprintf(what, sizeof what, "journal_mode %s: SQLite stays in \"%s\"", mode, now);
	return qp_sqlite_fault_deny(
	    o->error, o->source, 0, what, "this database cannot have it: leave journal_mode NULL");
}

static qpool_err
run_at_open(const opening *o)
{
	int rc;

	if (o->source->at_open == NULL)
		return QPOOL_OK;
	rc = sqlite3_exec(o->db, o->source->at_open, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return refused(o, rc, "at_open");
	if (!sqlite3_get_autocommit(o->db))
		return qp_sqlite_fault_deny(o->error, o->source, 0,
		    "at_open leaves a transaction open", "end it with COMMIT");
	return QPOOL_OK;
}

/* SQLite reads the file only at the first statement on it. */
static qpool_err
touch(const opening *o)
{
	int rc = sqlite3_exec(o->db, "SELECT 1 FROM sqlite_master LIMIT 1", NULL, NULL, NULL);

	if (rc == SQLITE_OK && o->source->strict)
		rc = qp_sqlite_leftover_remember(o->source, o->db);
	return rc == SQLITE_OK ? QPOOL_OK : refused(o, rc, "reading the schema");
}

static qpool_err
run_steps(opening *o, const qpool_step *step)
{
	qpool_err err = look_at_file(o);

	if (err == QPOOL_OK)
		err = open_handle(o, step);
	if (err == QPOOL_OK)
		err = set_journal_mode(o);
	if (err == QPOOL_OK)
		err = run_at_open(o);
	if (err == QPOOL_OK)
		err = touch(o);
	return err;
}

qpool_err
qp_sqlite_session_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	opening o = {.source = user, .error = error};
	qpool_err err;

	if (!qp_sqlite_source_enter(o.source))
		return qp_sqlite_fault_deny(error, o.source, 0,
		    "the process was forked while connections were open, with which SQLite cannot "
		    "be used in the child",
		    "fork before the first acquire, or make another process by exec");
	err = run_steps(&o, step);
	if (o.db != NULL)
		qp_sqlite_limit_lift(o.db, o.source->busy_ms);
	if (err == QPOOL_OK)
		*out = o.db;
	else
		qp_sqlite_session_end(o.source, o.db);
	return err;
}
