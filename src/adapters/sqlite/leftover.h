/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * leftover: what a session has beyond its main database: temp objects and ATTACHed files.  For
 * strict pools: open remembers what at_open made, reset tells what a holder added or removed.
 * leftover never removes anything.
 */
#ifndef QP_SQLITE_LEFTOVER_H
#define QP_SQLITE_LEFTOVER_H

#include "source.h"

/* Both functions return SQLite's result code.  They read the connection, under a limit that the
 * caller has set. */

/* Remember this session, just opened, as the model of a new one. */
int qp_sqlite_leftover_remember(qp_sqlite_source *source, sqlite3 *db);
/* Say in `what` how the session differs from a new one; "" when it does not. */
int qp_sqlite_leftover_find(qp_sqlite_source *source, sqlite3 *db, char *what, size_t room);

#endif
