/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * company: the PostgreSQL that W6 talks to, started and ended by the benchmark itself.  The workload
 * begins and ends it, the peers of W6 connect to it.
 */
#ifndef BENCH_COMPANY_H
#define BENCH_COMPANY_H

#include <libpq-fe.h>

#include <stdint.h>

void company_begin(void);
void company_end(void);
/* The CPU time that all processes took so far but this one, the server and its sessions: see load.h. */
int64_t company_others_ns(void);
const char *company_conninfo(void); /* a unix socket */
PGconn *company_connect(void);      /* ends the program if it cannot */
/* The statement of W6, and its answer. */
void company_ask(PGconn *conn);

#endif
