/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queuepool/postgres.h - pools of PostgreSQL connections.  Link with libqueuepool-postgres.
 *
 * Resource. A session of ours; qpool_pg_conn(&lease) gives its PGconn.  Between acquire and release
 *           it is yours: any libpq call but PQfinish and PQreset.
 * Opening.  Without blocking, host after host, each with its share of open_budget; names are looked
 *           up on a thread of their own.  SQLSTATE 28xxx and 3D000 are EDENIED, 53300 is EFULL, all
 *           else EOPEN.  keepalives (30 s, 10 s, 3) and tcp_user_timeout (15 s) are on unless the
 *           conninfo says otherwise.
 * Before a lease.  A look at the socket, which sends nothing.  After check_after idle, or when a
 *           fatal error on any connection made the others suspect: an empty query, within
 *           step_budget.
 * Return.   Idle and untouched: nothing.  In a transaction: rolled back.  A result unread, COPY or
 *           a pipeline: ended, cancelled if need be, within step_budget.  More by `reset`;
 *           docs/POSTGRES.md has the table of what stays.
 * Fairness. max_overtake defaults to 3 ms here, by measurement: see bench/README.md, W6.
 * Errors.   `native` is the SQLSTATE, also of a failed connect; "" when the server gave none.  No
 *           message, event, dump or description holds a password.
 * Fork.     In a child the parent's sessions are let go of; nothing is sent on them.
 */
#ifndef QUEUEPOOL_POSTGRES_H
#define QUEUEPOOL_POSTGRES_H

#include <libpq-fe.h>
#include <queuepool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a pool of sessions ------------------------------------------------------------- */

/* What a return does beyond ending what is under way.  In the URI: pool_reset=none... */
enum {
	QPOOL_PG_RESET_ROLLBACK = 0, /* the default: roll back an open transaction, no more */
	QPOOL_PG_RESET_NONE,         /* send nothing; a session that is not idle is closed */
	QPOOL_PG_RESET_SMART,        /* as FULL if the lease was touched, else nothing */
	QPOOL_PG_RESET_FULL          /* ROLLBACK, DISCARD ALL, at_connect: in one round trip */
};
/* The isolation of transactions.  In the URI: pool_isolation_level=serializable... */
enum {
	QPOOL_PG_ISOLATION_DEFAULT = 0, /* the server's */
	QPOOL_PG_READ_UNCOMMITTED,
	QPOOL_PG_READ_COMMITTED,
	QPOOL_PG_REPEATABLE_READ,
	QPOOL_PG_SERIALIZABLE
};
/* What stands between us and the server.  In the URI: pool_pooler=none|transaction */
enum {
	QPOOL_PG_POOLER_NONE = 0,
	/* PgBouncer and its kin in transaction mode: no session state.  No startup options;
	 * NONE and ROLLBACK are the only resets; at_connect is EINVAL; transaction settings
	 * travel in the BEGIN of transactions opened here; max_age and max_idle default to
	 * 25 and 5 min, below the pooler's. */
	QPOOL_PG_POOLER_TRANSACTION
};
/* Flags.  In the URI: pool_read_only=1, pool_read_write=1, pool_deferrable=1, pool_transaction=1 */
enum {
	QPOOL_PG_READ_ONLY = 1u << 0,   /* transactions cannot write */
	QPOOL_PG_READ_WRITE = 1u << 1,  /* ... can, whatever the server's default */
	QPOOL_PG_DEFERRABLE = 1u << 2,  /* for SERIALIZABLE and READ_ONLY */
	/* No autocommit: whenever no transaction is open, qpool_pg_conn and the helpers open one.
	 * Commit by qpool_pg_commit; what is not committed is rolled back. */
	QPOOL_PG_TRANSACTION = 1u << 3
};

/* User and password of one connect; the texts must live until the next call, or until open is
 * done.  NULL: as the conninfo says. */
typedef struct qpool_pg_credentials {
	size_t      size;
	const char *user;
	const char *password;
} qpool_pg_credentials;
QPOOL_INIT_(qpool_pg_credentials)

