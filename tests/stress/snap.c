/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snap: thousands of pools in a row, each for one moment.  A member takes and gives; somewhere amid this the
 * conductor begins to rely on being told of it: waits, closes, frees, ends the same lease.  A young pool needs no
 * quiet time before its common way opens, so here these moments come a hundred times as often as in a long round.
 * round calls in.
 */
#include "stress.h"

#include <sched.h>
#include <string.h>

#define MOST_PAIRS 64u
#define MOST_DELAY 400u

static member *
own(round *r)
{
	return &r->all[r->members];
}

static void
till(const _Atomic uint32_t *word, uint32_t least)
{
	for (uint32_t spins = 0; atomic_load(word) < least; spins++)
		if (spins > 500)
			sched_yield();
}

/* Both go on from here at once. */
static void
meet(round *r, uint32_t *times)
{
	atomic_fetch_add(&r->snap.met, 1);
	till(&r->snap.met, 2 * ++*times);
}

static bool
take(member *m, qpool_nsec timeout, qpool_lease *lease)
{
	if (member_acquire(m, timeout, lease) != QPOOL_OK)
		return false;
	peer_enter(m, lease);
	return true;
}

static void
give(member *m, qpool_lease *lease)
{
	peer_leave(m, lease);
	member_press(m, m->of->snap.lines);
	member_release(m, lease);
}

/* ---- the member ---- */

/* The conductor ends the same lease, or frees the pool, as soon as it hears of it. */
static void
do_the_last(member *m)
{
	snap *s = &m->of->snap;
	qpool_lease lease;

	if (!take(m, QPOOL_FOREVER, &lease))
		return;
	if (s->deed == SNAP_TWIN) {
		peer_leave(m, &lease);
		s->copy = lease;
		atomic_store(&s->said, 1);
		member_spin(&m->luck, MOST_DELAY);
		member_press(m, s->lines);
		member_end_twin(m, &lease, &m->twin);
		return;
	}
	atomic_store(&s->said, 1);
	give(m, &lease);
}

void *
snap_live(void *argument)
{
	member *m = argument;
	round *r = m->of;
	uint32_t times = 0;

	for (;;) {
		snap *s = &r->snap;
		qpool_lease lease;
		member_does(m, MEETS);
		meet(r, &times);
		if (atomic_load(&r->is_over))
			break;
		member_does(m, BULK);
		for (uint32_t i = 0; i < s->pairs && take(m, QPOOL_FOREVER, &lease); i++)
			give(m, &lease);
		if (s->deed == SNAP_TWIN || s->deed == SNAP_FREE || s->deed == SNAP_FREE_IDLE)
			do_the_last(m);
		member_does(m, MEETS);
		meet(r, &times);
	}
	member_does(m, ENDED);
	return NULL;
}

/* ---- the conductor ---- */

static void
take_and_give(round *r, qpool_nsec timeout)
{
	member *m = own(r);
	qpool_lease lease;

	for (uint32_t i = chance_upto(&m->luck, 3); i <= 3; i++)
		if (take(m, timeout, &lease))
			give(m, &lease);
}

static void
end_the_twin(round *r)
{
	qpool_lease copy;

	till(&r->snap.said, 1);
	copy = r->snap.copy;
	member_spin(&own(r)->luck, 20);
	member_end_twin(own(r), &copy, &r->all[0].twin);
}

/* Free it while the last lease ends; or take what has just come back, and then free it: the thread that gave
 * it back may not have returned yet. */
static void
free_it(round *r)
{
	member *m = own(r);
	qpool *pool = r->pool;
	qpool_lease lease;

	till(&r->snap.said, 1);
	if (r->snap.deed == SNAP_FREE_IDLE && take(m, QPOOL_FOREVER, &lease))
		give(m, &lease);
	r->pool = NULL;
	qpool_free(pool);
}

