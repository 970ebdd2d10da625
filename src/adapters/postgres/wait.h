/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait: the only room that sleeps: for a socket, until a deadline.  It sends what libpq has queued
 * and reads what has come; it interprets neither.
 */
#ifndef QP_PG_WAIT_H
#define QP_PG_WAIT_H

#include <queuepool/postgres.h>

typedef enum {
	QP_PG_READY = 0,
	QP_PG_LATE,  /* the deadline came first */
	QP_PG_BROKEN /* the connection is gone */
} qp_pg_waited;

int64_t qp_pg_wait_now(void);                   /* CLOCK_MONOTONIC, ns */
int64_t qp_pg_wait_deadline(qpool_nsec budget); /* now + budget; INT64_MAX for for ever */
/* poll one socket; signals do not end it.  BROKEN only if poll itself fails. */
qp_pg_waited qp_pg_wait_socket(int fd, short events, int64_t deadline_ns);
/* Until PQgetResult would not block, with everything sent. */
qp_pg_waited qp_pg_wait_result(PGconn *conn, int64_t deadline_ns);

#endif
