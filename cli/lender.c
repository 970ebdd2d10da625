/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lender: the wait is what the caller feels, whichever way it gets its resource.
 */
#include "lender.h"

#include "duration.h"

#define OPEN_BUDGET   QPOOL_SEC(10) /* a pool's own default */
#define LOOK_UP_EVERY QPOOL_MSEC(100)
#define PATIENCE      QPOOL_SEC(30) /* a pool's default, too */
#define PAUSE         QPOOL_MSEC(10)

static int
interrupted(void *user)
{
	return load_cancelled(user);
}

static qpool_err
take_from_pool(
    struct lender *lender, struct load_thread *self, struct loan *out, qpool_error *error)
{
	qpool_request request = qpool_request_init();
	request.timeout = QPOOL_DEFAULT;
	request.site = QPOOL_SITE;
	request.interrupted = interrupted;
	request.interrupt_user = self;
	request.interrupt_every = LOOK_UP_EVERY;
	qpool_err err = qpool_acquire_with(lender->pool, &request, &out->lease, error);
	out->resource = out->lease.resource;
	return err;
}

/* As patient as a pool: what may pass is tried again until the deadline. */
static qpool_err
open_one(struct lender *lender, struct load_thread *self, struct loan *out, qpool_error *error)
{
	qpool_step step = {.size = sizeof step, .budget = OPEN_BUDGET};
	qpool_ops ops = tap_ops(&lender->tap);
	qpool_nsec until = duration_now() + PATIENCE;
	out->lease = (qpool_lease)QPOOL_LEASE_INIT;
	out->resource = NULL;
	qpool_err err = ops.open(&lender->tap, &step, &out->resource, error);
	while (err == QPOOL_EOPEN && duration_now() < until) {
		load_sleep(self, PAUSE);
		if (load_cancelled(self))
			return QPOOL_ECANCEL;
		err = ops.open(&lender->tap, &step, &out->resource, error);
	}
	out->lease.resource = out->resource;
	return err;
}

qpool_err
lender_take(struct lender *lender, struct load_thread *self, struct loan *out, qpool_error *error)
{
	qpool_nsec asked = duration_now();
	qpool_err err = lender->pool != NULL ? take_from_pool(lender, self, out, error)
	                                     : open_one(lender, self, out, error);
	if (err == QPOOL_OK)
		hist_add(&self->wait, duration_now() - asked);
	return err;
}

static void
close_one(struct lender *lender, struct loan *loan, qpool_why why)
{
	qpool_ops ops = tap_ops(&lender->tap);
	ops.close(&lender->tap, loan->resource, why);
	loan->resource = NULL;
}

void
lender_give(struct lender *lender, struct loan *loan)
{
	if (lender->pool != NULL)
		qpool_release(&loan->lease);
	else
		close_one(lender, loan, QPOOL_WHY_CLOSED);
}

void
lender_give_broken(struct lender *lender, struct loan *loan)
{
	if (lender->pool != NULL)
		qpool_discard(&loan->lease);
	else
		close_one(lender, loan, QPOOL_WHY_DISCARDED);
}
