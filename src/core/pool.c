/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool: creation, memory, the lock and the equations.  For its end see drain.
 */
#include "core/pool.h"

#include "core/abi.h"
#include "core/drain.h"
#include "core/error.h"
#include "core/fork.h"
#include "core/keyed.h"
#include "core/notice.h"
#include "core/suspect.h"
#include "core/worker.h"
#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/random.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

/* Above this many used slots the debug check is skipped: it would make tests quadratic. */
#define CHECKED_SLOTS 64u

static uint32_t
chunk_start(const qpool *pool, uint32_t chunk)
{
	return ((1u << chunk) - 1) << pool->chunk_shift;
}

/* relaxed: see pool.h. */
static qp_chunk *
chunk_of(const qpool *pool, uint32_t chunk)
{
	return (qp_chunk *)(uintptr_t)qp_loadptr_relaxed(&pool->chunks[chunk]);
}

static uint32_t
chunk_with(const qpool *pool, uint32_t index)
{
	return 31u - (uint32_t)__builtin_clz((index >> pool->chunk_shift) + 1);
}

qp_slot *
qp_pool_slot(const qpool *pool, uint32_t index)
{
	uint32_t chunk = chunk_with(pool, index);

	return qp_chunk_slots(chunk_of(pool, chunk)) + (index - chunk_start(pool, chunk));
}

qp_slot *
qp_pool_new_slot(const qpool *pool, uint32_t index)
{
	qp_slot *slot = qp_pool_slot(pool, index);

	qp_slot_init(slot, index - chunk_start(pool, chunk_with(pool, index)));
	return slot;
}

/* What lies beside its slots. */
static unsigned
beside(const qpool *pool)
{
	unsigned has = 0;

	if (pool->ops.check != NULL || pool->ops.peek != NULL)
		has |= QP_HAS_ANSWERS;
	if (pool->share != NULL)
		has |= QP_HAS_KINS;
	return pool->ops.describe != NULL ? has | QP_HAS_ABOUTS : has;
}

/* The first chunk that is not needed for `slots` slots. */
static uint32_t
chunks_for(const qpool *pool, uint32_t slots)
{
	uint32_t chunk = 0;

	while (chunk_start(pool, chunk) < slots)
		chunk++;
	return chunk;
}

static uint32_t
chunk_shift_for(uint32_t max_size)
{
	uint32_t shift = QP_CHUNK_SHIFT;

	while (1u << shift < max_size)
		shift++;
	return shift;
}

/* Slots are allocated before a verb can ask for one, so that taking one never allocates; their
 * pages stay zero until used.  Chunks never move: a lease points into them, and stats reads them
 * without the lock.  When two threads reserve at once, one allocates in vain and frees its chunk.
 * The lock is not left by qp_pool_unlock, because a pool under construction is not valid yet. */
bool
qp_pool_reserve(qpool *pool, uint32_t slots)
{
	qp_chunk *chunks[QP_CHUNKS] = {NULL};
	uint32_t first, end;
	/* Of larger chunks a plate could not say the place (slot.h). */
	bool enough = slots <= chunk_start(pool, QP_SLOT_PLACE_BITS + 1 - pool->chunk_shift);

	if (!enough)
		return false;
	end = chunks_for(pool, slots);

	qp_lock_acquire(&pool->root->lock);
	first = chunks_for(pool, pool->slots);
	qp_lock_release(&pool->root->lock);
	for (uint32_t i = first; i < end && enough; i++) {
		chunks[i] = qp_chunk_make(
		    pool, chunk_start(pool, i), 1u << pool->chunk_shift << i, beside(pool));
		enough = chunks[i] != NULL;
	}
	qp_lock_acquire(&pool->root->lock);
	for (uint32_t i = first; i < end && enough; i++)
		if (chunk_of(pool, i) == NULL) {
			/* release, pairs with the acquire in slots_there: a dump sees
			 * the chunk zeroed. */
			qp_storeptr_release(&pool->chunks[i], chunks[i]);
			chunks[i] = NULL;
		}
	if (enough && slots > pool->slots)
		pool->slots = slots;
	qp_lock_release(&pool->root->lock);
	for (uint32_t i = first; i < end; i++)
		qp_chunk_free(chunks[i]);
	return enough;
}

uint32_t
qp_pool_room_locked(const qpool *pool)
{
	uint32_t taken = pool->idle.count + pool->owned - pool->inherited;
	uint32_t room = taken < pool->config.max_size ? pool->config.max_size - taken : 0;
	/* A key's pool, or one with inherited leases, may lack slots when there was no memory. */
	uint32_t spare = pool->slots - (pool->fresh - pool->empties);

	return room < spare ? room : spare;
}

