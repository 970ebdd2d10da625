/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wall: src/platform as the world has it.  These functions stand in the place of those of platform/,
 * and the core above them is the real one.  Locks and parking follow what Linux does; forks do not
 * happen here.
 */
#include "heap.h"
#include "trace.h"
#include "world.h"

#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/forkmark.h"
#include "platform/hazard_own.h"
#include "platform/lock.h"
#include "platform/membarrier.h"
#include "platform/output.h"
#include "platform/random.h"
#include "platform/thread.h"

#include <string.h>

/* ---- lock ---- */

static pthread_t
handle_of(const actor *a)
{
	return (pthread_t)(uintptr_t)(a - world_actors() + 1);
}

static actor *
actor_of(pthread_t handle)
{
	return &world_actors()[(uintptr_t)handle - 1];
}

void
qp_lock_init(qp_lock *lock)
{
	lock->held = false;
}

void
qp_lock_destroy(qp_lock *lock)
{
	heap_must_live(lock);
	if (lock->held)
		world_fail("a lock is destroyed while it is held");
}

void
qp_lock_acquire(qp_lock *lock)
{
	actor *self = world_self();

	world_point(NULL, true);
	memory_drain(self);
	heap_must_live(lock);
	while (lock->held) {
		if (lock->owner == handle_of(self))
			world_fail("a lock is taken twice");
		self->lock = lock;
		world_block(LOCKED);
		heap_must_live(lock);
	}
	lock->held = true;
	lock->owner = handle_of(self);
	self->held++;
	races_lock(lock, (unsigned)(self - world_actors()));
	TRACE("lock", lock, 0);
}

void
qp_lock_release(qp_lock *lock)
{
	actor *self = world_self();

	world_point(NULL, true);
	qp_lock_must_hold(lock);
	memory_drain(self);
	races_unlock(lock, (unsigned)(self - world_actors()));
	lock->held = false;
	self->held--;
	TRACE("unlock", lock, 0);
	for (unsigned i = 0; i < WORLD_ACTORS; i++)
		if (world_actors()[i].state == LOCKED && world_actors()[i].lock == lock)
			world_actors()[i].state = READY;
}

void
qp_lock_must_hold(const qp_lock *lock)
{
	heap_must_live(lock);
	QP_MUST(lock->held && lock->owner == handle_of(world_self()));
}

void
qp_lock_must_hold_none(void)
{
	QP_MUST(world_self()->held == 0);
}

/* ---- park ---- */

static qp_parked
park(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns, bool may_cancel)
{
	actor *self = world_self();
	uint32_t now;

	world_point(NULL, true);
	heap_must_live(word);
	memory_drain(self); /* the kernel's own locks are barriers */
	memcpy(&now, (const void *)word, sizeof now);
	TRACE(now == expected ? "park" : "park, not so", word, now);
	if (now != expected)
		return QP_PARK_LOOK;
	if (deadline_ns <= world_now())
		return QP_PARK_DEADLINE;
	self->word = word;
	self->deadline_ns = deadline_ns;
	self->may_cancel = may_cancel;
	world_block(PARKED);
	return self->how;
}

qp_parked
qp_park(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns)
{
	return park(word, expected, deadline_ns, false);
}

qp_parked
qp_park_cancellable(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns,
    void (*gone)(void *argument), void *argument)
{
	qp_parked how;

	qp_lock_must_hold_none();
	how = park(word, expected, deadline_ns, world_self()->shield == 0);
	if (!world_self()->cancelled)
		return how;
	gone(argument);
	world_end();
	return how; /* not reached */
}

void
qp_unpark(qp_atomic_u32 *word, int most)
{
	actor *sleepers[WORLD_ACTORS];
	unsigned count;

	world_point(NULL, true);
	memory_drain(world_self());
	TRACE("unpark", word, (uint64_t)most);
	do {
		count = 0;
		for (unsigned i = 0; i < WORLD_ACTORS; i++)
			if (world_actors()[i].state == PARKED && world_actors()[i].word == word)
				sleepers[count++] = &world_actors()[i];
		if (count > 0) {
			actor *woken = sleepers[count > 1 ? world_choose(count) : 0];
			woken->state = READY;
			woken->how = QP_PARK_LOOK;
		}
	} while (count > 1 && --most > 0);
}

