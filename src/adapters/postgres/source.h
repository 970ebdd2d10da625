/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source: where a pool's sessions come from: read once from the conninfo and the options, and
 * shared by all sessions.  postgres makes and frees it; every other room only reads it, from any
 * thread.  source connects to nothing.
 */
#ifndef QP_PG_SOURCE_H
#define QP_PG_SOURCE_H

#include <queuepool/postgres.h>

#include <stdatomic.h>

typedef struct qp_pg_resolver qp_pg_resolver;

/* One place to connect to, as libpq's lists of hosts, addresses and ports give it. */
typedef struct qp_pg_host {
	char *host;     /* a name, an address or a socket's folder; or NULL */
	char *hostaddr; /* an address: nothing to look up; or NULL */
	char *port;     /* or NULL: libpq's default */
} qp_pg_host;

/* keywords[word_count] == NULL and values[word_count] == NULL; host_count >= 1. */
typedef struct qp_pg_source {
	/* Set by make, never changed. */
	char **keywords, **values; /* for PQconnectStartParams: all but host, hostaddr and port */
	size_t word_count;
	qp_pg_host *hosts;
	size_t host_count;
	bool prefers_standby;       /* two rounds over the hosts: standby, then any */
	qpool_nsec connect_timeout; /* at most so long for one host; QPOOL_FOREVER: its share */
	qpool_pg_options options;   /* checked; texts and lists are copies */
	qpool_nsec call_timeout;    /* resolved: a duration or QPOOL_FOREVER */
	char *begin;                /* opens a transaction as the options say */
	char *options_word;         /* the startup parameter `options`, or NULL */
	char *database;             /* for describe */
	qp_pg_resolver *resolver;   /* made and freed here, used by dial */
	/* How often prepared statements were lost, by connect or by reset.  Relaxed: only that no two
	 * are equal counts. */
	atomic_ullong epochs;
} qp_pg_source;

/* EINVAL, ENOTSUP, ENOMEM; *out and *pool only on success.  `pool` takes what the text says of the
 * pool, and the pooler's defaults. */
qpool_err qp_pg_source_make(qp_pg_source **out, const char *conninfo, const qpool_pg_options *given,
    qpool_options *pool, qpool_error *error);
void qp_pg_source_free(qp_pg_source *source); /* NULL is fine */
/* The BEGIN for these settings where they differ from the pool's; into `out` of `room` bytes. */
void qp_pg_source_begin(
    const qp_pg_source *source, uint32_t isolation_level, uint32_t flags, char *out, size_t room);

#endif