/* A callback that fails returns an error code and may fill *error. */
typedef struct qpool_pg_options {
	size_t      size;
	uint32_t    reset;
	uint32_t    isolation_level;
	uint32_t    flags;
	uint32_t    pooler;
	/* The server's limits; default: the server's own; ZERO: none.  Rounded up to whole ms. */
	qpool_nsec  statement_timeout;
	qpool_nsec  lock_timeout;
	qpool_nsec  idle_in_transaction_session_timeout;
	/* How long a helper below waits for its answer, wherever it is stuck.  Default FOREVER. */
	qpool_nsec  call_timeout;
	/* Default: the pool's name (libpq's fallback_application_name); copied. */
	const char *application_name;
	/* Statements run after connect, and again by a full reset; one each, NULL at the end, or
	 * NULL; copied. */
	const char *const *at_connect;
	/* Passed to the callbacks below.  They run on any thread. */
	void       *user;
	/* Before each connect: who connects.  If the server refuses (28xxx), asked once more with
	 * `again` true, as passwords rotate; only then the refusal counts. */
	qpool_err (*credentials)(void *user, bool again, qpool_pg_credentials *out,
	    qpool_error *error);
	/* Once after connect and at_connect.  Leave no transaction open.  step->budget is what is
	 * left of the open budget. */
	qpool_err (*on_connect)(void *user, PGconn *conn, const qpool_step *step,
	    qpool_error *error);
	/* In each lease, before its first use: the first qpool_pg_conn or helper.  A failure
	 * spoils the lease. */
	qpool_err (*on_lease)(void *user, PGconn *conn, qpool_error *error);
	/* After each lease that was touched, when its transaction has ended; with reset ROLLBACK. */
	qpool_err (*on_return)(void *user, PGconn *conn, const qpool_step *step,
	    qpool_error *error);
	/* A notice or warning of the server; default: dropped.  Never printed. */
	void      (*on_notice)(void *user, const PGresult *notice);
	/* Debugging: look at each touched session when it comes back, and tell what it leaves behind
	 * ("open transaction, SET work_mem, temp table a") with the site that acquired it, or NULL.
	 * Costs a round trip; not with reset NONE. */
	void      (*on_dirty)(void *user, const char *what, const char *site);
} qpool_pg_options;
QPOOL_INIT_(qpool_pg_options)

/* Fill *ops and *user for qpool_create, so that you can wrap them, and *options by what the text
 * says.  `conninfo` is what PQconnectdb takes: words or a URI, with service files, PG* variables,
 * several hosts and target_session_attrs, read now.  Words that begin with pool_ are ours:
 * pool_max_size=20 as in qpool_options_parse, and the fields of qpool_pg_options that are no
 * pointers, by the names above; they win over the structs.  NULL pg: all defaults.  `user` is yours
 * until you pass it to qpool_create or end it by ops->destroy(user).  *ops comes from
 * qpool_ops_init(), *options from qpool_options_init(); a wrapper keeps its `kind`.  Opens nothing.
 * On failure nothing is changed: EINVAL names the word, ENOTSUP, ENOMEM. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_ops(const char *conninfo, const qpool_pg_options *pg,
    qpool_options *options, qpool_ops *ops, void **user, qpool_error *error);
/* qpool_pg_ops and qpool_create in one. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_create(qpool **out, const char *conninfo,
    const qpool_pg_options *pg, const qpool_options *options, qpool_error *error);
/* A copy of a conninfo that may be shown: passwords replaced by ****.  Free with qpool_pg_free.
 * NULL without memory. */
QPOOL_API char *qpool_pg_redact(const char *conninfo);

/* The connection of a lease, which counts as touched from here on.  NULL for the empty lease, a
 * lease of another kind of pool, or when on_lease or BEGIN failed: then the lease is spoiled.
 * Blocks only in on_lease and BEGIN. */
QPOOL_API PGconn *qpool_pg_conn(qpool_lease *lease);
/* The same, and why not. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_use(qpool_lease *lease, PGconn **out,
    qpool_error *error);
/* A number that changes when the session's prepared statements are gone: by connect, and by a full
 * reset.  0 for the empty lease.  For caches of statements. */
QPOOL_API uint64_t qpool_pg_epoch(const qpool_lease *lease);
/* Take the connection out of the pool for good: end it by PQfinish.  NULL as qpool_detach. */
QPOOL_API QPOOL_CHECKED PGconn *qpool_pg_detach(qpool_lease *lease);
/* Tell the pool of a result of yours that failed (NULL: PQsendQuery or the like did).  When the
 * connection broke, the severity is FATAL or PANIC, or the server has become read-only under a
 * session that could write (25006): the lease is spoiled and every idle session is asked before its
 * next use.  The helpers do this themselves.  Returns whether the lease was spoiled. */
QPOOL_API bool qpool_pg_note(qpool_lease *lease, const PGresult *result);

/* ---- helpers ------------------------------------------------------------------------ */

