/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limit: the time a step has.  While one is laid on a connection, waiting for locks and running
 * SQL end with it; lifting it gives the connection the pool's own busy timeout and no progress
 * handler, which also undoes what a holder did to either.
 *
 * What it cannot end: a single system call (a read from a dead network file system, an fsync),
 * the recovery of a WAL or a hot journal by the first reader, the tries, up to ten seconds in
 * all, for a place among the readers of a WAL, the pages a ROLLBACK writes back, and the
 * checkpoint of the last connection that closes.  SQLite asks nobody while it does these.
 */
#ifndef QP_SQLITE_LIMIT_H
#define QP_SQLITE_LIMIT_H

#include <queuepool/sqlite.h>

typedef struct qp_sqlite_limit {
	int64_t end_ns;      /* of the work, on the monotonic clock */
	int64_t lock_end_ns; /* of waiting for locks: the busy timeout, never later than end_ns */
	bool stopped;        /* SQL was interrupted because end_ns had come */
} qp_sqlite_limit;

/* `limit` must live until it is lifted. */
void qp_sqlite_limit_lay(qp_sqlite_limit *limit, sqlite3 *db, qpool_nsec budget, int busy_ms);
void qp_sqlite_limit_lift(sqlite3 *db, int busy_ms);
/* A busy handler; arg is the limit.  Sleeps the attempt-th pause between two tries for a lock;
 * 0: no time is left. */
int qp_sqlite_limit_wait(void *arg, int attempt);

#endif