bool
qp_pool_have_slots(qpool *pool)
{
	uint32_t slots, there;

	qp_pool_lock(pool);
	slots = pool->config.max_size + pool->inherited;
	there = pool->slots;
	qp_pool_unlock(pool, NULL);
	return there >= slots || qp_pool_reserve(pool, slots);
}

uint32_t
qp_pool_held(const qpool *pool)
{
	uint32_t chunk = 0;

	while (chunk < QP_CHUNKS && chunk_of(pool, chunk) != NULL)
		chunk++;
	return chunk_start(pool, chunk);
}

void
qp_pool_push_empty_locked(qpool *pool, qp_slot *slot)
{
	slot->resource = NULL;
	slot->older = qp_slot_link(pool->empty_top);
	pool->empty_top = slot;
	pool->empties++;
}

uint32_t
qp_pool_surplus_locked(const qpool *pool)
{
	uint32_t staying = pool->idle.count + pool->owned - pool->inherited - pool->leaving;

	return staying > pool->config.max_size ? staying - pool->config.max_size : 0;
}

void
qp_pool_dispose(qpool *pool)
{
	qp_shelf_dispose(pool);
	for (uint32_t chunk = 0; chunk < QP_CHUNKS; chunk++)
		qp_chunk_free(chunk_of(pool, chunk));
	pool->magic = 0;
	if (pool->share != NULL)
		return; /* the rest belongs to the family */
	qp_intern_end(&pool->words);
	qp_alloc_free(pool->hists);
	qp_alloc_free(pool->name);
	qp_lock_destroy(&pool->lock);
	if (pool->keyed != NULL)
		qp_keyed_dispose(pool->keyed);
	else
		qp_alloc_free(pool);
}

qpool_err
qp_pool_read_ops(qpool_ops *known, const qpool_ops *ops, qpool_error *error)
{
	qpool_err err;

	memset(known, 0, sizeof *known);
	if (ops == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "ops is NULL: the pool must know how to open");
	err = qp_abi_read(known, sizeof *known, ops, "qpool_ops", error);
	if (err != QPOOL_OK)
		return err;
	if (known->open == NULL || known->close == NULL)
		return qp_error_set(error, QPOOL_EINVAL, "ops.%s is NULL: it is required",
		    known->open == NULL ? "open" : "close");
	if (known->kind == NULL || known->kind[0] == '\0')
		known->kind = "resource";
	return QPOOL_OK;
}

void
qp_pool_init(qpool *pool, qpool *root, const qpool_ops *ops, void *user, const qp_config *config)
{
	pool->magic = QP_POOL_MAGIC;
	pool->root = root;
	pool->chunk_shift = root == pool ? chunk_shift_for(config->max_size) : QP_CHUNK_SHIFT_KEY;
	pool->ops = *ops;
	pool->kind = pool->ops.kind;
	pool->user = user;
	pool->config = *config;
	qp_options_dial(&pool->dials, config);
	qp_backoff_set(
	    &pool->backoff, config->retry_min_ns, config->retry_max_ns, config->down_after_ns);
	qp_crew_none(&pool->crew);
	pool->random = qp_random_seed();
	if (root == pool) {
		qp_fork_begin(pool);
		qp_lock_init(&pool->lock);
	}
	qp_shelf_begin(pool);
	qp_suspect_begin(pool);
}

qpool_err
qpool_create(
    qpool **out, const qpool_options *options, const qpool_ops *ops, void *user, qpool_error *error)
{
	qpool_ops known;
	qp_config config;
	qpool *pool;
	qpool_err err;

	if (out == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "out is NULL: there is no place for the pool");
	err = qp_pool_read_ops(&known, ops, error);
	if (err == QPOOL_OK)
		err = qp_options_read(&config, options, known.kind, error);
	if (err == QPOOL_OK)
		err = qp_fork_watch(error);
	if (err != QPOOL_OK)
		return err;
	pool = qp_alloc_zero(1, sizeof *pool);
	if (pool == NULL)
		return qp_error_set(error, QPOOL_ENOMEM, "no memory for pool '%s'", config.name);
	qp_pool_init(pool, pool, &known, user, &config);
	pool->name = qp_alloc_text(config.name);
	pool->hists = qp_alloc_zero(1, sizeof *pool->hists);
	if (pool->name == NULL || pool->hists == NULL || !qp_shelf_make(pool) ||
	    !qp_pool_reserve(pool, config.max_size)) {
		qp_pool_dispose(pool);
		return qp_error_set(error, QPOOL_ENOMEM,
		    "no memory for pool '%s' of %" PRIu32 " slots", config.name, config.max_size);
	}
	pool->config.name = pool->name;
	*out = pool;
	return QPOOL_OK;
}

