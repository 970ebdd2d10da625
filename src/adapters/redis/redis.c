/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis: makes pools.  Users call in and get the ops of one source.  The rooms behind are session (a
 * connection's life), source, url and option (what was asked for), dial and resolve (connecting), greet
 * and reset (logging in, returning), trace (what was left), lease and call (a holder's side), wire and
 * fault.  redis itself never touches a connection.
 */
#include "fault.h"
#include "lease.h"
#include "session.h"

#include <errno.h>

static void
destroy(void *user)
{
	qp_redis_source_free(user);
}

static void
fill(qpool_ops *ops, size_t size)
{
	qpool_ops ours = qpool_ops_init();

	ours.kind = qp_redis_kind;
	ours.open = qp_redis_session_open;
	ours.close = qp_redis_session_close;
	ours.peek = qp_redis_session_peek;
	ours.check = qp_redis_session_check;
	ours.reset = qp_redis_session_reset;
	ours.describe = qp_redis_session_describe;
	ours.abandon = qp_redis_session_abandon;
	ours.destroy = destroy;
	memset(ops, 0, size);
	memcpy(ops, &ours, size < sizeof ours ? size : sizeof ours);
	ops->size = size;
}

static qpool_err
make_ops(const char *url, const qpool_redis_options *redis, qpool_options *options, qpool_ops *ops,
    void **user, qpool_error *error)
{
	const size_t least = offsetof(qpool_ops, destroy) + sizeof ops->destroy;
	qp_redis_source *source;
	qpool_err err;

	if (options == NULL || ops == NULL || user == NULL)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "%s is NULL; it must point to what is to be filled",
		    options == NULL ? "options"
		    : ops == NULL   ? "ops"
				    : "user");
	if (options->size < offsetof(qpool_options, max_size))
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "options->size is %zu; start from qpool_options_init()", options->size);
	if (ops->size < least)
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "ops->size is %zu; start from qpool_ops_init()", ops->size);
	err = qp_redis_source_make(&source, url, redis, options, error);
	if (err != QPOOL_OK)
		return err;
	fill(ops, ops->size);
	*user = source;
	return QPOOL_OK;
}

qpool_err
qpool_redis_ops(const char *url, const qpool_redis_options *redis, qpool_options *options,
    qpool_ops *ops, void **user, qpool_error *error)
{
	int saved = errno;
	qpool_err err = make_ops(url, redis, options, ops, user, error);

	errno = saved;
	return err;
}

/* Options that a newer program made longer are passed on whole, as create looks at their end. */
qpool_err
qpool_redis_create(qpool **out, const char *url, const qpool_redis_options *redis,
    const qpool_options *options, qpool_error *error)
{
	union {
		qpool_options options;
		unsigned char room[1024];
	} copy = {.options = qpool_options_init()};
	qpool_ops ops = qpool_ops_init();
	void *user = NULL;
	qpool_err err;

	if (options != NULL &&
	    (options->size < sizeof options->size || options->size > sizeof copy))
		return qp_redis_fault_say(error, QPOOL_EINVAL,
		    "options->size is %zu; start from qpool_options_init()", options->size);
	if (options != NULL)
		memcpy(&copy, options, options->size);
	if (copy.options.size < sizeof copy.options)
		copy.options.size = sizeof copy.options;
	err = qpool_redis_ops(url, redis, &copy.options, &ops, &user, error);
	if (err != QPOOL_OK)
		return err;
	err = qpool_create(out, &copy.options, &ops, user, error);
	if (err != QPOOL_OK)
		destroy(user);
	return err;
}
