/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dial: a connected PGconn, or why not, by a deadline.  Session comes in for each open.  dial sets
 * nothing in the server and keeps nothing.
 */
#ifndef QP_PG_DIAL_H
#define QP_PG_DIAL_H

#include "source.h"

/* Host after host, address after address, each with its share of the time left; `receiver` gets the
 * notices, its argument being `about`, and *usual is libpq's own.  EDENIED, EFULL, EOPEN as queuepool/postgres.h says, ENOMEM,
 * or what the credentials callback said. */
qpool_err qp_pg_dial(const qp_pg_source *source, int64_t deadline_ns, PQnoticeReceiver receiver,
    void *about, PQnoticeReceiver *usual, PGconn **out, qpool_error *error);

/* PQfinish, which gives back what connecting took: see forking. */
void qp_pg_dial_end(PGconn *conn);

#endif
