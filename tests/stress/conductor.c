/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conductor: the thread that makes each round worth it.  Somebody must wait, somebody's time must be over, the
 * size changes, what was put into a box is ended; from the first moment until the round is over.  round calls in.
 */
#include "stress.h"

#include <sched.h>
#include <string.h>

#define LOOK_NS    500000 /* between two looks into the boxes */
#define SQUEEZE_NS 3000000

static member *
own(round *r)
{
	return &r->all[r->members];
}

/* ---- the size ---- */

/* Not more than that are open, or hold one, from now on. */
void
conductor_bound(round *r, uint32_t most)
{
	uint64_t changes = atomic_load(&r->bound) / 65536;

	atomic_store(&r->bound, (changes + 1) * 65536);
	atomic_store(&r->bound, (changes + 2) * 65536 + most);
}

static uint32_t
bound_now(const round *r)
{
	return (uint32_t)(atomic_load(&r->bound) % 65536);
}

/* Was it made smaller, and has the last one that was too many gone by now? */
static void
lower_the_bound(round *r, uint32_t size)
{
	qpool_stats s = qpool_stats_init();

	if (bound_now(r) == size)
		return;
	qpool_get_stats(r->pool, &s);
	if (s.exact && s.over == 0)
		conductor_bound(r, size);
}

static void
configure(round *r, uint32_t *size)
{
	chance *luck = &own(r)->luck;
	qpool_options o = qpool_options_init();
	uint32_t wish = 1 + chance_upto(luck, r->options.max_size);
	qpool_error error;

	if (chance_one_in(luck, 2)) {
		o.max_size = wish;
		o.min_idle = r->workers > 0 ? 1 + chance_upto(luck, wish) : QPOOL_ZERO32;
		if (wish > bound_now(r))
			conductor_bound(r, wish);
	}
	if (chance_one_in(luck, 4))
		o.max_age =
		    chance_one_in(luck, 2) ? QPOOL_FOREVER : 100000 + chance_upto(luck, 5000000);
	if (chance_one_in(luck, 4))
		o.max_idle =
		    chance_one_in(luck, 2) ? QPOOL_FOREVER : 100000 + chance_upto(luck, 5000000);
	if (chance_one_in(luck, 4))
		o.max_uses = chance_one_in(luck, 2) ? QPOOL_NOLIMIT : 1 + chance_upto(luck, 100000);
	if (chance_one_in(luck, 4))
		o.max_overtake = chance_one_in(luck, 2) ? QPOOL_ZERO : QPOOL_MSEC(1);
	if (qpool_configure(r->pool, &o, &error) != QPOOL_OK)
		stress_broken(__FILE__, __LINE__, "%s", error.message);
	if (o.max_size > 0)
		*size = wish;
}

/* ---- all at once ---- */

/* There is none left, so this must take its time. */
static void
run_out_of_time(round *r)
{
	qpool_lease none;
	qpool_err err = member_acquire(own(r), 1 + chance_upto(&own(r)->luck, 200000), &none);

	MUST(err == QPOOL_ETIMEOUT || err == QPOOL_EBUSY);
}

/* Hold all, until somebody waits. */
static void
squeeze(round *r, uint32_t size)
{
	member *m = own(r);
	qpool_request request = qpool_request_init();
	int64_t since_ns = chance_now(), end_ns;
	qpool_lease leases[MOST_SIZE];
	qpool_stats s;
	qpool_err err;

	request.timeout = QPOOL_MSEC(20);
	member_beat(m);
	err = qpool_acquire_many(r->pool, size, &request, leases, NULL);
	member_beat(m);
	member_judge(m, err, request.timeout, since_ns);
	if (err != QPOOL_OK)
		return; /* then this one has waited */
	m->acquires += size;
	for (uint32_t i = 0; i < size; i++)
		peer_enter(m, &leases[i]);
	run_out_of_time(r);
	end_ns = chance_now() + SQUEEZE_NS;
	do {
		sched_yield();
		s = qpool_stats_init();
		qpool_get_stats(r->pool, &s);
	} while (s.waiting == 0 && chance_now() < end_ns);
	for (uint32_t i = 0; i < size; i++)
		member_end(m, &leases[i]);
}

/* ---- a round ---- */

static void
hire_or_fire(round *r)
{
	qpool_err err;

	if (r->workers == 0)
		return;
	err = chance_one_in(&own(r)->luck, 2) ? qpool_stop(r->pool) : qpool_start(r->pool, 1, NULL);
	SAME(err, QPOOL_OK);
}

static void
do_something(round *r, uint32_t *size)
{
	member *m = own(r);

	switch (chance_upto(&m->luck, 8)) {
	case 0:
	case 1:
		member_does(m, CONFIGURES);
		configure(r, size);
		break;
	case 2:
		member_does(m, HIRES);
		hire_or_fire(r);
		break;
	default:
		member_does(m, SQUEEZES);
		squeeze(r, *size);
		break;
	}
}

void
conductor_lead(round *r)
{
	member *m = own(r);
	uint32_t size = r->options.max_size;
	int64_t end_ns = chance_now() + r->span_ns, next_ns = 0, now_ns;

	while ((now_ns = chance_now()) < end_ns) {
		if (next_ns == 0) {
			member_does(m, SQUEEZES);
			squeeze(r, size);
		} else if (now_ns >= next_ns) {
			do_something(r, &size);
		}
		if (now_ns >= next_ns)
			next_ns = now_ns + (int64_t)(chance_draw(&m->luck) % (uint64_t)r->gap_ns);
		member_does(m, UNBOXING);
		member_empty_boxes(m);
		lower_the_bound(r, size);
		member_does(m, RESTS);
		member_rest(m, LOOK_NS);
		member_beat(m);
		member_beat(m);
	}
	/* As large as it was. */
	member_does(m, CONFIGURES);
	conductor_bound(r, r->options.max_size);
	{
		qpool_options o = qpool_options_init();
		o.max_size = r->options.max_size;
		SAME(qpool_configure(r->pool, &o, NULL), QPOOL_OK);
	}
}
