/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed: the keys of a keyed pool, and the life of the pool that each key has.  A
 * key's pool (a member) is an ordinary qpool, so every other room works on it as on
 * any pool.  Three things differ: its lock is the root's, its places come from the
 * family's budget, and it exists only as long as it is needed.
 *
 *  qpool_keyed                                    who is where
 *  ├── root    a qpool without slots: the lock,   LIVE     in keys: has a resource, lease, waiter,
 *  │           options, how it all ends                    or a thread inside
 *  ├── family  places and turns                   RESTING  in keys: none of these, but its opens
 *  ├── keys    text → member                               failed lately, and the next must know
 *  └── made    every member there ever was        SPARE    of no key: kept for the next new key
 *                                                 STRAY    of no key, but a stale lease is being
 *                                                          refused
 *
 *              acquire of a new key           quiet, opens fail            acquire
 *       SPARE ─────────────────────→ LIVE ─────────────────────→ RESTING ───────────→ LIVE
 *         ↑   ←─────────────────────  │                             │
 *         │             quiet                                       │ retry_max over, or too many
 *         └─────────────────────────────────────────────────────────┘
 *
 * The memory of a member is never freed before the keyed pool's.  So a lease that has
 * ended may be ended again after its key is gone: the slot's turn, which keeps growing
 * under the next key, shows that it is stale.  The memory kept is bounded by the most
 * keys there were at once.  Only acquire allocates: a new key's member with the lock
 * left, more slots of a busy key on the way into line (line.c).
 *
 * keyed_verbs, drain, fork, pool and dump call in.  keyed decides neither whose turn
 * it is nor who gets a place: family does.
 */
#ifndef QP_CORE_KEYED_H
#define QP_CORE_KEYED_H

#include "core/keys.h"
#include "core/line.h"

#define QP_KEYED_MAGIC 0x514b4559u
#define QP_KEYED_RESTS 1024u /* at most so many rest at once */
#define QP_KEYED_NAME  (QP_MAX_NAME + 42u)
#define QP_KEYED_SHOWN 40u /* bytes of the key in a member's name */

typedef enum qp_standing { QP_SPARE = 0, QP_STRAY, QP_LIVE, QP_RESTING } qp_standing;

typedef struct qp_member {
	qpool pool;
	qp_share share;
	/* guarded by the lock */
	qp_key key;
	qp_standing standing;
	int64_t rests_until_ns;
	struct qp_member *next, *previous; /* SPARE: list of spares; RESTING: next rests later */
	char name[QP_KEYED_NAME];
	/* fixed once the member is in the list of all made */
	struct qp_member *made_before;
} qp_member;

/*
 * keys.count = LIVE + RESTING;  live = LIVE;  rests = RESTING;  live + strays = members that are
 * not quiet.  The root's tally and lent_before sum up the keys that are gone.
 */
struct qpool_keyed {
	uint32_t magic;
	/* fixed */
	qp_config each; /* the config of every member's pool */
	/* guarded by root.lock */
	qpool root;
	qp_family family;
	qp_keys keys;
	uint32_t live, strays, rests;
	uint32_t count; /* members made */
	/* atomic: the member made last; made_before leads on.  Written under the lock by release,
	 * pairs with the acquire in qp_keyed_newest: publishes the member. */
	qp_atomic_ptr made;
	qp_member *spares;
	qp_member *first_rest, *last_rest; /* in the order they began to rest */
};

/* Find or make the member of this key; asking->pool is its pool from then on.  OK:
 * either *slot is an idle slot, CHECKING and the caller's, or *slot is NULL and the
 * caller is visiting.  ECLOSED, ENOMEM. */
qpool_err qp_keyed_enter(qpool_keyed *keyed, const char *key, size_t length, qp_asking *asking,
    qp_slot **slot, qpool_error *error);
/* Called when the lock of a member is about to be left: the member may change where it stands. */
void qp_keyed_left_locked(qpool *pool);
/* Is every member quiet? */
bool qp_keyed_is_quiet_locked(const qpool_keyed *keyed);
/* The same, except for leases from before a fork. */
bool qp_keyed_is_left_locked(const qpool_keyed *keyed);
/* In a child, after every member's pool was rebuilt: decide where each member stands. */
void qp_keyed_anew(qpool_keyed *keyed);
/* Close every member: it refuses newcomers, fails its waiters, and closes what is idle. */
void qp_keyed_close_all(qpool_keyed *keyed);
/* The member made last; made_before leads from it to all others.  Needs no lock. */
qp_member *qp_keyed_newest(const qpool_keyed *keyed);
/* Visit the members that have resources, one after the other: start with NULL; NULL is
 * the end.  Each call leaves the previous member; if you stop early, leave the last
 * one yourself.  `here` is the mark of the visit. */
qp_member *qp_keyed_walk(qpool_keyed *keyed, qp_member *after, qp_mark *here);
void qp_keyed_leave(qp_member *member, const qp_mark *here);
/* Visit the member of a key, and leave it afterwards; NULL when there is none. */
qp_member *qp_keyed_visit(qpool_keyed *keyed, const char *key, qp_mark *here);
/* Forget the members that have rested long enough. */
void qp_keyed_reap(qpool_keyed *keyed);
/* Free the memory, after the last callback. */
void qp_keyed_dispose(qpool_keyed *keyed);
bool qp_keyed_is_valid_locked(const qpool_keyed *keyed);

#endif
