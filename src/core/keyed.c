/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed: where each member stands.  That changes when the lock of its pool is left, by
 * whether the pool is quiet.
 */
#include "core/keyed.h"

#include "core/error.h"
#include "core/exchange.h"
#include "core/maintain.h"
#include "platform/alloc.h"
#include "platform/assert.h"

#include <stdio.h>

/* Above this many members the debug check is skipped: it would make tests quadratic. */
#define CHECKED_MEMBERS 48u

/* How many resting members one acquire may forget: more than one, so that their number
 * does not grow. */
#define REAPED_AT_ONCE 2u

static qp_member *
member_of(const qpool *pool)
{
	return (qp_member *)(void *)((char *)pool->share - offsetof(qp_member, share));
}

static qp_member *
of_key(const qp_key *key)
{
	return (qp_member *)(void *)((char *)(uintptr_t)key - offsetof(qp_member, key));
}

static qpool_keyed *
keyed_of(const qpool *pool)
{
	return pool->root->keyed;
}

/* ---- lists ---- */

static void
push_spare(qpool_keyed *keyed, qp_member *member)
{
	member->standing = QP_SPARE;
	member->previous = NULL;
	member->next = keyed->spares;
	if (keyed->spares != NULL)
		keyed->spares->previous = member;
	keyed->spares = member;
}

static void
remove_spare(qpool_keyed *keyed, qp_member *member)
{
	if (member->previous != NULL)
		member->previous->next = member->next;
	else
		keyed->spares = member->next;
	if (member->next != NULL)
		member->next->previous = member->previous;
	member->next = member->previous = NULL;
}

static void
push_rest(qpool_keyed *keyed, qp_member *member)
{
	member->standing = QP_RESTING;
	member->next = NULL;
	member->previous = keyed->last_rest;
	if (keyed->last_rest != NULL)
		keyed->last_rest->next = member;
	else
		keyed->first_rest = member;
	keyed->last_rest = member;
	keyed->rests++;
}

static void
remove_rest(qpool_keyed *keyed, qp_member *member)
{
	if (member->previous != NULL)
		member->previous->next = member->next;
	else
		keyed->first_rest = member->next;
	if (member->next != NULL)
		member->next->previous = member->previous;
	else
		keyed->last_rest = member->previous;
	member->next = member->previous = NULL;
	keyed->rests--;
}

/* ---- a member's life ---- */

/* The member's name in messages: the family's name, and as much of the key as fits,
 * without control characters. */
