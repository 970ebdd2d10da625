/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool: birth, memory, the lock and the equations.  How a pool ends is told in drain.
 */
#include "core/pool.h"

#include "core/abi.h"
#include "core/drain.h"
#include "core/error.h"
#include "core/fork.h"
#include "core/notice.h"
#include "core/worker.h"
#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/random.h"

#include <inttypes.h>
#include <limits.h>

/* Above this many used slots the debug check is left out: it would make tests quadratic. */
#define CHECKED_SLOTS 64u

static uint32_t
chunk_start(uint32_t chunk)
{
	return QP_CHUNK_LEAST * ((1u << chunk) - 1);
}

qp_slot *
qp_pool_slot(const qpool *pool, uint32_t index)
{
	uint32_t chunk = 31u - (uint32_t)__builtin_clz(index / QP_CHUNK_LEAST + 1);

	return &pool->chunks[chunk][index - chunk_start(chunk)];
}

/* Slots are allocated before they can be asked for, so that no verb wants for memory; zero pages until used.
 * Chunks are never moved: a lease points into them, and stats reads them without the lock. */
bool
qp_pool_reserve_locked(qpool *pool, uint32_t slots)
{
	if (slots > chunk_start(QP_CHUNKS))
		return false;
	for (uint32_t chunk = 0; chunk_start(chunk) < slots; chunk++) {
		if (pool->chunks[chunk] != NULL)
			continue;
		pool->chunks[chunk] =
		    qp_alloc_zero((size_t)QP_CHUNK_LEAST << chunk, sizeof(qp_slot));
		if (pool->chunks[chunk] == NULL)
			return false;
	}
	if (slots > pool->slots)
		pool->slots = slots;
	return true;
}

uint32_t
qp_pool_room_locked(const qpool *pool)
{
	uint32_t taken = pool->idle.count + pool->owned - pool->inherited;
	uint32_t room = taken < pool->config.max_size ? pool->config.max_size - taken : 0;
	uint32_t spare = pool->slots - (pool->fresh - pool->empties);

	return room < spare ? room : spare;
}

uint32_t
qp_pool_held(const qpool *pool)
{
	uint32_t chunk = 0;

	while (chunk < QP_CHUNKS && pool->chunks[chunk] != NULL)
		chunk++;
	return chunk_start(chunk);
}

bool
qp_pool_has_slots_locked(qpool *pool)
{
	uint32_t slots = pool->config.max_size + pool->inherited;

	return QP_LIKELY(pool->slots >= slots) || qp_pool_reserve_locked(pool, slots);
}

void
qp_pool_push_empty_locked(qpool *pool, qp_slot *slot)
{
	slot->resource = NULL;
	slot->older = pool->empty_top;
	pool->empty_top = slot;
	pool->empties++;
}

void
qp_pool_dispose(qpool *pool)
{
	for (uint32_t chunk = 0; chunk < QP_CHUNKS; chunk++)
		qp_alloc_free(pool->chunks[chunk]);
	qp_alloc_free(pool->name);
	qp_lock_destroy(&pool->lock);
	pool->magic = 0;
	qp_alloc_free(pool);
}

static qpool_err
read_ops(qpool_ops *known, const qpool_ops *ops, qpool_error *error)
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

static void
fill(qpool *pool, const qpool_ops *ops, void *user, const qp_config *config)
{
	pool->magic = QP_POOL_MAGIC;
	pool->ops = *ops;
	pool->kind = pool->ops.kind;
	pool->user = user;
	pool->config = *config;
	pool->backoff.retry_min_ns = config->retry_min_ns;
	pool->backoff.retry_max_ns = config->retry_max_ns;
	pool->backoff.down_after_ns = config->down_after_ns;
	qp_crew_none(&pool->crew);
	pool->random = qp_random_seed();
	pool->anew = qp_forkmark_settle();
	qp_store_relaxed(&pool->maker, pool->anew);
	qp_store_relaxed(&pool->generation, pool->anew);
	qp_lock_init(&pool->lock);
}

static QP_COLD qpool_err
unwatched(int failed, qpool_error *error)
{
	(void)qp_error_set(error, QPOOL_ESYS,
	    "pthread_atfork failed (errno %d): a forked child would not know that it is one",
	    failed);
	if (error != NULL)
		error->sys_errno = failed;
	return QPOOL_ESYS;
}

