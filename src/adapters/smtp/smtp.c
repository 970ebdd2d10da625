/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp: makes pools.  Users call in and get the ops of one source.  The rooms behind are source and url
 * (options), dial (connecting), session (a session's life), wire (bytes), reply and body (what they
 * mean), send, message and address (a mail).  smtp itself never touches a connection.
 */
#include "fault.h"
#include "session.h"

#include <errno.h>

static void
destroy(void *user)
{
	qp_smtp_source_free(user);
}

static void
fill(qpool_ops *ops, size_t size)
{
	qpool_ops ours = qpool_ops_init();

	ours.kind = "smtp";
	ours.open = qp_smtp_session_open;
	ours.close = qp_smtp_session_close;
	ours.peek = qp_smtp_session_peek;
	ours.check = qp_smtp_session_check;
	ours.reset = qp_smtp_session_reset;
	ours.describe = qp_smtp_session_describe;
	ours.abandon = qp_smtp_session_abandon;
	ours.destroy = destroy;
	memset(ops, 0, size);
	memcpy(ops, &ours, size < sizeof ours ? size : sizeof ours);
	ops->size = size;
}

static qpool_err
make_ops(const char *url, const qpool_smtp_options *smtp, qpool_options *options, qpool_ops *ops,
    void **user, qpool_error *error)
{
	const size_t least = offsetof(qpool_ops, destroy) + sizeof ops->destroy;
	qp_smtp_source *source;
	qpool_err err;

	if (options == NULL || ops == NULL || user == NULL)
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "%s is NULL; it must point to what is to be filled",
		    options == NULL ? "options"
		    : ops == NULL   ? "ops"
				    : "user");
	if (ops->size < least)
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "ops->size is %zu; start from qpool_ops_init()", ops->size);
	err = qp_smtp_source_make(&source, url, smtp, options, error);
	if (err != QPOOL_OK)
		return err;
	fill(ops, ops->size);
	*user = source;
	return QPOOL_OK;
}

qpool_err
qpool_smtp_ops(const char *url, const qpool_smtp_options *smtp, qpool_options *options,
    qpool_ops *ops, void **user, qpool_error *error)
{
	int saved = errno;
	qpool_err err = make_ops(url, smtp, options, ops, user, error);

	errno = saved;
	return err;
}

/* Options that a newer program made longer are passed on whole, as create looks at their end. */
qpool_err
qpool_smtp_create(qpool **out, const char *url, const qpool_smtp_options *smtp,
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
		return qp_smtp_fault_say(error, QPOOL_EINVAL,
		    "options->size is %zu; start from qpool_options_init()", options->size);
	if (options != NULL)
		memcpy(&copy, options, options->size);
	if (copy.options.size < sizeof copy.options)
		copy.options.size = sizeof copy.options;
	err = qpool_smtp_ops(url, smtp, &copy.options, &ops, &user, error);
	if (err != QPOOL_OK)
		return err;
	err = qpool_create(out, &copy.options, &ops, user, error);
	if (err != QPOOL_OK)
		destroy(user);
	return err;
}
