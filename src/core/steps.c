/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steps: enter, call, leave.
 */
#include "core/steps.h"

#include "core/error.h"
#include "core/fork.h"

#include <errno.h>

static void
enter(qp_mark *here, qpool *pool, qp_place place, qp_slot *slot)
{
	qp_lock_must_hold_none();
	here->kept_errno = errno;
	/* A thread cancelled inside would take the slot it works on with it. */
	here->kept_cancel = qp_thread_shield();
	qp_trail_enter(here, pool, place, slot);
}

/* The callback may have forked, and this may be the child: rebuild the pool before
 * anybody reads on in it. */
static void
leave(qp_mark *here)
{
	qp_fork_look(here->pool);
	qp_trail_leave(here);
	qp_thread_unshield(here->kept_cancel);
	errno = here->kept_errno;
}

bool
qp_step_is_inside(const qpool *pool)
{
	for (const qp_mark *mark = qp_trail_top(); mark != NULL; mark = mark->below)
		if (mark->pool->root == pool->root && mark->place <= QP_IN_DESTROY)
			return true;
	return false;
}

/* Turn what a callback returned into one of our codes, with a message. */
static qpool_err
made_sense_of(
    const qpool *pool, qpool_err err, const char *step, qpool_err plain, qpool_error *error)
{
	if (!qp_error_is_known(err)) {
		(void)qp_error_set(error, plain,
		    "%s of kind '%s' returned %d, which is no qpool_err", step, pool->kind,
		    (int)err);
		return plain;
	}
	if (error->message[0] == '\0')
		(void)qp_error_set(error, err, "%s of kind '%s' failed without a word: %s", step,
		    pool->kind, qpool_err_text(err));
	error->message[sizeof error->message - 1] = '\0';
	error->native[sizeof error->native - 1] = '\0';
	error->code = err;
	return err;
}

static qpool_step
step_of(const qpool *pool, int64_t budget_ns, bool on_worker)
{
	qpool_step step;

	memset(&step, 0, sizeof step);
	step.size = sizeof step;
	step.budget = budget_ns;
	step.key = pool->key;
	step.on_worker = on_worker;
	return step;
}

/* The process forked inside ops.open: whatever came of it was begun by the parent, and
 * is the parent's. */
static QP_COLD qpool_err
forked_inside_open(qpool *pool, qp_slot *slot, qpool_err err, qpool_error *error)
{
	if (err == QPOOL_OK && slot->resource != NULL)
		qp_step_abandon(pool, slot);
	slot->resource = NULL;
	memset(error, 0, sizeof *error);
	return qp_error_set(error, QPOOL_EOPEN,
	    "the process forked inside open of kind '%s': this is the child, and what was being "
	    "opened is its parent's",
	    pool->kind);
}

qpool_err
qp_step_open(qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, qpool_error *error)
{
	qpool_step step = step_of(pool, budget_ns, on_worker);
	qp_mark here;
	qpool_err err;

	memset(error, 0, sizeof *error);
	slot->resource = NULL;
	enter(&here, pool, QP_IN_CALLBACK, slot);
	err = pool->ops.open(pool->user, &step, &slot->resource, error);
	leave(&here);
	if (QP_UNLIKELY(qp_fork_is_inherited(slot)))
		return forked_inside_open(pool, slot, err, error);
	if (err == QPOOL_OK && slot->resource != NULL)
		return QPOOL_OK;
	slot->resource = NULL;
	if (err == QPOOL_OK)
		return qp_error_set(error, QPOOL_EOPEN,
		    "open of kind '%s' returned OK and no resource", pool->kind);
	err = made_sense_of(pool, err, "open", QPOOL_EOPEN, error);
	if (err != QPOOL_EDENIED && err != QPOOL_EFULL)
		error->code = err = QPOOL_EOPEN;
	return err;
}

void
qp_step_close(qpool *pool, qp_slot *slot)
{
	qp_mark here;

	enter(&here, pool, QP_IN_CALLBACK, slot);
	pool->ops.close(pool->user, slot->resource, slot->why);
	leave(&here);
	slot->resource = NULL;
}

void
qp_step_abandon(qpool *pool, qp_slot *slot)
{
	qp_mark here;

	if (pool->ops.abandon != NULL) {
		enter(&here, pool, QP_IN_CALLBACK, slot);
		pool->ops.abandon(pool->user, slot->resource);
		leave(&here);
	}
	slot->resource = NULL;
}

