/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: one connection, from its opening to its end.  These are the pool's callbacks; `user`
 * is a qp_sqlite_source, `resource` a sqlite3 that no other thread uses meanwhile.
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
/* Close the handle, which may be NULL.  With statements left SQLite keeps it, and it counts on. */
void qp_sqlite_session_end(qp_sqlite_source *source, sqlite3 *db);
void qp_sqlite_session_close(void *user, void *resource, qpool_why why);

#endif
