/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * postgres: makes pools.  Users call in and get the ops of one source.  The rooms behind are session
 * (a connection's life), source and conninfo (options), dial and resolve (connecting), settle, cancel,
 * reset and dirty (returning), lease and the helpers (a holder's side).  postgres itself never touches a
 * connection.
 */
#include "fault.h"
#include "lease.h"
#include "session.h"

#include <errno.h>

static void
destroy(void *user)
{
	qp_pg_source_free(user);
}

static void
fill(qpool_ops *ops, size_t size)
{
	qpool_ops ours = qpool_ops_init();

	ours.kind = qp_pg_kind;
	ours.open = qp_pg_session_open;
	ours.close = qp_pg_session_close;
	ours.peek = qp_pg_session_peek;
	ours.check = qp_pg_session_check;
	ours.reset = qp_pg_session_reset;
	ours.describe = qp_pg_session_describe;
	ours.abandon = qp_pg_session_abandon;
	ours.destroy = destroy;
	memset(ops, 0, size);
	memcpy(ops, &ours, size < sizeof ours ? size : sizeof ours);
	ops->size = size;
}

static qpool_err
refuse_null(const char *name, qpool_error *error)
{
	return qp_pg_fault_say(
	    error, QPOOL_EINVAL, "%s is NULL; it must point to what is to be filled", name);
}

static qpool_err
make_ops(const char *conninfo, const qpool_pg_options *pg, qpool_options *options, qpool_ops *ops,
    void **user, qpool_error *error)
{
	const size_t least = offsetof(qpool_ops, destroy) + sizeof ops->destroy;
	qp_pg_source *source;
	qpool_err err;

	if (options == NULL || ops == NULL || user == NULL)
		return refuse_null(options == NULL ? "options"
				   : ops == NULL   ? "ops"
						   : "user",
		    error);
	if (ops->size < least)
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "ops->size is %zu; start from qpool_ops_init()", ops->size);
	if (!PQisthreadsafe())
		return qp_pg_fault_say(error, QPOOL_ENOTSUP,
		    "this libpq is built without threads; use one built with them");
	err = qp_pg_source_make(&source, conninfo, pg, options, error);
	if (err != QPOOL_OK)
		return err;
	fill(ops, ops->size);
	*user = source;
	return QPOOL_OK;
}

qpool_err
qpool_pg_ops(const char *conninfo, const qpool_pg_options *pg, qpool_options *options,
    qpool_ops *ops, void **user, qpool_error *error)
{
	int saved = errno;
	qpool_err err = make_ops(conninfo, pg, options, ops, user, error);

	errno = saved;
	return err;
}

/* Options that a newer program made longer are passed on whole, as create looks at their end. */
qpool_err
qpool_pg_create(qpool **out, const char *conninfo, const qpool_pg_options *pg,
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
		return qp_pg_fault_say(error, QPOOL_EINVAL,
		    "options->size is %zu; start from qpool_options_init()", options->size);
	if (options != NULL)
		memcpy(&copy, options, options->size);
	if (copy.options.size < sizeof copy.options)
		copy.options.size = sizeof copy.options;
	err = qpool_pg_ops(conninfo, pg, &copy.options, &ops, &user, error);
	if (err != QPOOL_OK)
		return err;
	err = qpool_create(out, &copy.options, &ops, user, error);
	if (err != QPOOL_OK)
		destroy(user);
	return err;
}
