/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slot: the table of moves, and the turn that makes a second end detectable.
 */
#include "core/slot.h"

#include "platform/assert.h"

#define TO(state) (1u << (state))

static const uint8_t moves[QP_STATES] = {
    [QP_EMPTY] = TO(QP_OPENING),
    [QP_OPENING] = TO(QP_CHECKING) | TO(QP_EMPTY),
    [QP_IDLE] = TO(QP_CHECKING) | TO(QP_CLOSING),
    [QP_CHECKING] = TO(QP_LEASED) | TO(QP_CLOSING) | TO(QP_IDLE),
    [QP_LEASED] = TO(QP_RESETTING) | TO(QP_IDLE) | TO(QP_CLOSING) | TO(QP_EMPTY),
    [QP_RESETTING] = TO(QP_IDLE) | TO(QP_CLOSING),
    [QP_CLOSING] = TO(QP_EMPTY),
};

void
qp_slot_init(qp_slot *slot, struct qpool *pool)
{
	slot->magic = QP_SLOT_MAGIC;
	slot->pool = pool;
}

uint32_t
qp_slot_moved(const qp_slot *slot)
{
	/* relaxed: a state by itself orders nothing; the lock, or being the owner, does. */
	return qp_load_relaxed(&slot->moved);
}

qp_state
qp_slot_state_of(uint32_t moved)
{
	return (qp_state)(moved & 7);
}

qp_state
qp_slot_state(const qp_slot *slot)
{
	return qp_slot_state_of(qp_slot_moved(slot));
}

void
qp_slot_move(qp_slot *slot, qp_state from, qp_state to)
{
	uint32_t moved = qp_slot_moved(slot);

	QP_MUST(slot->magic == QP_SLOT_MAGIC);
	QP_MUST(qp_slot_state_of(moved) == from);
	QP_MUST(moves[from] & TO(to));
	/* relaxed: as in qp_slot_moved. */
	qp_store_relaxed(&slot->moved, (((moved >> 3) + 1) << 3) | (uint32_t)to);
}

void
qp_slot_inherit(qp_slot *slot, qp_state state)
{
	uint32_t moved = qp_slot_moved(slot);

	if (state != QP_LEASED && qp_slot_is_lent(slot))
		qp_store64_relaxed(&slot->turn, qp_load64_relaxed(&slot->turn) + 1);
	/* relaxed: nobody else is here yet. */
	qp_store_relaxed(&slot->moved, (((moved >> 3) + 1) << 3) | (uint32_t)state);
}

uint64_t
qp_slot_lent(const qp_slot *slot)
{
	/* relaxed: a counter, read while it grows. */
	return (qp_load64_relaxed(&slot->turn) + 1) / 2;
}

void
qp_slot_begin(qp_slot *slot, qpool_lease *lease)
{
	/* relaxed: only the owner begins a lease, and nobody can hold the new turn before we return. */
	uint64_t turn = qp_load64_relaxed(&slot->turn) + 1;

	QP_MUST(turn & 1);
	qp_store64_relaxed(&slot->turn, turn);
	slot->uses++;
	slot->spoiled = false;
	lease->resource = slot->resource;
	lease->slot_ = slot;
	lease->turn_ = turn;
}

bool
qp_slot_end(qp_slot *slot, uint64_t turn)
{
	/* acq_rel, pairs with itself: two threads that end copies of one lease race here, one wins, and
	 * what the holder wrote is seen by whoever works on the slot next. */
	return (turn & 1) && qp_cas64_acq_rel(&slot->turn, turn, turn + 1);
}

bool
qp_slot_is_lent(const qp_slot *slot)
{
	/* relaxed: as in qp_slot_is_out. */
	return qp_load64_relaxed(&slot->turn) & 1;
}

bool
qp_slot_is_out(const qp_slot *slot, uint64_t turn)
{
	/* relaxed: for the holder the turn cannot change; for a stale copy any newer value says so. */
	return (turn & 1) && qp_load64_relaxed(&slot->turn) == turn;
}
