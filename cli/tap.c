/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tap: a failure on purpose comes before the real call is made, so nothing is half done by it.
 */
#include "tap.h"

#include <stdio.h>
#include <string.h>

static bool
strikes(struct tap *tap)
{
	uint32_t failing = atomic_load_explicit(&tap->failing, memory_order_relaxed);
	if (failing == 0)
		return false;
	uint64_t z = (atomic_fetch_add(&tap->drawn, 1) + 1) * 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return ((z >> 32) * 10000) >> 32 < failing;
}

static qpool_err
fail_on_purpose(struct tap *tap, qpool_err err, const char *step, qpool_error *error)
{
	atomic_fetch_add(&tap->on_purpose, 1);
	if (error != NULL) {
		memset(error, 0, sizeof *error);
		error->code = err;
		snprintf(error->message, sizeof error->message,
		    "this %s was made to fail on purpose", step);
	}
	return err;
}

static void
count_open(struct tap *tap)
{
	/* One counter of its own: of two, read one after the other, the second may have overtaken. */
	uint64_t open = atomic_fetch_add(&tap->open_now, 1) + 1;
	uint64_t peak = atomic_load(&tap->open_peak);
	while (open > peak && !atomic_compare_exchange_weak(&tap->open_peak, &peak, open))
		continue;
	atomic_fetch_add(&tap->opens, 1);
}

static qpool_err
tap_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	struct tap *tap = user;
	qpool_err err = strikes(tap) ? fail_on_purpose(tap, QPOOL_EOPEN, "open", error)
	                             : tap->inner.open(tap->inner_user, step, out, error);
	if (err == QPOOL_OK)
		count_open(tap);
	else
		atomic_fetch_add(&tap->open_failures, 1);
	return err;
}

static void
tap_close(void *user, void *resource, qpool_why why)
{
	struct tap *tap = user;
	if (tap->parting != NULL)
		tap->parting(resource);
	tap->inner.close(tap->inner_user, resource, why);
	/* after it: what is being closed is still open */
	atomic_fetch_sub(&tap->open_now, 1);
	atomic_fetch_add(&tap->closes, 1);
}

static qpool_err
tap_peek(void *user, void *resource, qpool_error *error)
{
	struct tap *tap = user;
	return tap->inner.peek(tap->inner_user, resource, error);
}

static qpool_err
tap_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	struct tap *tap = user;
	qpool_err err = QPOOL_OK;
	if (strikes(tap))
		err = fail_on_purpose(tap, QPOOL_ECHECK, "check", error);
	else if (tap->inner.check != NULL)
		err = tap->inner.check(tap->inner_user, resource, step, error);
	if (err != QPOOL_OK)
		atomic_fetch_add(&tap->check_failures, 1);
	return err;
}

static qpool_err
tap_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	struct tap *tap = user;
	qpool_err err = QPOOL_OK;
	if (strikes(tap))
		err = fail_on_purpose(tap, QPOOL_EPEER, "reset", error);
	else if (tap->inner.reset != NULL)
		err = tap->inner.reset(tap->inner_user, resource, step, error);
	if (err != QPOOL_OK && err != QPOOL_EAGAIN)
		atomic_fetch_add(&tap->reset_failures, 1);
	return err;
}

static void
tap_destroy(void *user)
{
	struct tap *tap = user;
	if (tap->inner.destroy != NULL)
		tap->inner.destroy(tap->inner_user);
}

qpool_ops
tap_ops(const struct tap *tap)
{
	qpool_ops ops = qpool_ops_init();
	ops.kind = tap->inner.kind;
	ops.open = tap_open;
	ops.close = tap_close;
	ops.peek = tap->inner.peek != NULL ? tap_peek : NULL;
	ops.check = tap_check;
	ops.reset = tap_reset;
	ops.destroy = tap_destroy;
	return ops;
}

uint64_t
tap_open_now(const struct tap *tap)
{
	return atomic_load(&tap->open_now);
}