static void
name_it(qp_member *member, const char *family)
{
	char key[QP_KEY_MOST + 1];

	memcpy(key, member->key.text, sizeof key);
	qp_error_trim(key, QP_KEYED_SHOWN);
	for (char *c = key; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	(void)snprintf(
	    member->name, sizeof member->name, "%s/%.*s", family, (int)QP_KEYED_SHOWN, key);
}

static qp_member *
make(qpool_keyed *keyed)
{
	qp_member *member = qp_alloc_zero(1, sizeof *member);
	qpool_ops ops = keyed->root.ops;

	if (member == NULL)
		return NULL;
	ops.destroy = NULL; /* only the root runs it */
	qp_pool_init(&member->pool, &keyed->root, &ops, keyed->root.user, &keyed->each);
	member->pool.name = keyed->root.name;
	member->pool.hists = keyed->root.hists;
	qp_share_init(&member->share, &keyed->family, &member->pool);
	member->pool.share = &member->share;
	member->pool.idle.all = &keyed->family.idle;
	if (qp_pool_reserve(&member->pool, keyed->each.max_size > 0))
		return member;
	qp_alloc_free(member);
	return NULL;
}

/* Turn a SPARE member into this key's. */
static qp_member *
take_on_locked(qpool_keyed *keyed, const char *key, size_t length)
{
	qp_member *member = keyed->spares;

	remove_spare(keyed, member);
	qp_keys_add(&keyed->keys, &member->key, key, length);
	name_it(member, keyed->root.name);
	member->pool.name = member->name;
	member->pool.key = member->key.text;
	member->standing = QP_LIVE;
	keyed->live++;
	return member;
}

/* Add the member's counters to the root's, and forget what it knew of its key. */
static void
let_go_locked(qpool_keyed *keyed, qp_member *member)
{
	qpool *pool = &member->pool;
	uint64_t lent = 0;

	for (uint32_t i = 0; i < pool->fresh; i++)
		lent += qp_slot_lent(qp_pool_slot(pool, i));
	keyed->root.lent_before += lent - pool->lent_before;
	pool->lent_before = lent;
	qp_tally_add(&keyed->root.tally, &pool->tally);
	memset(&pool->tally, 0, sizeof pool->tally);
	qp_backoff_calm(&pool->backoff);
	qp_share_clear(&member->share);
	pool->nudged = false;
	pool->name = keyed->root.name;
	pool->key = NULL;
	push_spare(keyed, member);
}

static void
forget_locked(qpool_keyed *keyed, qp_member *member)
{
	qp_keys_remove(&keyed->keys, &member->key);
	let_go_locked(keyed, member);
}

/* The member has become quiet. */
static void
retire_locked(qpool_keyed *keyed, qp_member *member)
{
	const qp_backoff *backoff = &member->pool.backoff;

	if (member->standing == QP_STRAY) {
		keyed->strays--;
		let_go_locked(keyed, member);
		return;
	}
	keyed->live--;
	if (backoff->failures == 0 || keyed->root.closing) {
		forget_locked(keyed, member);
		return;
	}
	member->rests_until_ns = qp_clock_after(backoff->last_ns, backoff->retry_max_ns);
	push_rest(keyed, member);
}

/* The member is no longer quiet. */
static void
rouse_locked(qpool_keyed *keyed, qp_member *member)
{
	if (member->standing == QP_SPARE) {
		remove_spare(keyed, member);
		member->standing = QP_STRAY;
		keyed->strays++;
	} else {
		remove_rest(keyed, member);
		member->standing = QP_LIVE;
		keyed->live++;
	}
}

void
qp_keyed_left_locked(qpool *pool)
{
	qp_member *member = member_of(pool);
	bool quiet = qp_pool_is_quiet_locked(pool);
	bool was_quiet = member->standing == QP_SPARE || member->standing == QP_RESTING;

	qp_pool_count_locked(pool);
	if (QP_UNLIKELY(quiet && !was_quiet))
		retire_locked(keyed_of(pool), member);
	else if (QP_UNLIKELY(!quiet && was_quiet))
		rouse_locked(keyed_of(pool), member);
	QP_CHECK(qp_keyed_is_valid_locked(keyed_of(pool)));
}

/* ---- in and out ---- */

/* Forget at most `most` members whose rest is over. */
static void
reap_locked(qpool_keyed *keyed, uint32_t most)
{
	qp_member *member;

	while (most-- > 0 && (member = keyed->first_rest) != NULL &&
	       (keyed->rests > QP_KEYED_RESTS || qp_clock_now() >= member->rests_until_ns)) {
		remove_rest(keyed, member);
		forget_locked(keyed, member);
	}
}

void
qp_keyed_reap(qpool_keyed *keyed)
{
	qp_pool_lock(&keyed->root);
	reap_locked(keyed, UINT32_MAX);
	qp_pool_unlock(&keyed->root, NULL);
}

/* The key's member, or a spare one taken on; NULL: there is neither. */
static qp_member *
claim_locked(qpool_keyed *keyed, const char *key, size_t length)
{
	qp_key *known;

	reap_locked(keyed, REAPED_AT_ONCE);
	known = qp_keys_find(&keyed->keys, key, length);
	if (known != NULL)
		return of_key(known);
	return keyed->spares != NULL ? take_on_locked(keyed, key, length) : NULL;
}

/* Make one more spare member, with the lock left meanwhile; false: no memory. */
static bool
make_locked(qpool_keyed *keyed)
{
	qp_member *member;

	keyed->root.visits++;
	qp_pool_unlock(&keyed->root, NULL);
	member = make(keyed);
	qp_pool_lock(&keyed->root);
	keyed->root.visits--;
	if (member == NULL)
		return false;
	member->made_before = qp_keyed_newest(keyed);
	/* release, pairs with the acquire in qp_keyed_newest: publishes the member. */
	qp_storeptr_release(&keyed->made, member);
	keyed->count++;
	push_spare(keyed, member);
	return true;
}

qpool_err
qp_keyed_enter(qpool_keyed *keyed, const char *key, size_t length, qp_asking *asking,
    qp_slot **slot, qpool_error *error)
{
	qpool *root = &keyed->root;
	qp_wakes wakes = QP_WAKES_INIT;
	qp_member *member = NULL;
	qpool_err err = QPOOL_OK;

	*slot = NULL;
	qp_pool_lock(root);
	while (err == QPOOL_OK && member == NULL) {
		if (root->closing)
			err = qp_error_set(error, QPOOL_ECLOSED,
			    "keyed pool '%s' is closing or closed", root->name);
		else if ((member = claim_locked(keyed, key, length)) == NULL && !make_locked(keyed))
			err = qp_error_set(error, QPOOL_ENOMEM,
			    "no memory for one more key of keyed pool '%s'", root->name);
	}
	if (err != QPOOL_OK) {
		qp_pool_unlock(root, NULL);
		return err;
	}
	asking->pool = &member->pool;
	if (qp_exchange_may_pass_locked(asking->pool, 0))
		*slot = qp_exchange_take_locked(asking->pool, &wakes);
	if (*slot == NULL)
		qp_line_visit_locked(asking);
	qp_pool_unlock(asking->pool, &wakes);
	return QPOOL_OK;
}

static qp_member *
find_locked(const qpool_keyed *keyed, const char *key)
{
	size_t length = qp_keys_length(key);
	qp_key *known = length > 0 ? qp_keys_find(&keyed->keys, key, length) : NULL;

	return known != NULL ? of_key(known) : NULL;
}

qp_member *
qp_keyed_visit(qpool_keyed *keyed, const char *key, qp_mark *here)
{
	qpool *left = &keyed->root;
	qp_member *member;

	qp_pool_lock(&keyed->root);
	member = find_locked(keyed, key);
	if (member != NULL) {
		qp_pool_visit_locked(&member->pool, here);
		left = &member->pool;
	}
	qp_pool_unlock(left, NULL);
	return member;
}

void
qp_keyed_leave(qp_member *member, const qp_mark *here)
{
	qp_pool_leave(&member->pool, here);
}

qp_member *
qp_keyed_newest(const qpool_keyed *keyed)
{
	/* acquire, pairs with the release in make_locked: the caller sees the whole member. */
	return (qp_member *)(uintptr_t)qp_loadptr_acquire(&keyed->made);
}

qp_member *
qp_keyed_walk(qpool_keyed *keyed, qp_member *after, qp_mark *here)
{
	qp_member *member;
	bool found = false;

	if (after != NULL)
		qp_keyed_leave(after, here);
	member = after != NULL ? after->made_before : qp_keyed_newest(keyed);
	while (member != NULL && !found) {
		qpool *pool = &member->pool;
		qp_pool_lock(pool);
		found = pool->idle.count + pool->owned > 0;
		if (found)
			qp_pool_visit_locked(pool, here);
		qp_pool_unlock(pool, NULL);
		if (!found)
			member = member->made_before;
	}
	return member;
}

void
qp_keyed_close_all(qpool_keyed *keyed)
{
	qp_member *member = qp_keyed_newest(keyed);
	qp_mark visit;

	for (; member != NULL; member = member->made_before) {
		qpool *pool = &member->pool;
		qp_wakes wakes = QP_WAKES_INIT;
		qp_pool_lock(pool);
		pool->closing = true;
		qp_exchange_settle_locked(pool, NULL, &wakes);
		qp_pool_unlock(pool, &wakes);
	}
	while ((member = qp_keyed_walk(keyed, member, &visit)) != NULL)
		(void)qp_maintain_pass(&member->pool);
}

bool
qp_keyed_is_left_locked(const qpool_keyed *keyed)
{
	const qp_member *member = qp_keyed_newest(keyed);

	if (QP_LIKELY(!keyed->root.is_a_child))
		return qp_keyed_is_quiet_locked(keyed);
	while (member != NULL && qp_pool_is_left_locked(&member->pool))
		member = member->made_before;
	return member == NULL;
}

bool
qp_keyed_is_quiet_locked(const qpool_keyed *keyed)
{
	return keyed->live + keyed->strays == 0;
}

/* Is the member's key whole, and no other member's?  A member that was being taken on
 * or let go at the fork may fail this. */
static bool
has_key(const qpool_keyed *keyed, const qp_member *member)
{
	const qp_key *key = &member->key;

	return member->pool.key == key->text && key->length > 0 &&
	       key->length == qp_keys_length(key->text) &&
	       qp_keys_find(&keyed->keys, key->text, key->length) == NULL;
}

/* Where a member stands in a child.  It keeps its key while it holds anything from
 * before: this thread may go on with it, and an acquire from the pool of a lease means
 * that key.  All other members lose their key. */
static void
stand_anew(qpool_keyed *keyed, qp_member *member)
{
	qpool *pool = &member->pool;
	const qp_family *family = &keyed->family;

	qp_share_init(&member->share, &keyed->family, pool);
	pool->closing = keyed->root.closing; /* the thread that was closing them is not here */
	keyed->family.used += pool->owned - pool->inherited;
	QP_MUST(family->used <= family->total);
	keyed->count++;
	if (!qp_pool_is_quiet_locked(pool) && has_key(keyed, member)) {
		qp_keys_put(&keyed->keys, &member->key);
		member->standing = QP_LIVE;
		keyed->live++;
		return;
	}
	pool->key = NULL;
	pool->name = keyed->root.name;
	if (qp_pool_is_quiet_locked(pool)) {
		push_spare(keyed, member);
	} else {
		member->next = member->previous = NULL;
		member->standing = QP_STRAY;
		keyed->strays++;
	}
}

void
qp_keyed_anew(qpool_keyed *keyed)
{
	qp_member *member = qp_keyed_newest(keyed);

	qp_family_init(&keyed->family, keyed->root.config.max_size);
	qp_keys_clear(&keyed->keys);
	keyed->live = keyed->strays = keyed->rests = keyed->count = 0;
	keyed->spares = keyed->first_rest = keyed->last_rest = NULL;
	for (; member != NULL; member = member->made_before)
		stand_anew(keyed, member);
}

void
qp_keyed_dispose(qpool_keyed *keyed)
{
	qp_member *member = qp_keyed_newest(keyed), *before;

	for (; member != NULL; member = before) {
		before = member->made_before;
		qp_pool_dispose(&member->pool);
		qp_alloc_free(member);
	}
	qp_keys_dispose(&keyed->keys);
	keyed->magic = 0;
	qp_alloc_free(keyed);
}

/* Does the member stand where its contents say? */
static bool
member_is_valid(const qpool_keyed *keyed, const qp_member *member)
{
	bool in_keys = member->standing == QP_LIVE || member->standing == QP_RESTING;
	bool is_quiet = member->standing == QP_SPARE || member->standing == QP_RESTING;

	return is_quiet == qp_pool_is_quiet_locked(&member->pool) &&
	       in_keys == (member->pool.key != NULL) &&
	       (!in_keys || find_locked(keyed, member->key.text) == member) &&
	       qp_pool_is_valid_locked(&member->pool);
}

/* Every idle slot is in the family's idle list, every owned one in its busy list; in a
 * child, without what it inherited. */
static bool
lists_are_valid(const qpool_keyed *keyed, uint32_t idle, uint32_t owned)
{
	uint32_t busy = qp_idle_count_busy(&keyed->family.idle);

	return qp_idle_count_all(&keyed->family.idle) == idle &&
	       (keyed->root.is_a_child ? busy <= owned : busy == owned);
}

bool
qp_keyed_is_valid_locked(const qpool_keyed *keyed)
{
	uint32_t counts[QP_RESTING + 1] = {0}, taken = 0, idle = 0, owned = 0, count = 0;

	if (keyed->family.used > keyed->family.total ||
	    keyed->keys.count != keyed->live + keyed->rests)
		return false;
	if (keyed->count > CHECKED_MEMBERS)
		return true;
	for (const qp_member *m = qp_keyed_newest(keyed); m != NULL; m = m->made_before) {
		if (!member_is_valid(keyed, m))
			return false;
		counts[m->standing]++;
		taken += m->pool.idle.count + m->pool.owned - m->pool.inherited;
		idle += m->pool.idle.count;
		owned += m->pool.owned;
		count++;
	}
	return count == keyed->count && counts[QP_LIVE] == keyed->live &&
	       counts[QP_STRAY] == keyed->strays && counts[QP_RESTING] == keyed->rests &&
	       taken == keyed->family.used + keyed->family.ousted &&
	       lists_are_valid(keyed, idle, owned) && qp_keys_is_valid(&keyed->keys) &&
	       qp_family_is_valid(&keyed->family);
}