static void
command(round *r)
{
	qpool_options o = qpool_options_init();

	switch (chance_upto(&own(r)->luck, 4)) {
	case 0:
		qpool_renew(r->pool);
		break;
	case 1:
		qpool_pause(r->pool);
		qpool_resume(r->pool);
		break;
	case 2:
		o.max_idle = QPOOL_SEC(60);
		SAME(qpool_configure(r->pool, &o, NULL), QPOOL_OK);
		break;
	default:
		SAME(qpool_wait_ready(r->pool, r->options.max_size, STILL_NS / 2, NULL), QPOOL_OK);
		break;
	}
}

static void
do_the_deed(round *r)
{
	member *m = own(r);

	member_does(m, SNAPS);
	member_spin(&m->luck, MOST_DELAY);
	switch (r->snap.deed) {
	case SNAP_WAIT:
		take_and_give(r, QPOOL_FOREVER);
		break;
	case SNAP_TIMED:
		take_and_give(r, 1 + chance_upto(&m->luck, 20000000));
		break;
	case SNAP_AT_ONCE:
		take_and_give(r, QPOOL_NOWAIT);
		break;
	case SNAP_COMMAND:
		command(r);
		break;
	case SNAP_TWIN:
		end_the_twin(r);
		break;
	case SNAP_CLOSE:
		atomic_store(&r->is_closing, true);
		SAME(qpool_close(r->pool, STILL_NS / 2), QPOOL_OK);
		break;
	default:
		free_it(r);
		break;
	}
}

static void
begin(round *r)
{
	static const snap_deed deeds[] = {SNAP_WAIT, SNAP_WAIT, SNAP_WAIT, SNAP_WAIT, SNAP_TIMED,
	    SNAP_AT_ONCE, SNAP_COMMAND, SNAP_TWIN, SNAP_TWIN, SNAP_TWIN, SNAP_TWIN, SNAP_CLOSE,
	    SNAP_FREE, SNAP_FREE_IDLE};
	chance *luck = &own(r)->luck;
	snap *s = &r->snap;
	qpool_error error;

	s->deed = deeds[chance_upto(luck, sizeof deeds / sizeof deeds[0])];
	s->pairs = chance_upto(luck, MOST_PAIRS);
	s->lines = chance_one_in(luck, 2) ? 0 : 1 + chance_upto(luck, 16);
	atomic_store(&s->said, 0);
	member_begin_twin(&r->all[0].twin);
	r->options.max_size = chance_one_in(luck, 2) ? 1 : 1 + chance_upto(luck, 3);
	r->all[0].is_refused = own(r)->is_refused = false;
	atomic_store(&r->is_closing, false);
	conductor_bound(r, r->options.max_size);
	if (qpool_create(&r->pool, &r->options, &r->ops, r, &error) != QPOOL_OK)
		stress_broken(__FILE__, __LINE__, "%s", error.message);
	r->pools++;
}

/* Everything there is can be had, and nothing is left. */
static void
end(round *r, uint64_t acquires)
{
	qpool_stats s = qpool_stats_init();

	if (r->pool == NULL)
		return;
	if (!atomic_load(&r->is_closing))
		round_lend_all(r);
	atomic_store(&r->is_closing, true);
	SAME(qpool_close(r->pool, STILL_NS / 2), QPOOL_OK);
	qpool_get_stats(r->pool, &s);
	SAME(s.acquires, own(r)->acquires + r->all[0].acquires - acquires);
	SAME(s.empty, s.max_size);
	SAME(s.misuses, r->snap.deed == SNAP_TWIN);
	r->waits += s.acquires_waited;
	qpool_free(r->pool);
	r->pool = NULL;
}

void
snap_lead(round *r)
{
	int64_t end_ns = chance_now() + r->span_ns;
	uint32_t times = 0;

	while (chance_now() < end_ns) {
		uint64_t acquires = own(r)->acquires + r->all[0].acquires;
		begin(r);
		meet(r, &times);
		do_the_deed(r);
		member_does(own(r), MEETS);
		meet(r, &times);
		end(r, acquires);
		peer_bury_all();
		member_beat(own(r));
		member_beat(own(r));
	}
	atomic_store(&r->is_over, true);
	meet(r, &times);
	pthread_join(r->all[0].thread, NULL);
	MUST(r->pools > 0);
}