qpool_err
qp_step_peek(qpool *pool, qp_slot *slot, qpool_error *error)
{
	qp_mark here;
	qpool_err err;

	memset(error, 0, sizeof *error);
	enter(&here, pool, QP_IN_CALLBACK, slot);
	err = pool->ops.peek(pool->user, slot->resource, error);
	leave(&here);
	if (err == QPOOL_OK || err == QPOOL_EAGAIN)
		return err;
	(void)made_sense_of(pool, err, "peek", QPOOL_ECHECK, error);
	return QPOOL_ECHECK;
}

qpool_err
qp_step_check(qpool *pool, qp_slot *slot, int64_t budget_ns, bool on_worker, qpool_error *error)
{
	qpool_step step = step_of(pool, budget_ns, on_worker);
	qp_mark here;
	qpool_err err;

	memset(error, 0, sizeof *error);
	enter(&here, pool, QP_IN_CALLBACK, slot);
	err = pool->ops.check(pool->user, slot->resource, &step, error);
	leave(&here);
	if (err == QPOOL_OK)
		return err;
	if (err == QPOOL_EAGAIN && error->message[0] == '\0')
		(void)qp_error_set(error, err, "check of kind '%s' had no answer within %s",
		    pool->kind, qp_error_span(budget_ns).text);
	(void)made_sense_of(pool, err, "check", QPOOL_ECHECK, error);
	return err == QPOOL_EAGAIN ? err : QPOOL_ECHECK;
}

qpool_err
qp_step_reset(qpool *pool, qp_slot *slot, bool on_worker, qpool_error *error)
{
	qpool_step step = step_of(pool, qp_loadi64_relaxed(&pool->dials.step_budget_ns), on_worker);
	qp_mark here;
	qpool_err err;

	memset(error, 0, sizeof *error);
	enter(&here, pool, QP_IN_CALLBACK, slot);
	err = pool->ops.reset(pool->user, slot->resource, &step, error);
	leave(&here);
	if (err == QPOOL_OK || (err == QPOOL_EAGAIN && !on_worker))
		return err;
	return made_sense_of(pool, err, "reset", QPOOL_ECHECK, error);
}

void
qp_step_describe(qpool *pool, qp_slot *slot)
{
	/* One byte more than the callback gets: the text always ends. */
	char about[QP_ABOUT + 1] = "";
	qp_mark here;

	if (pool->ops.describe != NULL) {
		enter(&here, pool, QP_IN_CALLBACK, slot);
		pool->ops.describe(pool->user, slot->resource, about, QP_ABOUT);
		leave(&here);
		qp_error_trim(about, QP_ABOUT - 1);
	}
	qp_chunk_describe(slot, about);
}

bool
qp_step_show(qpool *pool, qpool_each_fn *fn, void *user, const qpool_entry *entry)
{
	qp_mark here;
	bool goes_on;

	enter(&here, pool, QP_IN_CALLBACK, NULL);
	goes_on = fn(user, entry);
	leave(&here);
	return goes_on;
}

void
qp_step_destroy(qpool *pool)
{
	qp_mark here;

	if (pool->ops.destroy == NULL)
		return;
	enter(&here, pool, QP_IN_DESTROY, NULL);
	pool->ops.destroy(pool->user);
	leave(&here);
}

int
qp_step_interrupted(qpool *pool, int (*hook)(void *user), void *user)
{
	qp_mark here;
	int answer;

	enter(&here, pool, QP_IN_CALLBACK, NULL);
	answer = hook(user);
	leave(&here);
	return answer;
}

/* An event function that misuses the pool whenever it is told of a misuse would never end: the
 * second misuse is only counted. */
static bool
is_told_of_misuse(const qpool *pool)
{
	for (const qp_mark *mark = qp_trail_top(); mark != NULL; mark = mark->below)
		if (mark->pool == pool && mark->place == QP_IN_MISUSE)
			return true;
	return false;
}

void
qp_step_event(qpool *pool, qp_slot *slot, const qpool_event *event)
{
	const qp_config *config = &pool->config;
	uint64_t mask = qp_load64_relaxed(&pool->dials.event_mask);
	bool misuse = event->type == QPOOL_EV_MISUSE;
	qp_mark here;

	if (config->on_event == NULL || !(mask >> event->type & 1))
		return;
	if (misuse && is_told_of_misuse(pool))
		return;
	enter(&here, pool, misuse ? QP_IN_MISUSE : QP_IN_CALLBACK, slot);
	config->on_event(config->event_user, pool, event);
	leave(&here);
}
