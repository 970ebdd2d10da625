/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_opening: a pool of one session whose failed opens are told at once, and what an acquire must give.
 * The tests of opening come in.
 */
#ifndef PG_OPENING_H
#define PG_OPENING_H

#include "pg_kit.h"

#include <queuepool/postgres.h>

/* Longer than any step of a test on a busy machine. */
#define OPENING_PATIENCE QPOOL_SEC(60)

typedef struct opening {
	qpool *pool;
	qpool_options options;
	qpool_pg_options pg;
	qpool_lease lease;
	qpool_error error;
} opening;

opening opening_init(void);
/* Makes the pool, which opens nothing; `conninfo` is a format. */
void opening_pool(opening *o, const char *conninfo, ...) __attribute__((format(printf, 2, 3)));
/* Acquire, but do not touch. */
void opening_lease(opening *o);
/* Acquire and touch. */
PGconn *opening_take(opening *o);
void opening_put(opening *o);
/* An acquire fails so; "" for no SQLSTATE; the message is one line with `words` in it. */
void opening_refused(opening *o, qpool_err code, const char *native, const char *words);
/* What o->error must be. */
void opening_failed(const opening *o, qpool_err code, const char *native, const char *words);
qpool_stats opening_stats(const opening *o);
/* Close and free: no lease may be out. */
void opening_end(opening *o);

/* The first column of the first row of the last result, "" for none; valid until the next call.
 * Fails the test when a statement fails. */
const char *opening_say(PGconn *conn, const char *sql);

/* What is written to this process's standard error from begin to end: a text to be freed. */
int opening_hush_begin(void);
char *opening_hush_end(int saved);

#endif