qpool_err
qpool_create(
    qpool **out, const qpool_options *options, const qpool_ops *ops, void *user, qpool_error *error)
{
	qpool_ops known;
	qp_config config;
	qpool *pool;
	qpool_err err;
	int failed;

	if (out == NULL)
		return qp_error_set(
		    error, QPOOL_EINVAL, "out is NULL: there is no place for the pool");
	err = read_ops(&known, ops, error);
	if (err == QPOOL_OK)
		err = qp_options_read(&config, options, known.kind, error);
	if (err != QPOOL_OK)
		return err;
	failed = qp_forkmark_watch(qp_fork_in_child);
	if (failed != 0)
		return unwatched(failed, error);
	pool = qp_alloc_zero(1, sizeof *pool);
	if (pool == NULL)
		return qp_error_set(error, QPOOL_ENOMEM, "no memory for pool '%s'", config.name);
	fill(pool, &known, user, &config);
	pool->name = qp_alloc_text(config.name);
	if (pool->name == NULL || !qp_pool_reserve_locked(pool, config.max_size)) {
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

	/* More than fit happen when a pool closes on a long line: those go out under the lock. */
	if (wakes->count == room)
		qp_unpark(word, 1);
	else
		wakes->words[wakes->count++] = word;
}

void
qp_pool_lock(qpool *pool)
{
	qp_lock_acquire(&pool->lock);
}

uint32_t
qp_pool_lent_locked(const qpool *pool)
{
	return pool->owned - pool->opening - pool->leaving;
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
	return pool->owned == inherited_leases(pool) && pool->idle.count == 0 &&
	       pool->waitq.count == 0 && pool->visits == 0 && pool->crew.alive == 0 &&
	       !pool->crew.joining;
}

bool
qp_pool_is_quiet_locked(const qpool *pool)
{
	return pool->owned == 0 && qp_pool_is_left_locked(pool);
}

void
qp_pool_unlock(qpool *pool, qp_wakes *wakes)
{
	qp_atomic_u32 *watched = NULL;
	bool last = false;

	QP_CHECK(qp_pool_is_valid_locked(pool));
	if (QP_UNLIKELY(pool->watchers > 0)) {
		qp_store_relaxed(&pool->changes, qp_load_relaxed(&pool->changes) + 1);
		watched = &pool->changes;
	}
	/* ending != ended: somebody runs destroy, and looks again afterwards. */
	if (QP_UNLIKELY(pool->freed && pool->closers == 0 && pool->ending == pool->ended)) {
		last = qp_pool_is_quiet_locked(pool);
		pool->ending = pool->ending || last;
	}
	qp_lock_release(&pool->lock);
	for (uint32_t i = 0; wakes != NULL && i < wakes->count; i++)
		qp_unpark(wakes->words[i], 1);
	if (QP_UNLIKELY(watched != NULL))
		qp_unpark(watched, INT_MAX);
	if (QP_UNLIKELY(last))
		qp_drain_end(pool);
}

bool
qp_pool_await_locked(qpool *pool, bool (*done)(const qpool *pool), int64_t deadline_ns)
{
	bool is_done;

	pool->watchers++;
	while (!(is_done = done(pool)) && qp_clock_now() < deadline_ns) {
		uint32_t seen = qp_load_relaxed(&pool->changes);
		/* Not qp_pool_unlock: that would count as a change, and we would never sleep. */
		qp_lock_release(&pool->lock);
		(void)qp_park(&pool->changes, seen, deadline_ns);
		qp_lock_acquire(&pool->lock);
	}
	pool->watchers--;
	return is_done;
}

static bool
slots_are_valid(const qpool *pool)
{
	uint32_t counts[QP_STATES] = {0}, owned, stacked = 0, inherited = 0;

	for (uint32_t i = 0; i < pool->fresh; i++) {
		const qp_slot *slot = qp_pool_slot(pool, i);
		if (slot->magic != QP_SLOT_MAGIC || slot->pool != pool)
			return false;
		counts[qp_slot_state(slot)]++;
		inherited += qp_slot_state(slot) != QP_EMPTY && qp_slot_state(slot) != QP_OPENING &&
		             qp_fork_is_inherited(slot);
	}
	for (const qp_slot *slot = pool->empty_top; slot != NULL; slot = slot->older)
		stacked += qp_slot_state(slot) == QP_EMPTY;
	owned = pool->fresh - counts[QP_EMPTY] - counts[QP_IDLE];
	return stacked == pool->empties && counts[QP_EMPTY] == pool->empties &&
	       counts[QP_IDLE] == pool->idle.count && owned == pool->owned &&
	       counts[QP_OPENING] == pool->opening && counts[QP_CLOSING] >= pool->leaving &&
	       inherited == pool->inherited;
}

bool
qp_pool_is_valid_locked(const qpool *pool)
{
	qp_lock_must_hold(&pool->lock);
	if (pool->magic != QP_POOL_MAGIC || pool->fresh > pool->slots ||
	    pool->config.max_size > pool->slots ||
	    pool->fresh != pool->idle.count + pool->empties + pool->owned ||
	    pool->opening > pool->owned || pool->inherited > pool->owned)
		return false;
	/* The sentence the whole library exists for. */
	if (qp_waitq_first(&pool->waitq) != NULL && pool->waitq.woken == NULL &&
	    pool->idle.count > 0)
		return false;
	if (pool->fresh > CHECKED_SLOTS || pool->waitq.count > CHECKED_SLOTS)
		return true;
	return slots_are_valid(pool) && qp_idle_is_valid(&pool->idle) &&
	       qp_waitq_is_valid(&pool->waitq) && qp_backoff_is_valid(&pool->backoff);
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
		qp_fork_look((qpool *)(uintptr_t)pool); /* it may have to be made anew */
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
qp_pool_misuse(qpool *pool, const char *what)
{
	qpool_error error;
	qp_mark visit;
	bool tells;

	qp_pool_lock(pool);
	pool->tally.misuses++;
	qp_pool_visit_locked(pool, &visit);
	tells = !pool->ending; /* after close no callback runs, not even for this */
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
