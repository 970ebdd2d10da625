/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed: the keys of a keyed pool, and the life of the pool that each has.  A key's pool (a member) is an
 * ordinary qpool, so that all the other rooms work on it as on any; what differs is that its lock is the
 * root's, that its places come from the family's budget, and that it is there only as long as it is needed.
 *
 *     qpool_keyed                                     who is where
 *     ├── root     a qpool without slots: the lock,   LIVE      in keys: has a resource, a lease, a waiter,
 *     │            options, how it all ends                     or a thread inside
 *     ├── family   places and turns                   RESTING   in keys: nothing of these, but its opens failed
 *     ├── keys     text → member                                lately, and the next one must not forget it
 *     └── made     every member there ever was        SPARE     of no key: waits for the next new one
 *                                                     STRAY     of no key, but a stale lease is being told off
 *
 *              acquire of a new key           quiet, opens fail            acquire
 *       SPARE ─────────────────────→ LIVE ─────────────────────→ RESTING ───────────→ LIVE
 *         ↑   ←─────────────────────  │                             │
 *         │             quiet                                       │ retry_max over, or too many
 *         └─────────────────────────────────────────────────────────┘
 *
 * Members' memory is never given back before the keyed pool's: so a lease that has ended may be ended again,
 * under a key long gone, and is told so by its slot's turn, which goes on growing under the next key.  What
 * is kept is thus bounded by the most keys there were at once.  Memory is asked for by acquire only: for a new
 * key with the lock left, for more slots of a busy one (line.c) in it.
 *
 * acquire, drain, pool and stats come in.
 */
#ifndef QP_CORE_KEYED_H
#define QP_CORE_KEYED_H

#include "core/keys.h"
#include "core/line.h"

#define QP_KEYED_MAGIC 0x514b4559u
#define QP_KEYED_RESTS 1024u /* the most that rest at once */
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
	struct qp_member *next, *previous; /* SPARE: of those (next only); RESTING: later, sooner */
	char name[QP_KEYED_NAME];
	/* fixed once it is in the list of all made */
	struct qp_member *made_before;
} qp_member;

/*
 * keys.count = LIVE + RESTING;  live = LIVE;  live + strays = members that are not quiet;  rests = RESTING
 * The root's tally is that of keys that are gone; lent_before likewise.
 */
struct qpool_keyed {
	uint32_t magic;
	/* fixed */
	qp_config each; /* what every member's pool is made from */
	/* guarded by root.lock */
	qpool root;
	qp_family family;
	qp_keys keys;
	uint32_t live, strays, rests;
	uint32_t count; /* of those made */
	/* atomic: the one made last; each leads to the one before.  Written under the lock by release, pairs with
	 * the acquire in qp_keyed_newest: publishes the member. */
	qp_atomic_ptr made;
	qp_member *spares;
	qp_member *first_rest, *last_rest; /* in the order in which they came */
};

/* The member of this key, made if there is none, and either an idle slot of it, CHECKING and the asker's, or
 * the asker is visiting.  asking->pool is the member's from then on.  ECLOSED, ENOMEM. */
qpool_err qp_keyed_enter(qpool_keyed *keyed, const char *key, size_t length, qp_asking *asking,
    qp_slot **slot, qpool_error *error);
/* The lock of a member is about to be left: it may have to come or go. */
void qp_keyed_left_locked(qpool *pool);
/* No member has anything that could come back. */
bool qp_keyed_is_quiet_locked(const qpool_keyed *keyed);
/* Every member refuses, wakes its waiters, and closes what it has idle. */
void qp_keyed_close_all(qpool_keyed *keyed);
/* The member made last; made_before leads on from it, to all there ever were.  Needs no lock. */
qp_member *qp_keyed_newest(const qpool_keyed *keyed);
/* Visit one member after the other: NULL begins, NULL is the end.  The one before is left, so whoever stops
 * early leaves the last one.  Skips those that have no resource. */
qp_member *qp_keyed_walk(qpool_keyed *keyed, qp_member *after, qp_mark *visit);
void qp_keyed_leave(qp_member *member, const qp_mark *visit);
/* Visit the member of a key; NULL when there is none.  It is to be left. */
qp_member *qp_keyed_visit(qpool_keyed *keyed, const char *key, qp_mark *visit);
/* Forget those that have rested long enough. */
void qp_keyed_reap(qpool_keyed *keyed);
/* Free memory; after the last callback. */
void qp_keyed_dispose(qpool_keyed *keyed);
bool qp_keyed_is_valid_locked(const qpool_keyed *keyed);

#endif
