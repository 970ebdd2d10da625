/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forking: libpq connects through libraries that take locks and know nothing of fork: Kerberos, which
 * is asked for credentials at every connect by TCP.  A child forked meanwhile would find such a lock
 * taken for ever.  So a fork waits until no thread is in there.  Dial comes in.
 */
#ifndef QP_PG_FORKING_H
#define QP_PG_FORKING_H

/* Around calls that connect or undo that; not around waits. */
void qp_pg_forking_enter(void);
void qp_pg_forking_leave(void);

#endif
