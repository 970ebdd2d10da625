/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease: labels, numbers, times.
 */
#include "core/lease.h"

#include "core/abi.h"
#include "core/fork.h"

/* Longer times are cut to this: sums with it do not overflow, and no limit is that long. */
#define AGO_MOST (INT64_MAX / 2)

static qp_slot *
pointed_at(const qpool_lease *lease)
{
	qp_slot *slot = lease != NULL ? lease->slot_ : NULL;

	return qp_chunk_knows(slot) ? slot : NULL;
}

qp_slot *
qp_lease_slot(const qpool_lease *lease)
{
	qp_slot *slot = pointed_at(lease);

	if (slot != NULL)
		qp_fork_look(qp_slot_pool(slot));
	return slot;
}

qp_slot *
qp_lease_held(const qpool_lease *lease, const char *what)
{
	qp_slot *slot = qp_lease_slot(lease);

	if (slot == NULL || qp_slot_is_out(slot, lease->turn_))
		return slot;
	(void)qp_pool_misuse(qp_slot_pool(slot), what);
	return NULL;
}

void
qpool_label(qpool_lease *lease, const char *label)
{
	qp_slot *slot = qp_lease_slot(lease);

	if (slot != NULL && qp_slot_is_out(slot, lease->turn_))
		qp_storeptr_release(&qp_slot_note(slot)->label, label);
}

uint64_t
qpool_resource_id(const qpool_lease *lease)
{
	const qp_slot *slot = qp_lease_slot(lease);

	if (slot == NULL || !qp_slot_is_out(slot, lease->turn_))
		return 0;
	return qp_load64_relaxed(qp_slot_resource_id(slot));
}

qpool *
qpool_of(const qpool_lease *lease)
{
	const qp_slot *slot = pointed_at(lease);

	return slot != NULL ? qp_slot_pool(slot) : NULL;
}

static qpool_nsec
ago(int64_t now_ns, int64_t then_ns)
{
	/* The exact and the coarse clock differ a little: never negative. */
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

qpool_err
qpool_get_times(const qpool_lease *lease, qpool_times *out)
{
	qpool_times known = qpool_times_init();
	int64_t now_ns = qp_clock_now();
	const qp_slot *slot;

	if (lease == NULL || out == NULL || out->size < sizeof out->size)
		return QPOOL_EINVAL;
	slot = qp_lease_held(lease, "the times of a lease were asked for that is not out");
	if (slot == NULL)
		return QPOOL_EMISUSE;
	known.opened = ago(now_ns, qp_loadi64_relaxed(&slot->opened_ns));
	known.used = ago(now_ns, qp_loadi64_relaxed(&slot->used_ns));
	known.uses = qp_load64_relaxed(&slot->uses);
	qp_abi_write(out, &known, sizeof known);
	return QPOOL_OK;
}

static int64_t
before(int64_t now_ns, qpool_nsec ago_ns)
{
	return now_ns -
	       (ago_ns < AGO_MOST ? ago_ns : AGO_MOST); /* may lie before the clock began */
}

/* Under the lock, so that qpool_each sees all three or none. */
static void
set_times_locked(qp_slot *slot, const qpool_times *times, int64_t now_ns)
{
	qp_storei64_release(&slot->opened_ns, before(now_ns, times->opened));
	qp_storei64_release(&slot->used_ns, before(now_ns, times->used));
	qp_store64_release(&slot->uses, times->uses);
	qp_shelf_retime_locked(slot);
}

qpool_err
qpool_set_times(qpool_lease *lease, const qpool_times *times)
{
	int64_t now_ns = qp_clock_now();
	qpool_times known;
	qpool_err err;
	qp_slot *slot;

	if (lease == NULL || times == NULL)
		return QPOOL_EINVAL;
	err = qp_abi_read(&known, sizeof known, times, "qpool_times", NULL);
	if (err != QPOOL_OK)
		return err;
	if (known.opened < 0 || known.used < 0)
		return QPOOL_EINVAL;
	slot = qp_lease_held(lease, "the times of a lease were set that is not out");
	if (slot == NULL)
		return QPOOL_EMISUSE;
	qp_pool_lock(qp_slot_pool(slot));
	set_times_locked(slot, &known, now_ns);
	qp_pool_unlock(qp_slot_pool(slot), NULL);
	return QPOOL_OK;
}
