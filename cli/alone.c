/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alone: a pool of one place, filled by adoption and emptied by detaching.
 */
#include "alone.h"

#define STEP_BUDGET QPOOL_SEC(10)

qpool_step
alone_step(qpool_nsec budget)
{
	return (qpool_step){
	    .size = sizeof(qpool_step), .budget = budget > 0 ? budget : STEP_BUDGET};
}

static qpool_err
open_none(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)user;
	(void)step;
	(void)out;
	(void)error;
	return QPOOL_EFULL;
}

/* The adapter's kind and its close, and nothing that would send on the connection by itself. */
static qpool_err
make(struct alone *out, const qpool_ops *ops, void *user, qpool_error *error)
{
	qpool_options options = qpool_options_init();
	qpool_ops bare = qpool_ops_init();
	bare.kind = ops->kind;
	bare.open = open_none;
	bare.close = ops->close;
	options.max_size = 1;
	return qpool_create(&out->pool, &options, &bare, user, error);
}

qpool_err
alone_begin(struct alone *out, const qpool_ops *ops, void *user, void *resource, qpool_error *error)
{
	*out = (struct alone){.lease = QPOOL_LEASE_INIT};
	qpool_err err = make(out, ops, user, error);
	if (err == QPOOL_OK)
		err = qpool_adopt(out->pool, resource, error);
	if (err != QPOOL_OK)
		ops->close(user, resource, QPOOL_WHY_CLOSED);
	else
		err = qpool_acquire(out->pool, QPOOL_NOWAIT, &out->lease, error);
	if (err != QPOOL_OK && out->pool != NULL)
		qpool_free(out->pool);
	return err;
}

void *
alone_end(struct alone *alone)
{
	void *resource = qpool_detach(&alone->lease);
	qpool_free(alone->pool);
	return resource;
}
