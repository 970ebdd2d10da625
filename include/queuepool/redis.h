/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queuepool/redis.h - pools of Redis connections.  Link with libqueuepool-redis.
 *
 * Resource. A session of ours around a hiredis context.  Use it by the functions below, which keep a
 *           deadline, raise no SIGPIPE and see what a command leaves in the session; or lend
 *           its context to code of your own by qpool_redis_use.  hiredis 0.14 and 1.x; no TLS.
 * Opening.  Connects by the open budget (names are looked up on a thread of their own), then in one
 *           round trip AUTH, SELECT, CLIENT SETNAME and PING.  Refused credentials, databases and
 *           names are EDENIED, too many clients is EFULL, all else EOPEN.
 * Before a lease.  A look at the socket, which sends nothing: a byte that nobody asked for, or the
 *           end, is unfit.  After check_after idle: PING, within step_budget.
 * Return.   Nothing was left behind: nothing is sent.  Else (MULTI, WATCH, SUBSCRIBE, MONITOR,
 *           another database or user...) RESET, AUTH, SELECT and CLIENT SETNAME in one round trip.
 *           Replies that were not read, and what RESET does not undo (SCRIPT DEBUG...): closed.
 *           `reset` says more; docs/REDIS.md has the table.
 * Failover. A READONLY answer spoils the lease, and every idle session must show, before its next
 *           lease, that its server is a primary.  Not with role=any.
 * Errors.   `native` is the first word of the server's error, at most 7 letters of it ("WRONGPA").
 *           No message, event, dump or description holds a password.
 * Fork.     In a child the parent's sessions are let go of; nothing is sent on them.
 */
#ifndef QUEUEPOOL_REDIS_H
#define QUEUEPOOL_REDIS_H

#include <hiredis/hiredis.h>
#include <queuepool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a pool of sessions ------------------------------------------------------------- */

/* When a return sends RESET.  In the URL: ?reset=seen... */
enum {
	/* The default: when a function below saw something left behind, or when the plain context
	 * was taken, as nobody sees what is done with that. */
	QPOOL_REDIS_RESET_AUTO = 0,
	QPOOL_REDIS_RESET_SEEN, /* only what was seen; who takes the context promises to tidy up */
	QPOOL_REDIS_RESET_ALWAYS,
	QPOOL_REDIS_RESET_NONE /* send nothing; close what was seen to be left behind */
};

/* What the servers behind the URL are.  In the URL: ?role=any */
enum {
	QPOOL_REDIS_ROLE_PRIMARY = 0, /* the default: a session that leads to a replica is not kept */
	QPOOL_REDIS_ROLE_ANY          /* replicas, on purpose: READONLY is an answer like any other */
};

typedef struct qpool_redis_options {
	size_t      size;
	uint32_t    reset;
	uint32_t    db;           /* default 0 */
	/* How long a function below waits, wherever it is stuck; also the context's own timeout.
	 * Default FOREVER: some commands are meant to wait. */
	qpool_nsec  call_timeout;
	const char *user;         /* default: none, AUTH with the password alone; copied */
	const char *password;     /* default: none, no AUTH; copied */
	/* For CLIENT SETNAME; default: the pool's name if you gave one; "": none; copied. */
	const char *client_name;
	uint32_t    role;
} qpool_redis_options;
QPOOL_INIT_(qpool_redis_options)

/* Fill *ops and *user for qpool_create, so that you can wrap them, and *options by what the URL says.
 * "redis://[[USER]:PASSWORD@]HOST[:PORT][/DB][?WORDS]" or "unix:[//[USER]:PASSWORD@]PATH[?WORDS]";
 * %XX is decoded; words are the fields above but size (call_timeout=5s, reset=seen), and those of
 * qpool_options_parse after "pool_" (pool_max_size=20).  What the URL says wins over the structs.
 * NULL redis: all defaults.  `user` is yours until you pass it to qpool_create or end it by
 * ops->destroy(user).  *ops comes from qpool_ops_init(), *options from qpool_options_init(); a wrapper
 * keeps its `kind`.  Opens nothing.  On failure nothing is changed: EINVAL, ENOTSUP, ENOMEM. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_redis_ops(const char *url, const qpool_redis_options *redis,
    qpool_options *options, qpool_ops *ops, void **user, qpool_error *error);
/* qpool_redis_ops and qpool_create in one. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_redis_create(qpool **out, const char *url,
    const qpool_redis_options *redis, const qpool_options *options, qpool_error *error);

/* ---- commands ----------------------------------------------------------------------- */

