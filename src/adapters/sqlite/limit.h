/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limit: the time limit of a step.  While a limit is set on a connection, lock waits and running
 * SQL end with it.  Lifting it sets the pool's own busy timeout and removes the progress handler,
 * which also undoes what a holder did to either.  open and session call in.
 *
 * What a limit cannot end: a single system call (a read from a dead network file
 * system, an fsync); the recovery of a WAL or a hot journal by the first reader; the
 * attempts, up to ten seconds in all, to get a place among the readers of a WAL; the
 * pages that a ROLLBACK writes back; and the checkpoint by the last connection that
 * closes.  SQLite calls no handler during these.
 */
#ifndef QP_SQLITE_LIMIT_H
#define QP_SQLITE_LIMIT_H

#include <queuepool/sqlite.h>

typedef struct qp_sqlite_limit {
	int64_t end_ns;      /* end of the work, on the monotonic clock */
	int64_t lock_end_ns; /* end of lock waits: by the busy timeout, never after end_ns */
	bool stopped;        /* SQL was interrupted because end_ns had come */
} qp_sqlite_limit;

/* Set a limit; *limit must live until it is lifted. */
void qp_sqlite_limit_lay(qp_sqlite_limit *limit, sqlite3 *db, qpool_nsec budget, int busy_ms);
void qp_sqlite_limit_lift(sqlite3 *db, int busy_ms);
/* A busy handler; arg is the limit.  Sleeps the pause of this attempt between two tries for a
 * lock; 0: no time is left. */
int qp_sqlite_limit_wait(void *arg, int attempt);

#endif
