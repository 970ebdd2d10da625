/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * family: pools that share one budget of places and one fair line, one pool for each key.  exchange
 * and keyed call in, under the family's one lock.  It is told what each pool can use, and says
 * whose turn it is and which place there is.  It never looks into a pool.
 *
 * Places.  A place is the right to have a resource open.  There are `total`; one is taken from the
 * beginning of an open until the slot is empty again.  When all are taken, the slot that has been
 * idle longest, of any key, is ousted: its place passes to the slot being opened, and its resource
 * is closed first.  So the peer never sees more than total.
 *
 * Turns.  Each key counts what it was handed while it waited (`served`).  Next is the key with the
 * smallest count among those that can use something:
 *
 *      own:    has waiters, and an idle slot of its own
 *      place:  has waiters, nothing idle, and may open one (max_per_key, max_opening, back-off)
 *
 * Among equal counts, the key that came to that count first is next.  A key of `own` may be
 * QP_SLACK hand-overs ahead of a key of `place`: else two busy keys would close and open a resource
 * at every hand-over.  A key that begins to wait starts at the pace (the smallest count at the last
 * hand-over): it is not paid for the past.  A key that went on waiting but could use nothing
 * (max_per_key) keeps at most QP_CREDIT of its lag.  A key whose line was empty only between two
 * hand-overs has gone on waiting.
 *
 *      pace - CREDIT    pace              pace + SLACK + 1
 *          |<-- credit -->|<-- those that wait -->|   so 16 buckets are a wheel without overlap
 *
 * So of H hand-overs among k keys that could use all of them, each gets at least
 * H/k - (SLACK + 1).
 */
#ifndef QP_CORE_FAMILY_H
#define QP_CORE_FAMILY_H

#include "core/idle.h"

#define QP_SLACK   4u
#define QP_CREDIT  8u
#define QP_BUCKETS 16u

typedef enum qp_want { QP_WANTS_NOTHING = 0, QP_WANTS_OWN, QP_WANTS_PLACE } qp_want;

/* One key's part. */
typedef struct qp_share {
	/* fixed */
	struct qp_family *family;
	struct qpool *pool;
	/* guarded by the lock */
	uint64_t served;
	qp_want want;                     /* which wheel it is on */
	bool waits;                       /* somebody is in its line */
	uint64_t left;                    /* family.handed when its line became empty */
	struct qp_share *next, *previous; /* in its bucket */
	uint32_t open, lent, waiting;     /* what it adds to the family's sums */
} qp_share;

/* The shares with one want, by their count; each bucket in order of arrival. */
typedef struct qp_wheel {
	qp_share *first[QP_BUCKETS], *last[QP_BUCKETS];
	uint32_t filled;
} qp_wheel;

/*
 *     used + ousted = slots of all pools that are not EMPTY;   used <= total
 *     ousted = slots in CLOSING whose place is another's already
 *     someone wants a place  =>  used == total, and nothing is idle        (at every unlock)
 *     someone wants its own  =>  it alone wants anything, and its head was woken   (likewise)
 */
typedef struct qp_family {
	uint32_t total, used, ousted;
	uint64_t pace, handed; /* handed: hand-overs so far */
	qp_wheel own, place;
	qp_idle_all idle;
	/* sums over the shares, and the most they were */
	uint32_t open, lent, waiting;
	uint32_t open_peak, lent_peak, waiting_peak;
} qp_family;

void qp_family_init(qp_family *family, uint32_t total);
void qp_share_init(qp_share *share, qp_family *family, struct qpool *pool);
/* Begin anew for another key, which has been served nothing. */
void qp_share_clear(qp_share *share);
/* Set what the share can use now. */
void qp_family_stand(qp_share *share, bool waits, qp_want want);
/* Whose turn it is; NULL when no key can use what there is. */
qp_share *qp_family_next(const qp_family *family);
/* Count a hand-over to the share.  Call it while the share still stands as qp_family_next saw it:
 * the pace is the smallest count before the hand-over. */
void qp_family_charge(qp_share *share);
/* No key can use anything. */
bool qp_family_is_clear(const qp_family *family);
/* Only this key can use anything, and that is an idle slot of its own. */
bool qp_family_is_alone(const qp_share *share);
/* Is there a place, free or to be taken from an idle slot? */
bool qp_family_has_place(const qp_family *family);
/* Take one; false: there is none.  *ousted is the idle slot to be closed for it, or NULL. */
bool qp_family_take_place(qp_family *family, qp_slot **ousted);
/* The slot is empty again: its place is free, unless another slot has it already. */
void qp_family_leave_place(qp_family *family, qp_slot *slot);
/* What the share adds to the sums from now on. */
void qp_family_count(qp_share *share, uint32_t open, uint32_t lent, uint32_t waiting);
bool qp_family_is_valid(const qp_family *family);

#endif