/* On the thread of the lease.  An answer that is an error is EPEER.  EUNKNOWN: the connection broke,
 * or the time ran out, when some of it was sent: it may or may not have taken effect; before that
 * it is EPEER or ETIMEOUT.  After these the lease is spoiled, as it is after NOAUTH.  EMISUSE for the
 * empty lease, one of another kind of pool, and replies that must be read first.  EINVAL, also for
 * CLIENT REPLY OFF and SKIP, whose answer never comes; ENOMEM. */

/* One command and its reply, written as for redisCommand: "SET %s %b".  *out is yours, free it by
 * freeReplyObject; NULL out: not wanted.  EMISUSE after SUBSCRIBE or MONITOR: the next reply may be a
 * message; use a pipeline. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_redis_command(qpool_lease *lease, redisReply **out,
    qpool_error *error, const char *format, ...);
/* The same from words; NULL lengths: all are text. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_redis_argv(qpool_lease *lease, redisReply **out,
    qpool_error *error, int argc, const char *const *argv, const size_t *lengths);
/* A pipeline: queue commands, then read a reply for each.  They are sent when the first is read. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_redis_append(qpool_lease *lease, qpool_error *error,
    const char *format, ...);
QPOOL_API QPOOL_CHECKED qpool_err qpool_redis_append_argv(qpool_lease *lease, qpool_error *error,
    int argc, const char *const *argv, const size_t *lengths);
/* The next reply; after SUBSCRIBE or MONITOR the next message.  EMISUSE when none is to come. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_redis_reply(qpool_lease *lease, redisReply **out,
    qpool_error *error);
/* Until this lease ends, the functions above wait so long, or QPOOL_FOREVER; QPOOL_DEFAULT: as
 * call_timeout says.  EINVAL, EMISUSE. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_redis_within(qpool_lease *lease, qpool_nsec timeout);

/* ---- the plain context --------------------------------------------------------------- */

/* Your code with the context: any call of hiredis but redisFree and redisReconnect.  What it returns is
 * passed on; it fills *error, if it likes. */
typedef qpool_err qpool_redis_use_fn(redisContext *context, void *user, qpool_error *error);
/* Call it, on this thread, with SIGPIPE blocked here until it returns; one that its calls raised is
 * taken back.  When the context has an error then, the lease is spoiled as by qpool_redis_note.
 * EINVAL, and before it is called EMISUSE and EPEER as above. */
QPOOL_API QPOOL_CHECKED qpool_err qpool_redis_use(qpool_lease *lease, qpool_redis_use_fn *use,
    void *user, qpool_error *error);
/* The context itself, to keep until the lease ends.  hiredis before 1.0 writes to it by write(2), which
 * raises SIGPIPE when the server is gone: ignore that, or block it around.  NULL for the empty lease
 * and for a lease of another kind of pool. */
QPOOL_API redisContext *qpool_redis_unguarded_context(qpool_lease *lease);
/* Tell the pool of a reply that you got by the context, or NULL.  When the context has an error, or
 * the reply says that the server takes no writes (READONLY), the lease is spoiled and every idle
 * session is asked before its next use.  Returns whether the lease was spoiled. */
QPOOL_API bool qpool_redis_note(qpool_lease *lease, const redisReply *reply);
/* Take the context out of the pool for good: end it by redisFree.  NULL as qpool_detach. */
QPOOL_API QPOOL_CHECKED redisContext *qpool_redis_detach(qpool_lease *lease);

#ifdef __cplusplus
}
#endif
#endif /* QUEUEPOOL_REDIS_H */