/* They run on the thread of the lease, each sends one statement (unnamed, so that poolers like
 * it) and waits for its whole answer.  They fail with EPEER and the SQLSTATE in `native`; ETIMEOUT
 * past the call's timeout; EUNKNOWN when the connection broke, or the time ran out, while a
 * statement outside a transaction, or a COMMIT, was under way: it may or may not have taken effect.
 * After the latter two the lease is spoiled. */

/* The parameters $1... of a statement; text unless formats says 1.  NULL pointers: all values NULL,
 * types as the server finds, all text. */
typedef struct qpool_pg_params {
	size_t             size;
	uint32_t           count;   /* at most 65,535 */
	uint32_t           binary;  /* 1: the rows come in binary */
	const char *const *values;  /* NULL: SQL's NULL */
	const Oid         *types;   /* 0: as the server finds */
	const int         *lengths; /* of binary values */
	const int         *formats; /* 0 text, 1 binary */
	qpool_nsec         timeout; /* default: call_timeout; QPOOL_FOREVER */
} qpool_pg_params;
QPOOL_INIT_(qpool_pg_params)
/* Text parameters in place: QPOOL_PG_TEXT("42", name).  At least one. */
#define QPOOL_PG_TEXT(...)                                                                         \
	(&(const qpool_pg_params){.size = sizeof(qpool_pg_params),                                 \
	    .count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *),                 \
	    .values = (const char *[]){__VA_ARGS__}})

typedef enum {
	QPOOL_PG_NO_ROW = 0,
	QPOOL_PG_ONE_ROW,
	QPOOL_PG_MORE_ROWS,
	QPOOL_PG_ROWS_FORCE_INT_ = INT32_MAX
} qpool_pg_rows;

/* All rows: *out is libpq's, with names, types and values; PQclear it.  NULL params: none. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_query(qpool_lease *lease, const char *sql,
    const qpool_pg_params *params, PGresult **out, qpool_error *error);
/* The first row, and whether there was none, one or more; *out has at most one row. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_one(qpool_lease *lease, const char *sql,
    const qpool_pg_params *params, PGresult **out, qpool_pg_rows *rows, qpool_error *error);
/* Run it; *affected (may be NULL) is how many rows the command tag tells of. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_exec(qpool_lease *lease, const char *sql,
    const qpool_pg_params *params, uint64_t *affected, qpool_error *error);
/* All rows as a JSON array of objects, made by the server; the statement is a SELECT, or has
 * RETURNING.  Free *out with qpool_pg_free. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_json(qpool_lease *lease, const char *sql,
    const qpool_pg_params *params, char **out, qpool_error *error);
/* All rows as a GeoJSON FeatureCollection: column `geometry` (PostGIS; NULL: "geom") is the
 * geometry, with at most `digits` decimals (negative: 9), the others are the properties.  Free *out
 * with qpool_pg_free. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_geojson(qpool_lease *lease, const char *sql,
    const qpool_pg_params *params, const char *geometry, int digits, char **out,
    qpool_error *error);
/* The server's clock in milliseconds since 1970, plus `offset`; inside a transaction the time it
 * began. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_now(qpool_lease *lease, int64_t offset_msec,
    int64_t *out_msec, qpool_error *error);
QPOOL_API void qpool_pg_free(char *text);

/* Commit the open transaction; without one, a no-op.  EPEER: it was rolled back, also when it had
 * failed before; EUNKNOWN: nobody knows. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_commit(qpool_lease *lease, qpool_error *error);
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_rollback(qpool_lease *lease, qpool_error *error);

/* How a transaction runs; 0: as the pool's options say. */
typedef struct qpool_pg_transaction_options {
	size_t   size;
	uint32_t isolation_level;
	uint32_t flags;   /* READ_ONLY, READ_WRITE, DEFERRABLE */
	uint32_t retries; /* default 3, ZERO32 none: how often it is run again after 40001, 40P01 */
	uint32_t reserved_;
} qpool_pg_transaction_options;
QPOOL_INIT_(qpool_pg_transaction_options)
/* The body of a transaction; it may run several times, so it must have no other effects.  OK:
 * commit.  Else roll back; if *error has native 40001 or 40P01, run again. */
typedef qpool_err qpool_pg_body(void *user, qpool_lease *lease, qpool_error *error);
/* BEGIN, the body, COMMIT.  Outside a transaction only: else EMISUSE.  A lost connection is never
 * retried: during COMMIT it is EUNKNOWN, before that what the body returned.  NULL options:
 * all defaults. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_pg_transaction(qpool_lease *lease,
    const qpool_pg_transaction_options *options, qpool_pg_body *body, void *user,
    qpool_error *error);

#ifdef __cplusplus
}
#endif
#endif /* QUEUEPOOL_POSTGRES_H */
