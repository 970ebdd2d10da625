/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * leftover: what a session has beyond its main database: temp objects and ATTACHed files.  For
 * strict pools: opening remembers what at_open made, reset tells what a holder added or took
 * away.
 */
#ifndef QP_SQLITE_LEFTOVER_H
#define QP_SQLITE_LEFTOVER_H

#include "source.h"

/* Both return what SQLite said.  They read the connection, under a limit that the caller has
 * laid. */

/* Remember this session, just opened, as what a new one looks like. */
int qp_sqlite_leftover_remember(qp_sqlite_source *source, sqlite3 *db);
/* Say in `what` how the session differs from a new one; "" when it does not. */
int qp_sqlite_leftover_find(qp_sqlite_source *source, sqlite3 *db, char *what, size_t room);

#endif
