/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hosts: libpq's lists of hosts, addresses and ports, as places to connect to.  source comes in.
 * hosts looks nothing up.
 */
#ifndef QP_PG_HOSTS_H
#define QP_PG_HOSTS_H

#include "merge.h"
#include "source.h"

/* At least one.  Nothing is left to what the environment may say at the time of a connect: a place
 * without a host has libpq's own.  EINVAL, ENOMEM; *out and *count only on success. */
qpool_err qp_pg_hosts_read(
    qp_pg_host **out, size_t *count, const qp_pg_merged *merged, qpool_error *error);
void qp_pg_hosts_free(qp_pg_host *hosts, size_t count);

#endif
