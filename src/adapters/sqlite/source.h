/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source: where a pool's connections come from: read once from target and options, and shared by
 * all connections.  sqlite makes and frees it; every other room only reads it, from any thread.
 * source opens nothing.
 */
#ifndef QP_SQLITE_SOURCE_H
#define QP_SQLITE_SOURCE_H

#include <queuepool/sqlite.h>

#include <stdatomic.h>

#if SQLITE_VERSION_NUMBER < 3031000
#error "libqueuepool-sqlite needs SQLite 3.31 or newer"
#endif

/* Bytes of a target in messages; a longer one loses its middle. */
#define QP_SQLITE_SHOWN 100

typedef struct qp_sqlite_source {
	char *target;
	char
	    *file; /* the path on disk that `target` names, or NULL: memory, temporary, other VFS */
	char *at_open;            /* or NULL */
	char *vfs;                /* or NULL */
	const char *journal_mode; /* static text, or NULL: wal where possible */
	bool keeps_journal_mode;
	bool strict;
	bool hides_sql; /* at_open may hold a key: SQLite's messages are not repeated */
	int open_flags;
	int busy_ms;
	char shown[QP_SQLITE_SHOWN]; /* the target for messages: short, printable, no key */
	/* For `strict`: fingerprints of what at_open leaves in every session, written by each
	 * open, read by each reset.  Relaxed: each is a single word, and an older or newer print
	 * of the same SQL is equal. */
	atomic_ullong temp_print, attached_print;
	/* The number of connections, those being opened included, and the process they belong to.
	 * Both sequentially consistent: `process` is set before `live` grows, see
	 * qp_sqlite_source_enter. */
	atomic_uint live;
	atomic_int process;
} qp_sqlite_source;

/* EINVAL, ENOTSUP, ENOMEM; *out only on success. */
qpool_err qp_sqlite_source_make(qp_sqlite_source **out, const char *target,
    const qpool_sqlite_options *given, qpool_error *error);
/* Count one connection more; false: the process was forked while there were some.  SQLite keeps
 * file locks per process and file, in memory that fork copies: a child takes locks for held that
 * only the parent holds, and what it writes can be lost with the parent's WAL. */
bool qp_sqlite_source_enter(qp_sqlite_source *source);
/* Count one connection less, once it is fully closed. */
void qp_sqlite_source_leave(qp_sqlite_source *source);
void qp_sqlite_source_free(qp_sqlite_source *source); /* NULL is fine */

#endif
