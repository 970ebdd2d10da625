/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queuepool/sqlite.h - pools of SQLite connections.  Link with libqueuepool-sqlite.
 *
 * Resource. A `sqlite3 *`, opened with SQLITE_OPEN_NOMUTEX: one thread at a time uses it, which is
 *           what a lease promises.  Extended result codes are on.
 * Opening.  Sets busy_timeout, then journal_mode, runs at_open, then reads the schema: a missing,
 *           unreadable or corrupt file, a directory or a file of another kind fails the open, not
 *           the first user.  A fault that will not mend itself is EDENIED, too many open files is
 *           EFULL, a lock or a full disk is EOPEN; the message says what to try.
 * Return.   Busy statements are reset, an open transaction is rolled back; busy_timeout, the
 *           progress handler and extended result codes are set as after opening.  Prepared
 *           statements, temp tables, ATTACHed files, PRAGMAs, functions and hooks stay; `strict`
 *           closes a session with temp tables or ATTACHed files.  docs/SQLITE.md has the table.
 * Checking. Runs a statement that reads the file.  Fails when the file was moved, replaced or
 *           deleted since it was opened.  Somebody else's lock is no failure.  EAGAIN when the
 *           budget interrupted it.
 * Closing.  sqlite3_close_v2, after busy statements were reset and the transaction rolled back, so
 *           that no lock outlives it.  Statements that their owner did not finalize are not
 *           finalized here: they keep the memory and the file until they are.  If you cache
 *           statements, wrap ops->close: finalize yours there, then call this one.
 * Errors.   `native` is SQLite's extended result code in decimal, "" when SQLite gave none;
 *           `sys_errno` is the errno behind it.
 * Memory.   Ours comes from sqlite3_malloc.  qpool_sqlite_ops initializes SQLite, so call
 *           sqlite3_config before it.
 */
#ifndef QUEUEPOOL_SQLITE_H
#define QUEUEPOOL_SQLITE_H

#include <queuepool.h>
#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qpool_sqlite_options {
	size_t      size;
	/* Default SQLITE_OPEN_READWRITE | _CREATE; URI and NOMUTEX are always added.  Else
	 * READONLY or READWRITE, with any of CREATE (with READWRITE), MEMORY, SHAREDCACHE,
	 * PRIVATECACHE, NOFOLLOW, URI, NOMUTEX, EXRESCODE.  READWRITE on a file that may only
	 * be read is EDENIED. */
	int32_t     open_flags;
	/* 1: close a session that comes back with temp tables, views or triggers, or with ATTACHed
	 * files, other than those of at_open. */
	uint32_t    strict;
	/* Default 5 s; rounded up to whole milliseconds.  QPOOL_ZERO: report SQLITE_BUSY at once.
	 * At most 2,147,483,647 ms, which is also what QPOOL_FOREVER means. */
	qpool_nsec  busy_timeout;
	/* "wal", "delete", "truncate", "persist", "memory", or "keep": leave it as it is.  Default
	 * "wal" where SQLite can: not in memory, temporary or read-only databases.  A mode that you
	 * name and SQLite cannot set is EDENIED.  "off" is EINVAL: it cannot roll back. */
	const char *journal_mode;
	/* SQL run once after open and journal_mode, within the open budget; may be several
	 * statements; copied.  It must leave no transaction open.  Keys: see docs/SQLITE.md. */
	const char *at_open;
	/* Default: SQLite's own; copied. */
	const char *vfs;
} qpool_sqlite_options;
QPOOL_INIT_(qpool_sqlite_options)

/* Fill *ops and *user for qpool_create, so that you can wrap them.  `user` is yours until you pass
 * it to qpool_create or end it by ops->destroy(user).  *ops comes from qpool_ops_init(); a wrapper
 * keeps its `kind`, by which qpool_sqlite_db recognizes it.  `target` is a path, ":memory:" or a
 * "file:" URI; copied; a relative path is resolved anew at each open.  NULL options: all defaults.
 * Opens nothing.  On failure *ops and *user stay as they were: EINVAL, ENOTSUP, ENOMEM. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_sqlite_ops(const char *target,
    const qpool_sqlite_options *sqlite, qpool_ops *ops, void **user, qpool_error *error);
/* qpool_sqlite_ops and qpool_create in one. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_sqlite_create(qpool **out, const char *target,
    const qpool_sqlite_options *sqlite, const qpool_options *options, qpool_error *error);
/* The connection of a lease; NULL for the empty lease and for a lease of another kind of pool. */
QPOOL_API sqlite3 *qpool_sqlite_db(const qpool_lease *lease);

#ifdef __cplusplus
}
#endif
#endif /* QUEUEPOOL_SQLITE_H */
