/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options: what a round is like, drawn by its seed.  Three in four are made for the common way: few threads that
 * are always busy, limits that seldom end anything, and rests long enough for the pool to grow quiet again.
 */
#include "stress.h"

#include <inttypes.h>
#include <string.h>

static void
on_event(void *user, qpool *pool, const qpool_event *event)
{
	round *r = user;

	(void)pool;
	MUST((unsigned)event->type < EVENT_TYPES);
	atomic_fetch_add_explicit(&r->told[event->type], 1, memory_order_relaxed);
}

/* None, the default, or short. */
static qpool_nsec
some_span(chance *luck, uint32_t most_ns)
{
	switch (chance_upto(luck, 3)) {
	case 0:
		return 0;
	case 1:
		return QPOOL_FOREVER;
	default:
		return 1000 + chance_upto(luck, most_ns);
	}
}

static qpool_nsec
some_overtake(chance *luck)
{
	switch (chance_upto(luck, 4)) {
	case 0:
		return QPOOL_ZERO;
	case 1:
		return QPOOL_FOREVER;
	case 2:
		return 1 + chance_upto(luck, 3000000);
	default:
		return 0; /* 1.25 ms */
	}
}

static void
draw_sizes(round *r, chance *luck)
{
	uint32_t most = 16;

	switch (chance_upto(luck, 3)) {
	case 0:
		most = 1;
		break;
	case 1:
		most = 3;
		break;
	default:
		break;
	}
	r->options.max_size = 1 + chance_upto(luck, most);
	switch (chance_upto(luck, 4)) {
	case 0:
		r->members = 2 + chance_upto(luck, MOST_MEMBERS - 1);
		break;
	case 1:
		r->members = 2 + chance_upto(luck, 8);
		break;
	default:
		r->members = 2 + chance_upto(luck, 3);
		break;
	}
}

/* What needs more than the common way. */
static void
draw_oddities(round *r, chance *luck)
{
	qpool_options *o = &r->options;

	o->order = chance_one_in(luck, 8) ? QPOOL_OLDEST_FIRST : QPOOL_NEWEST_FIRST;
	o->max_uses = chance_one_in(luck, 2) ? 1u << chance_upto(luck, 12) : 0;
	o->max_idle = some_span(luck, 3000000);
	o->max_age = some_span(luck, 3000000);
	o->max_waiters = chance_one_in(luck, 6) ? 1 + chance_upto(luck, r->members) : 0;
	o->maintain_every = 1000 + chance_upto(luck, 2000000);
	if (chance_one_in(luck, 4)) {
		r->workers = 1 + chance_upto(luck, 3);
		o->min_idle = chance_upto(luck, o->max_size + 1);
		o->flags = chance_one_in(luck, 2) ? QPOOL_RESET_ON_WORKERS : 0;
	}
	if (chance_one_in(luck, 3)) {
		uint32_t which = 1 + chance_upto(luck, 7);
		peer_fill(&r->ops, which & 1, which & 2, which & 4);
		o->check_after = some_span(luck, 1000000);
	}
	if (chance_one_in(luck, 3)) {
		o->on_event = on_event;
		o->event_user = r;
		o->event_mask = chance_one_in(luck, 2) ? ~UINT64_C(0) : 0;
		o->held_long = chance_one_in(luck, 2) ? 10000 + chance_upto(luck, 1000000) : 0;
	}
}

void
round_draw(round *r)
{
	chance luck = chance_stream(r->seed, r->number * (MOST_MEMBERS + 2));
	bool is_common = !chance_one_in(&luck, 4);

	r->options = qpool_options_init();
	r->options.name = "stress";
	peer_fill(&r->ops, false, false, false);
	draw_sizes(r, &luck);
	r->options.max_overtake = some_overtake(&luck);
	r->is_snaps = chance_one_in(&luck, 3);
	if (r->is_snaps) {
		r->members = r->busy = 1;
		r->span_ns = QPOOL_MSEC(10 + chance_upto(&luck, 100));
		r->gap_ns = 1;
		return;
	}
	if (!is_common || chance_one_in(&luck, 4))
		draw_oddities(r, &luck);
	if (is_common) {
		r->busy = 1 + chance_upto(&luck, 3);
		r->busy = r->busy < r->options.max_size ? r->busy : r->options.max_size;
		r->burst_bits = 10 + chance_upto(&luck, 8);
		r->gap_ns = QPOOL_MSEC(4 + chance_upto(&luck, 80)) * (int64_t)r->members;
		r->gap_ns = r->gap_ns < QPOOL_MSEC(400) ? r->gap_ns : QPOOL_MSEC(400);
		r->span_ns = QPOOL_MSEC(20 + chance_upto(&luck, 480));
	} else {
		r->busy = chance_one_in(&luck, 2) ? r->members : 1;
		r->burst_bits = 1 + chance_upto(&luck, 10);
		r->gap_ns = 1 + chance_upto(&luck, 3000000);
		r->span_ns = QPOOL_MSEC(2 + chance_upto(&luck, 40));
	}
	r->busy = r->busy < r->members ? r->busy : r->members;
	r->is_counted = chance_one_in(&luck, 8);
	r->ends_by = (ending)chance_upto(&luck, 3);
}

void
round_show(const round *r, FILE *to)
{
	const qpool_options *o = &r->options;

	(void)fprintf(to,
	    "QPOOL_SEED=%" PRIu64 " QPOOL_ROUND=%" PRIu64
	    ": %u members, %u busy, burst %u, gap %lld, span %lld, snaps %d, counted %d, ends %d, workers %u, peek %d "
	    "check %d reset %d\n  max_size %u min_idle %u max_waiters %u max_uses %u order %u flags %u overtake "
	    "%lld idle %lld age %lld check_after %lld maintain %lld held_long %lld events %d mask %llx\n",
	    r->seed, r->number, r->members, r->busy, r->burst_bits, (long long)r->gap_ns,
	    (long long)r->span_ns, r->is_snaps, r->is_counted, (int)r->ends_by, r->workers,
	    r->ops.peek != NULL, r->ops.check != NULL, r->ops.reset != NULL, o->max_size,
	    o->min_idle, o->max_waiters, o->max_uses, o->order, o->flags,
	    (long long)o->max_overtake, (long long)o->max_idle, (long long)o->max_age,
	    (long long)o->check_after, (long long)o->maintain_every, (long long)o->held_long,
	    o->on_event != NULL, (unsigned long long)o->event_mask);
}