void
qp_yield(void)
{
	world_yield();
}

/* ---- membarrier ---- */

bool
qp_membarrier_begin(void)
{
	return world_membarrier(false);
}

bool
qp_membarrier(void)
{
	world_point(NULL, true);
	if (!world_membarrier(true))
		return false;
	memory_drain_all();
	TRACE("membarrier", NULL, 0);
	return true;
}

/* ---- hazard ---- */

qp_hazard *
qp_hazard_own(void)
{
	actor *self = world_self();

	self->hazard.number = (uint32_t)(self - world_actors());
	self->hazard.thread = qp_thread_id();
	return &self->hazard;
}

bool
qp_hazard_join(void)
{
	return true;
}

/* A store may be late, but not for ever: it arrives while somebody waits for it. */
void
qp_hazard_await(const void *thing)
{
	for (unsigned i = 0; i < WORLD_ACTORS; i++) {
		actor *a = &world_actors()[i];
		while (a->state != UNUSED && qp_loadptr_acquire(&a->hazard.inside) == thing) {
			world_yield();
			if (a->stored > 0)
				memory_drain_one(a);
		}
	}
}

/* ---- clock ---- */

int64_t
qp_clock_now(void)
{
	return world_now();
}

int64_t
qp_clock_coarse(void)
{
	return world_now();
}

int64_t
qp_clock_frozen(void)
{
	return 0;
}

/* ---- thread ---- */

int
qp_thread_start(qp_thread *thread, const char *name, void *(*body)(void *), void *argument)
{
	(void)name;
	world_point(NULL, true);
	memory_drain(world_self());
	thread->handle = handle_of(world_start("worker", body, argument));
	return 0;
}

void
qp_thread_join(qp_thread *thread)
{
	world_join(actor_of(thread->handle));
}

void
qp_thread_detach(qp_thread *thread)
{
	(void)thread;
}

int
qp_thread_shield(void)
{
	return world_self()->shield++;
}

void
qp_thread_unshield(int before)
{
	world_self()->shield = before;
}

void **
qp_thread_pocket(void)
{
	return &world_self()->pocket;
}

uint32_t
qp_thread_id(void)
{
	return (uint32_t)(uintptr_t)handle_of(world_self());
}

bool
qp_thread_is_gone(uint32_t id)
{
	return world_actors()[id - 1].state == GONE;
}

/* ---- what has no schedule ---- */

static qp_atomic_u32 first_generation = {1};
qp_atomic_u32 *qp_forkmark_page = &first_generation;

int
qp_forkmark_watch(void)
{
	return 0;
}

void
qp_forkmark_tell(void (*function)(void))
{
	(void)function;
}

uint32_t
qp_forkmark_settle(void)
{
	return 1;
}

void *
qp_alloc_zero(size_t count, size_t size)
{
	return heap_get(count * size);
}

char *
qp_alloc_text(const char *text)
{
	size_t room = strlen(text) + 1;

	return memcpy(heap_get(room), text, room);
}

void
qp_alloc_free(void *memory)
{
	heap_put(memory);
}

uint64_t
qp_random_seed(void)
{
	return 1;
}

int64_t
qp_random_upto(uint64_t *state, int64_t most)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return most <= 0 ? 0 : (int64_t)((*state >> 33) % ((uint64_t)most + 1));
}

bool
qp_output_write(int fd, const char *bytes, size_t length)
{
	(void)fd;
	(void)bytes;
	(void)length;
	return true;
}

void
qp_assert_fail(const char *kind, const char *what, const char *file, int line)
{
	world_fail("%s:%d: %s %s", file, line, kind, what);
}
