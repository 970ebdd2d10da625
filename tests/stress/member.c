/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * member: a thread that takes and gives, thousands of times in a row, and does something else between two such
 * rows.  It waits without a timeout only while it holds nothing.
 */
#include "stress.h"

#include <time.h>

/* ---- time ---- */

void
member_spin(chance *luck, uint32_t most)
{
	for (volatile uint32_t i = most > 0 ? chance_upto(luck, most) : 0; i > 0; i--)
		;
}

static _Atomic uint64_t sea[1u << 21]; /* more than the caches hold */

void
member_press(member *m, uint32_t lines)
{
	uint64_t drawn = lines > 0 ? chance_draw(&m->luck) : 0;

	for (; lines > 0; lines--, drawn = drawn * 5 + 8)
		atomic_store_explicit(
		    &sea[drawn / 8 % (sizeof sea / sizeof sea[0])], drawn, memory_order_relaxed);
}

void
member_rest(member *m, int64_t span_ns)
{
	round *r = m->of;
	int64_t end = chance_now() + span_ns;
	struct timespec deadline = {(time_t)(end / 1000000000), (long)(end % 1000000000)};
	int failed = 0;

	pthread_mutex_lock(&r->mutex);
	while (!atomic_load(&r->is_over) && failed == 0)
		failed = pthread_cond_timedwait(&r->turned, &r->mutex, &deadline);
	pthread_mutex_unlock(&r->mutex);
}

/* ---- taking and giving ---- */

void
member_judge(member *m, qpool_err err, qpool_nsec timeout, int64_t since_ns)
{
	int64_t took_ns;

	switch (err) {
	case QPOOL_OK:
		return;
	case QPOOL_EAGAIN:
		MUST(timeout == QPOOL_NOWAIT);
		return;
	case QPOOL_EBUSY:
		MUST(timeout != QPOOL_NOWAIT && m->of->options.max_waiters != 0);
		m->refusals++;
		return;
	case QPOOL_ECLOSED:
		MUST(atomic_load(&m->of->is_closing));
		m->is_refused = true;
		return;
	case QPOOL_ETIMEOUT:
		took_ns = chance_now() - since_ns;
		MUST(timeout != QPOOL_NOWAIT && timeout != QPOOL_FOREVER);
		if (took_ns < timeout || took_ns > timeout + STILL_NS)
			stress_broken(__FILE__, __LINE__, "a timeout of %lld ns came after %lld ns",
			    (long long)timeout, (long long)took_ns);
		m->timeouts++;
		return;
	default:
		stress_broken(__FILE__, __LINE__, "an acquire says %s", qpool_err_name(err));
	}
}

qpool_err
member_acquire(member *m, qpool_nsec timeout, qpool_lease *lease)
{
	int64_t since_ns = timeout == QPOOL_NOWAIT || timeout == QPOOL_FOREVER ? 0 : chance_now();
	qpool_err err;

	member_beat(m);
	err = qpool_acquire(m->of->pool, timeout, lease, NULL);
	member_beat(m);
	if (err == QPOOL_OK)
		m->acquires++;
	else
		member_judge(m, err, timeout, since_ns);
	return err;
}

void
member_release(member *m, qpool_lease *lease)
{
	qpool_err err = qpool_release(lease);

	if (err != QPOOL_OK || lease->slot_ != NULL)
		stress_broken(__FILE__, __LINE__, "a release says %s", qpool_err_name(err));
	m->ends++;
}

void
member_end(member *m, qpool_lease *lease)
{
	peer_leave(m, lease);
	if (!chance_one_in(&m->luck, 16)) {
		member_release(m, lease);
		return;
	}
	SAME(qpool_discard(lease), QPOOL_OK);
	m->ends++;
}

/* Nearly all that is done in a run is done here. */
static void
take_and_give(member *m, uint32_t times)
{
	static const doing doings[] = {BULK, BULK, BULK, BULK_TIMED, BULK_AT_ONCE};
	static const qpool_nsec timeouts[] = {
	    QPOOL_FOREVER, QPOOL_FOREVER, QPOOL_FOREVER, QPOOL_MSEC(20), QPOOL_NOWAIT};
	uint32_t kind = chance_upto(&m->luck, 5);
	uint32_t most = chance_one_in(&m->luck, 4) ? 1u << chance_upto(&m->luck, 10) : 0;
	uint32_t lines = chance_one_in(&m->luck, 8) ? 1 + chance_upto(&m->luck, 16) : 0;
	qpool_lease lease;

	member_does(m, doings[kind]);
	for (uint32_t i = 0; i < times && !m->is_refused; i++) {
		if (i % 32 == 31 && atomic_load_explicit(&m->of->is_over, memory_order_relaxed))
			return;
		if (member_acquire(m, timeouts[kind], &lease) != QPOOL_OK)
			continue;
		peer_enter(m, &lease);
		if (most > 0)
			member_spin(&m->luck, most);
		peer_leave(m, &lease);
		member_press(m, lines);
		member_release(m, &lease);
	}
}

/* ---- life ---- */

static void
say_its_end(member *m, doing how)
{
	pthread_mutex_lock(&m->of->mutex);
	member_does(m, how);
	pthread_cond_signal(&m->of->ended);
	pthread_mutex_unlock(&m->of->mutex);
}

/* Those who hold one when the pool is freed end it at that moment. */
static void
end_as_the_pool_is_freed(member *m)
{
	qpool_lease lease;
	bool has_one;

	say_its_end(m, FREES);
	pthread_barrier_wait(&m->of->barrier); /* nobody waits any more */
	has_one = member_acquire(m, QPOOL_NOWAIT, &lease) == QPOOL_OK;
	pthread_barrier_wait(&m->of->barrier); /* the conductor looks at the books */
	pthread_barrier_wait(&m->of->barrier);
	if (!has_one)
		return;
	peer_enter(m, &lease);
	member_end(m, &lease);
}

void *
member_live(void *argument)
{
	member *m = argument;
	round *r = m->of;
	bool is_busy = m->number < r->busy;

	while (!m->is_refused && !atomic_load_explicit(&r->is_over, memory_order_relaxed)) {
		uint32_t times = 1u << chance_upto(&m->luck, is_busy ? r->burst_bits : 3);
		if (!is_busy) {
			member_does(m, RESTS);
			member_rest(m, (int64_t)(chance_draw(&m->luck) % (uint64_t)r->gap_ns));
		}
		take_and_give(m, times);
		if (m->is_refused)
			break;
		if (!is_busy || r->busy == r->members || chance_one_in(&m->luck, 64))
			member_deed(m);
		member_beat(m);
		member_beat(m);
	}
	/* Whoever puts a lease into a box ends at the latest here what is in the boxes. */
	member_empty_boxes(m);
	if (r->ends_by == FREE_AMID)
		end_as_the_pool_is_freed(m);
	say_its_end(m, ENDED);
	return NULL;
}