void
qp_wakes_add(qp_wakes *wakes, qp_atomic_u32 *word)
{
	const uint32_t room = sizeof wakes->words / sizeof wakes->words[0];

	/* Full only when a long line fails or a large crew stops: then wake under the lock. */
	if (wakes->count == room)
		qp_unpark(word, 1);
	else
		wakes->words[wakes->count++] = word;
}

void
qp_pool_lock(qpool *pool)
{
	qp_lock_acquire(&pool->root->lock);
}

uint32_t
qp_pool_lent_locked(const qpool *pool)
{
	return pool->owned - pool->inherited - pool->opening - pool->leaving;
}

/* Quiet, apart from owned slots? */
static bool
is_deserted(const qpool *pool)
{
	return pool->idle.count == 0 && pool->waitq.count == 0 && pool->visits == 0 &&
	       pool->crew.alive == 0 && !pool->crew.joining && !qp_shelf_is_pinned_locked(pool);
}

static uint32_t
inherited_leases(const qpool *pool)
{
	uint32_t count = 0;

	for (uint32_t i = 0; pool->inherited > 0 && i < pool->fresh; i++) {
		const qp_slot *slot = qp_pool_slot(pool, i);
		count += qp_slot_is_lent(slot) && qp_fork_is_inherited(slot);
	}
	return count;
}

bool
qp_pool_is_left_locked(const qpool *pool)
{
	return pool->owned == inherited_leases(pool) && is_deserted(pool) &&
	       (pool->keyed == NULL || qp_keyed_is_left_locked(pool->keyed));
}

bool
qp_pool_is_quiet_locked(const qpool *pool)
{
	return pool->owned == 0 && is_deserted(pool) &&
	       (pool->keyed == NULL || qp_keyed_is_quiet_locked(pool->keyed));
}

void
qp_pool_count_locked(const qpool *pool)
{
	qp_family_count(pool->share, pool->idle.count + pool->owned - pool->opening,
	    qp_pool_lent_locked(pool), pool->waitq.count);
}

void
qp_pool_unlock(qpool *pool, qp_wakes *wakes)
{
	qpool *root = pool->root;
	qp_atomic_u32 *watched = NULL;
	bool last = false;

	QP_CHECK(qp_pool_is_valid_locked(pool));
	if (QP_UNLIKELY(pool->share != NULL))
		qp_keyed_left_locked(pool);
	if (QP_UNLIKELY(root->watchers > 0)) {
		qp_store_relaxed(&root->changes, qp_load_relaxed(&root->changes) + 1);
		watched = &root->changes;
	}
	/* ending != ended: another thread runs destroy, and looks again afterwards. */
	if (QP_UNLIKELY(root->freed && root->closers == 0 && root->ending == root->ended)) {
		last = qp_pool_is_quiet_locked(root);
		root->ending = root->ending || last;
	}
	qp_lock_release(&root->lock);
	for (uint32_t i = 0; wakes != NULL && i < wakes->count; i++)
		qp_unpark(wakes->words[i], 1);
	if (QP_UNLIKELY(watched != NULL))
		qp_unpark(watched, INT_MAX);
	if (QP_UNLIKELY(last))
		qp_drain_end(root);
}

void
qp_pool_watch_locked(qpool *pool, int64_t deadline_ns)
{
	uint32_t seen = qp_load_relaxed(&pool->changes);

	pool->watchers++;
	/* Not qp_pool_unlock: it would count as a change, and two watchers would keep
	 * each other awake. */
	qp_lock_release(&pool->root->lock);
	(void)qp_park(&pool->changes, seen, deadline_ns);
	qp_lock_acquire(&pool->root->lock);
	pool->watchers--;
}

bool
qp_pool_await_locked(qpool *pool, bool (*done)(const qpool *pool), int64_t deadline_ns)
{
	bool is_done;

	while (!(is_done = done(pool)) && qp_clock_now() < deadline_ns)
		qp_pool_watch_locked(pool, deadline_ns);
	return is_done;
}

static bool
slots_are_valid(const qpool *pool)
{
	uint32_t counts[QP_STATES] = {0}, owned, stacked = 0, inherited = 0;

	for (uint32_t i = 0; i < pool->fresh; i++) {
		const qp_slot *slot = qp_pool_slot(pool, i);
		if (!qp_chunk_knows(slot) || qp_slot_pool(slot) != pool)
			return false;
		if (qp_shelf_has(slot))
			continue; /* owned; its state may change at this moment */
		counts[qp_slot_state(slot)]++;
		inherited += qp_slot_state(slot) != QP_EMPTY && qp_slot_state(slot) != QP_OPENING &&
		             qp_fork_is_inherited(slot);
	}
	for (const qp_slot *slot = pool->empty_top; slot != NULL; slot = qp_slot_older(slot))
		stacked += qp_slot_state(slot) == QP_EMPTY;
	owned = pool->fresh - counts[QP_EMPTY] - counts[QP_IDLE]; /* those laid are among them */
	return stacked == pool->empties && counts[QP_EMPTY] == pool->empties &&
	       counts[QP_IDLE] == pool->idle.count && owned == pool->owned &&
	       counts[QP_OPENING] == pool->opening && counts[QP_CLOSING] >= pool->leaving &&
	       inherited == pool->inherited;
}

