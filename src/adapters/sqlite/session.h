/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: one connection, from its opening to its end.  These are the callbacks that the pool
 * calls.  `user` is a qp_sqlite_source, `resource` a sqlite3 that no other thread uses meanwhile.
 * session never steps or finalizes a holder's statement.
 */
#ifndef QP_SQLITE_SESSION_H
#define QP_SQLITE_SESSION_H

#include "source.h"

/* open.c */
qpool_err qp_sqlite_session_open(
    void *user, const qpool_step *step, void **out, qpool_error *error);

/* session.c */
qpool_err qp_sqlite_session_check(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
qpool_err qp_sqlite_session_reset(
    void *user, void *resource, const qpool_step *step, qpool_error *error);
/* Close the handle, which may be NULL.  If statements are left, SQLite keeps the handle, and it
 * still counts as open. */
void qp_sqlite_session_end(qp_sqlite_source *source, sqlite3 *db);
void qp_sqlite_session_close(void *user, void *resource, qpool_why why);

#endif
