/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queuepool/sqlite.h - pools of SQLite connections.  Link with libqueuepool-sqlite.
 *
 * The resource is a `sqlite3 *`, opened with SQLITE_OPEN_NOMUTEX: one thread at a time uses it, which
 * is what a lease promises.  On return busy statements are reset and an open transaction is rolled
 * back; prepared statements, temp tables and PRAGMAs of a session stay unless `strict` is set.
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
	int32_t     open_flags;   /* default SQLITE_OPEN_READWRITE | _CREATE; URI and NOMUTEX are added */
	uint32_t    strict;       /* 1: a session with temp tables or ATTACHed files is closed on return */
	qpool_nsec  busy_timeout; /* default 5 s; QPOOL_ZERO: report SQLITE_BUSY at once */
	const char *journal_mode; /* default "wal" for files opened read-write; "keep" leaves it */
	const char *at_open;      /* SQL run once after open, several statements allowed; copied */
	const char *vfs;          /* default SQLite's own; copied */
} qpool_sqlite_options;
QPOOL_INIT_(qpool_sqlite_options)

/* Fill *ops and *user for qpool_create, so that they can be wrapped: pass user on to qpool_create,
 * or end it by ops->destroy(user).  `target` is a path, ":memory:" or a "file:" URI; copied.
 * Opens nothing; EINVAL, ENOTSUP, ENOMEM. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_sqlite_ops(const char *target,
    const qpool_sqlite_options *sqlite, qpool_ops *ops, void **user, qpool_error *error);
/* The same and qpool_create in one. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_sqlite_create(qpool **out, const char *target,
    const qpool_sqlite_options *sqlite, const qpool_options *options, qpool_error *error);
/* The connection of a lease; NULL for the empty lease and for one of another kind of pool. */
QPOOL_API sqlite3 *qpool_sqlite_db(const qpool_lease *lease);

#ifdef __cplusplus
}
#endif
#endif /* QUEUEPOOL_SQLITE_H */
