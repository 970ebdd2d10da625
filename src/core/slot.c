/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slot: the table of legal moves, and the turn that makes a second end detectable.
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
qp_slot_init(qp_slot *slot, uint32_t place)
{
	slot->plate = QP_SLOT_MAGIC << QP_SLOT_PLACE_BITS | place;
}

uint32_t
qp_slot_moved(const qp_slot *slot)
{
	/* relaxed: a state by itself orders nothing; the lock or ownership does. */
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

	QP_MUST(qp_slot_is_set_up(slot));
	QP_MUST(qp_slot_state_of(moved) == from);
	QP_MUST(moves[from] & TO(to));
	/* release, pairs with the acquire in show.c: a thread that sees the new state
	 * sees what was written before. */
	qp_store_release(&slot->moved, (((moved >> 3) + 1) << 3) | (uint32_t)to);
}

const char *
qp_slot_state_name(qp_state state)
{
	static const char *const names[QP_STATES] = {
	    [QP_EMPTY] = "empty",
	    [QP_OPENING] = "opening",
	    [QP_IDLE] = "idle",
	    [QP_CHECKING] = "checking",
	    [QP_LEASED] = "leased",
	    [QP_RESETTING] = "resetting",
	    [QP_CLOSING] = "closing",
	};

	return state < QP_STATES ? names[state] : "?";
}

#define TOLD_SHIFT QP_TURN_BITS
#define TELLING    (UINT64_C(1) << (QP_TURN_BITS + 2))
#define HOW_SHIFT  (QP_TURN_BITS + 3)

static uint64_t
number_of(uint64_t word)
{
	return word & QP_TURN_MOST;
}

static unsigned
told_of(uint64_t word)
{
	return (unsigned)(word >> TOLD_SHIFT) & (QP_TOLD_LONG | QP_TOLD_GONE);
}

static uint64_t
after(uint64_t number)
{
	return (number + 1) & QP_TURN_MOST;
}

uint64_t
qp_slot_lent(const qp_slot *slot)
{
	/* relaxed: a counter, read while it grows. */
	return (number_of(qp_load64_relaxed(&slot->turn)) + 1) / 2;
}

void
qp_slot_inherit(qp_slot *slot, qp_state state)
{
	uint32_t moved = qp_slot_moved(slot);
	/* relaxed: nobody else is here yet. */
	uint64_t word = qp_load64_relaxed(&slot->turn), number = number_of(word);

	if (!(number & 1))
		word = number;
	else if (state == QP_LEASED)
		word = number | (uint64_t)told_of(word) << TOLD_SHIFT;
	else
		word = after(number);
	qp_store64_release(&slot->turn, word);
	qp_store_release(&slot->moved, (((moved >> 3) + 1) << 3) | (uint32_t)state);
}

void
qp_slot_begin(qp_slot *slot, qpool_lease *lease)
{
	/* relaxed: only the owner begins a lease, and nobody can know the new turn
	 * before we return. */
	uint64_t turn = after(qp_load64_relaxed(&slot->turn));

	QP_MUST(turn & 1);
	slot->spoiled = false;
	/* release, pairs with the acquire in qp_slot_peer_into: a thread that sees
	 * this turn sees its note. */
	qp_store64_release(&slot->turn, turn);
	lease->resource = slot->resource;
	lease->slot_ = slot;
	lease->turn_ = turn;
}

/* Something was told of this lease or is being told now, or the turn is stale. */
static QP_COLD qp_ended
end_watched(qp_slot *slot, uint64_t turn, qp_end how, unsigned *told)
{
	uint64_t word, next;

	do {
		/* relaxed: the exchange orders. */
		word = qp_load64_relaxed(&slot->turn);
		if (number_of(word) != turn)
			return QP_ENDED_STALE;
		next = after(turn);
		if (word & TELLING)
			next |= (word & ~QP_TURN_MOST) | (uint64_t)how << HOW_SHIFT;
	} while (!qp_cas64_acq_rel(&slot->turn, word, next));
	*told = told_of(word);
	return word & TELLING ? QP_ENDED_LEFT : QP_ENDED_OURS;
}

qp_ended
qp_slot_end(qp_slot *slot, uint64_t turn, qp_end how, unsigned *told)
{
	*told = 0;
	if (!(turn & 1) || turn > QP_TURN_MOST)
		return QP_ENDED_STALE;
	/* acq_rel, pairs with itself.  Of two threads that end copies of one lease, one wins; and
	 * the next owner of the slot sees what the holder wrote. */
	if (QP_LIKELY(qp_cas64_acq_rel(&slot->turn, turn, after(turn))))
		return QP_ENDED_OURS;
	return end_watched(slot, turn, how, told);
}

bool
qp_slot_end_plainly(qp_slot *slot, uint64_t turn)
{
	/* relaxed: what this thread itself began; anything else differs, whichever it is. */
	if (!(turn & 1) || turn > QP_TURN_MOST || qp_load64_relaxed(&slot->turn) != turn)
		return false;
	/* release, pairs with the exchanges of others who come later. */
	qp_store64_release(&slot->turn, after(turn));
	return true;
}

bool
qp_slot_peer_into(const qp_slot *slot, uint64_t *turn, unsigned *told)
{
	uint64_t word = qp_load64_acquire(&slot->turn);

	*turn = number_of(word);
	*told = told_of(word);
	return *turn & 1;
}

bool
qp_slot_watch(qp_slot *slot, uint64_t turn, unsigned what)
{
	/* relaxed: the exchange orders. */
	uint64_t word = qp_load64_relaxed(&slot->turn);

	return number_of(word) == turn && !(word & TELLING) && !(told_of(word) & what) &&
	       qp_cas64_acq_rel(&slot->turn, word, word | (uint64_t)what << TOLD_SHIFT | TELLING);
}

qp_end
qp_slot_unwatch(qp_slot *slot, unsigned *told)
{
	uint64_t word, next;

	do {
		/* relaxed: the exchange orders.  It acquires, because the teller may
		 * go on with what the holder wrote. */
		word = qp_load64_relaxed(&slot->turn);
		next = number_of(word) & 1 ? word & ~TELLING : number_of(word);
	} while (!qp_cas64_acq_rel(&slot->turn, word, next));
	*told = told_of(word);
	return (qp_end)(word >> HOW_SHIFT & 3);
}

bool
qp_slot_is_lent(const qp_slot *slot)
{
	/* relaxed: as in qp_slot_is_out. */
	return number_of(qp_load64_relaxed(&slot->turn)) & 1;
}

bool
qp_slot_is_out(const qp_slot *slot, uint64_t turn)
{
	/* relaxed: for the holder the turn cannot change; a stale copy sees a newer
	 * value, whichever it is. */
	return (turn & 1) && number_of(qp_load64_relaxed(&slot->turn)) == turn;
}
