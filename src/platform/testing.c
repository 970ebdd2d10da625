/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * testing: one mutex, one condition variable, a list of parked threads.  Slow and simple on
 * purpose: the tests stand on it.  Not compiled into release builds.
 */
#include "platform/testing.h"

#if QP_TESTING

#include <limits.h>
#include <pthread.h>
#include <stddef.h>

/* One parked thread; lives on that thread's stack.  parked == members of the list with !awake. */
struct parked {
	struct parked *next;
	qp_atomic_u32 *word;
	int64_t deadline_ns;
	qp_parked how;
	bool awake;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* guarded by mutex */
	struct parked *list;
	unsigned parked;
	uint64_t parks;
	bool held;
	unsigned calls[QP_FAULTS], fail_at[QP_FAULTS];
	bool for_good[QP_FAULTS];
	/* atomic; now_ns also guarded by mutex for writers */
	qp_atomic_u32 is_virtual;
	qp_atomic_u64 now_ns, frozen_ns;
} t = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void
rouse(struct parked *p, qp_parked how)
{
	p->awake = true;
	p->how = how;
	t.parked--;
}

void
qp_testing_clock_virtual(int64_t now_ns)
{
	qp_store64_relaxed(&t.now_ns, (uint64_t)now_ns);
	qp_store_release(&t.is_virtual, 1);
}

void
qp_testing_clock_real(void)
{
	qp_store_release(&t.is_virtual, 0);
}

bool
qp_testing_clock(int64_t *now_ns)
{
	if (qp_load_acquire(&t.is_virtual) == 0)
		return false;
	*now_ns = (int64_t)qp_load64_relaxed(&t.now_ns);
	return true;
}

bool
qp_testing_frozen(int64_t *frozen_ns)
{
	if (qp_load_acquire(&t.is_virtual) == 0)
		return false;
	*frozen_ns = (int64_t)qp_load64_relaxed(&t.frozen_ns);
	return true;
}

void
qp_testing_freeze(int64_t for_ns)
{
	(void)qp_add64_relaxed(&t.frozen_ns, (uint64_t)for_ns);
}

void
qp_testing_clock_advance(int64_t by_ns)
{
	pthread_mutex_lock(&t.mutex);
	int64_t now = (int64_t)qp_add64_relaxed(&t.now_ns, (uint64_t)by_ns) + by_ns;
	for (struct parked *p = t.list; p != NULL; p = p->next)
		if (!p->awake && p->deadline_ns <= now)
			rouse(p, QP_PARK_DEADLINE);
	pthread_cond_broadcast(&t.changed);
	pthread_mutex_unlock(&t.mutex);
}

void
qp_testing_await_parked(unsigned count)
{
	pthread_mutex_lock(&t.mutex);
	while (t.parked < count)
		pthread_cond_wait(&t.changed, &t.mutex);
	pthread_mutex_unlock(&t.mutex);
}

unsigned
qp_testing_parked(void)
{
	pthread_mutex_lock(&t.mutex);
	unsigned parked = t.parked;
	pthread_mutex_unlock(&t.mutex);
	return parked;
}

uint64_t
qp_testing_parks(void)
{
	pthread_mutex_lock(&t.mutex);
	uint64_t parks = t.parks;
	pthread_mutex_unlock(&t.mutex);
	return parks;
}

int64_t
qp_testing_next_deadline(void)
{
	int64_t next_ns = QP_TIME_NEVER;

	pthread_mutex_lock(&t.mutex);
	for (struct parked *p = t.list; p != NULL; p = p->next)
		if (!p->awake && p->deadline_ns < next_ns)
			next_ns = p->deadline_ns;
	pthread_mutex_unlock(&t.mutex);
	return next_ns;
}

void
qp_testing_wake_all(bool as_signal)
{
	pthread_mutex_lock(&t.mutex);
	for (struct parked *p = t.list; p != NULL; p = p->next)
		if (!p->awake)
			rouse(p, as_signal ? QP_PARK_SIGNAL : QP_PARK_LOOK);
	pthread_cond_broadcast(&t.changed);
	pthread_mutex_unlock(&t.mutex);
}

void
qp_testing_hold(bool held)
{
	pthread_mutex_lock(&t.mutex);
	t.held = held;
	pthread_cond_broadcast(&t.changed);
	pthread_mutex_unlock(&t.mutex);
}

static void
forget(const struct parked *gone)
{
	struct parked **link = &t.list;

	while (*link != gone)
		link = &(*link)->next;
	*link = gone->next;
}

/* The parked thread was cancelled; pthread_cond_wait has taken the mutex again. */
static void
cancelled(void *argument)
{
	struct parked *self = argument;

	if (!self->awake)
		t.parked--;
	forget(self);
	pthread_cond_broadcast(&t.changed);
	pthread_mutex_unlock(&t.mutex);
}

bool
qp_testing_park(qp_atomic_u32 *word, uint32_t expected, int64_t deadline_ns, qp_parked *how)
{
	struct parked self = {.word = word, .deadline_ns = deadline_ns};

	if (qp_load_acquire(&t.is_virtual) == 0)
		return false;
	pthread_mutex_lock(&t.mutex);
	*how = QP_PARK_LOOK;
	if (deadline_ns <= (int64_t)qp_load64_relaxed(&t.now_ns)) {
		*how = QP_PARK_DEADLINE;
	} else if (qp_load_acquire(word) == expected) {
		self.next = t.list;
		t.list = &self;
		t.parked++;
		t.parks++;
		pthread_cond_broadcast(&t.changed);
		pthread_cleanup_push(cancelled, &self);
		while (!self.awake || t.held)
			pthread_cond_wait(&t.changed, &t.mutex);
		pthread_cleanup_pop(0);
		forget(&self);
		*how = self.how;
	}
	pthread_mutex_unlock(&t.mutex);
	return true;
}

void
qp_testing_unpark(qp_atomic_u32 *word, int most)
{
	pthread_mutex_lock(&t.mutex);
	for (struct parked *p = t.list; p != NULL && most > 0; p = p->next)
		if (!p->awake && p->word == word) {
			rouse(p, QP_PARK_LOOK);
			most--;
		}
	pthread_cond_broadcast(&t.changed);
	pthread_mutex_unlock(&t.mutex);
}

void
qp_testing_fail(qp_fault fault, unsigned nth, bool for_good)
{
	pthread_mutex_lock(&t.mutex);
	t.calls[fault] = 0;
	t.fail_at[fault] = nth;
	t.for_good[fault] = for_good;
	pthread_mutex_unlock(&t.mutex);
}

unsigned
qp_testing_calls(qp_fault fault)
{
	pthread_mutex_lock(&t.mutex);
	unsigned calls = t.calls[fault];
	pthread_mutex_unlock(&t.mutex);
	return calls;
}

bool
qp_testing_fault(qp_fault fault)
{
	pthread_mutex_lock(&t.mutex);
	unsigned call = ++t.calls[fault], at = t.fail_at[fault];
	bool fails = at != 0 && (call == at || (t.for_good[fault] && call > at));
	pthread_mutex_unlock(&t.mutex);
	return fails;
}

void
qp_testing_forked(void)
{
	/* The threads that held the mutex, waited for it or were parked are not in the child. */
	(void)pthread_mutex_init(&t.mutex, NULL);
	(void)pthread_cond_init(&t.changed, NULL);
	t.list = NULL;
	t.parked = 0;
}

__attribute__((constructor)) static void
watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, qp_testing_forked);
}

#else
typedef int qp_testing_is_compiled_out;
#endif
