/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_reset_rows: the table of docs/POSTGRES.md as data: what a holder may leave in a session, and what becomes
 * of it by policy.  The tests of the return come in; the rows themselves know no pool.
 */
#ifndef PG_RESET_ROWS_H
#define PG_RESET_ROWS_H

#include <stdbool.h>
#include <stdio.h>

#include "pg_kit.h"

/* The columns.  on_return and an untouched lease of SMART are as ROLLBACK. */
enum { PG_COLUMN_NONE, PG_COLUMN_ROLLBACK, PG_COLUMN_FULL, PG_COLUMNS };

typedef enum pg_fate {
	PG_CLOSED, /* the next holder has another session */
	PG_STAYS,  /* the next holder sees it */
	PG_GONE    /* the same session, without it */
} pg_fate;

/* One holder's stay.  The fields below `conn` are the row's own. */
typedef struct pg_stay {
	pg_server *server;
	PGconn *conn;
	FILE *trace;
	long traced;
	int calls;
} pg_stay;

typedef struct pg_cell {
	pg_fate fate;
	unsigned turns; /* round trips of the return */
} pg_cell;

typedef struct pg_row {
	const char *name; /* as in the table */
	void (*leave)(pg_stay *s);
	/* Does `s->conn`, the next holder's, show it?  NULL: it is no state that could be seen. */
	bool (*is_seen)(pg_stay *s);
	pg_cell cells[PG_COLUMNS];
	/* A query must be cancelled: without a worker the session is closed. */
	bool is_cancelled;
} pg_row;

extern const pg_row pg_rows[];
extern const size_t pg_row_count;

/* Once a server: what the rows need there. */
void pg_rows_prepare(pg_server *s);
/* Run SQL that must succeed; its last result's first value, "" if there is none, in a buffer that the next call uses
 * again. */
const char *pg_say(PGconn *conn, const char *sql);

#endif