bool
qp_pool_is_valid_locked(const qpool *pool)
{
	bool is_whole = pool->share == NULL && pool->keyed == NULL;

	qp_lock_must_hold(&pool->root->lock);
	if (pool->magic != QP_POOL_MAGIC || pool->fresh > pool->slots ||
	    (is_whole && pool->config.max_size > pool->slots) ||
	    pool->fresh != pool->idle.count + pool->empties + pool->owned ||
	    pool->opening > pool->owned || pool->inherited > pool->owned)
		return false;
	/* The sentence the whole library exists for: nobody sleeps unwoken beside an idle slot. */
	if (qp_waitq_first(&pool->waitq) != NULL && pool->waitq.woken == NULL &&
	    pool->idle.count > 0 && !pool->paused)
		return false;
	if (pool->fresh > CHECKED_SLOTS || pool->waitq.count > CHECKED_SLOTS)
		return true;
	return qp_shelf_is_valid_locked(pool) && slots_are_valid(pool) &&
	       qp_idle_is_valid(&pool->idle) && qp_waitq_is_valid(&pool->waitq) &&
	       qp_gate_is_valid(&pool->gate) && qp_backoff_is_valid(&pool->backoff);
}

qpool_err
qp_pool_is_one(const qpool *pool, qpool_error *error)
{
	if (pool == NULL)
		return qp_error_set(error, QPOOL_EINVAL, "pool is NULL");
	if (pool->magic != QP_POOL_MAGIC)
		return qp_error_set(error, QPOOL_EINVAL, "this is no pool, or one that was freed");
	return QPOOL_OK;
}

qpool_err
qp_pool_look(const qpool *pool, qpool_error *error)
{
	qpool_err err = qp_pool_is_one(pool, error);

	if (QP_LIKELY(err == QPOOL_OK))
		qp_fork_look((qpool *)(uintptr_t)pool); /* in a child it may have to be rebuilt */
	return err;
}

void
qp_pool_visit_locked(qpool *pool, qp_mark *here)
{
	pool->visits++;
	qp_trail_enter(here, pool, QP_IN_VISIT, NULL);
}

void
qp_pool_leave_locked(qpool *pool, const qp_mark *here)
{
	qp_trail_leave(here);
	pool->visits--;
}

void
qp_pool_visit(qpool *pool, qp_mark *here)
{
	qp_pool_lock(pool);
	qp_pool_visit_locked(pool, here);
	qp_pool_unlock(pool, NULL);
}

void
qp_pool_leave(qpool *pool, const qp_mark *here)
{
	qp_pool_lock(pool);
	qp_pool_leave_locked(pool, here);
	qp_pool_unlock(pool, NULL);
}

qpool_err
qp_pool_look_whole(qpool *pool, const char *what, qpool_error *error)
{
	qpool_err err = qp_pool_look(pool, error);
	char sentence[160];

	if (err != QPOOL_OK || pool->share == NULL)
		return err;
	(void)snprintf(sentence, sizeof sentence,
	    "%s is not for the pool of one key: it belongs to its keyed pool", what);
	(void)qp_error_set(error, QPOOL_EMISUSE, "pool '%s': %s", pool->name, sentence);
	return qp_pool_misuse(pool, sentence);
}

qpool_err
qp_pool_misuse(qpool *pool, const char *what)
{
	qpool_error error;
	qp_mark visit;
	bool tells;

	qp_pool_lock(pool);
	pool->tally.misuses++;
	qp_pool_visit_locked(pool, &visit);
	tells = !pool->root->ending; /* after close no callback runs, not even this one */
	qp_pool_unlock(pool, NULL);
	(void)qp_error_set(&error, QPOOL_EMISUSE, "pool '%s': %s", pool->name, what);
	if (tells)
		qp_notice_pool(pool, QPOOL_EV_MISUSE, 0, &error, NULL);
	if (pool->config.is_strict)
		qp_assert_fail("misuse", error.message, __FILE__, __LINE__);
	qp_pool_leave(pool, &visit);
	return QPOOL_EMISUSE;
}

const char *
qpool_name(const qpool *pool)
{
	return qp_pool_is_one(pool, NULL) == QPOOL_OK ? pool->name : "";
}

const char *
qpool_kind(const qpool *pool)
{
	return qp_pool_is_one(pool, NULL) == QPOOL_OK ? pool->kind : "";
}
