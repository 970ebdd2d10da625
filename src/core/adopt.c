/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * adopt: qpool_adopt, for a resource that the pool did not open.  The resource takes an empty slot
 * as if it had just been opened there, and serves a waiter if there is one.  It never waits:
 * neither for the pause after a failed open, nor for other opens.
 */
#include "core/error.h"
#include "core/exchange.h"
#include "core/open.h"

#include <inttypes.h>

/* Take a slot, OPENING and ours, and begin a visit; on OK the resource is the pool's. */
static qpool_err
begin_locked(qpool *pool, qp_slot **slot, qp_mark *visit, qpool_error *error)
{
	if (pool->closing)
		return qp_error_set(
		    error, QPOOL_ECLOSED, "pool '%s' is closing or closed", pool->name);
	*slot = qp_exchange_begin_adopt_locked(pool);
	if (*slot == NULL)
		return qp_error_set(error, QPOOL_EAGAIN,
		    "pool '%s' has no empty slot: max_size is %" PRIu32, pool->name,
		    pool->config.max_size);
	qp_pool_visit_locked(pool, visit);
	return QPOOL_OK;
}

qpool_err
qpool_adopt(qpool *pool, void *resource, qpool_error *error)
{
	qp_slot *slot = NULL;
	qpool_err err = qp_pool_look_whole(pool, "qpool_adopt", error);
	qp_mark visit;

	if (err != QPOOL_OK)
		return err;
	if (resource == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "resource is NULL: there is nothing to adopt");
	if (!qp_pool_have_slots(pool))
		return qp_error_set(error, QPOOL_ENOMEM,
		    "no memory for slots of pool '%s' beside those lent before the fork",
		    pool->name);
	qp_pool_lock(pool);
	err = begin_locked(pool, &slot, &visit, error);
	qp_pool_unlock(pool, NULL);
	if (err != QPOOL_OK)
		return err;
	qp_open_adopted(pool, slot, resource);
	qp_pool_leave(pool, &visit);
	return QPOOL_OK;
}
