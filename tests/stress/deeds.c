/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * deeds: what a member does between two rows of plain leases.  member calls in.  Whatever it took is ended, or on
 * its way to another thread, when a deed is over.
 */
#include "stress.h"

#define MOST_NESTED 3u
#define SOME_SPIN   2000u

/* ---- leases of others ---- */

static box *
claim(round *r, uint32_t from, uint32_t to, uint32_t first)
{
	for (uint32_t i = 0; i < BOXES; i++) {
		box *b = &r->boxes[(first + i) % BOXES];
		uint32_t state = from;
		if (atomic_load_explicit(&b->state, memory_order_relaxed) == from &&
		    atomic_compare_exchange_strong(&b->state, &state, to))
			return b;
	}
	return NULL;
}

static bool
put_in_a_box(member *m, const qpool_lease *lease, twin *of)
{
	box *b = claim(m->of, BOX_EMPTY, BOX_FILLING, chance_upto(&m->luck, BOXES));

	if (b == NULL)
		return false;
	b->lease = *lease;
	b->of = of;
	atomic_store(&b->state, BOX_FULL);
	return true;
}

void
member_begin_twin(twin *of)
{
	atomic_store(&of->ends, 0);
	atomic_store(&of->won, 0);
	atomic_store(&of->is_out, true);
}

/* The other one is misuse. */
void
member_end_twin(member *m, qpool_lease *lease, twin *of)
{
	qpool_err err = chance_one_in(&m->luck, 8) ? qpool_discard(lease) : qpool_release(lease);

	MUST(err == QPOOL_OK || err == QPOOL_EMISUSE);
	m->ends += err == QPOOL_OK;
	if (err == QPOOL_OK)
		atomic_fetch_add(&of->won, 1);
	else
		m->misuses++;
	if (atomic_fetch_add(&of->ends, 1) == 0)
		return;
	SAME(atomic_load(&of->won), 1);
	atomic_store(&of->is_out, false);
}

void
member_empty_boxes(member *m)
{
	box *b;

	while ((b = claim(m->of, BOX_FULL, BOX_TAKING, chance_upto(&m->luck, BOXES))) != NULL) {
		qpool_lease lease = b->lease;
		twin *of = b->of;
		atomic_store(&b->state, BOX_EMPTY);
		if (of != NULL) {
			member_end_twin(m, &lease, of);
			continue;
		}
		peer_hand(&lease, IN_BOX, m->number + 1);
		if (m->of->is_counted)
			atomic_fetch_add(&m->of->holders, 1);
		member_end(m, &lease);
	}
}

static void
give_to_another(member *m)
{
	qpool_lease lease;

	if (member_acquire(m, QPOOL_FOREVER, &lease) != QPOOL_OK)
		return;
	peer_enter(m, &lease);
	if (m->of->is_counted)
		atomic_fetch_sub(&m->of->holders, 1);
	peer_hand(&lease, m->number + 1, IN_BOX);
	if (put_in_a_box(m, &lease, NULL))
		return;
	peer_hand(&lease, IN_BOX, NOBODY);
	member_release(m, &lease);
}

static void
end_in_two_threads(member *m)
{
	qpool_lease lease;

	if (atomic_load(&m->twin.is_out) || member_acquire(m, QPOOL_FOREVER, &lease) != QPOOL_OK)
		return;
	peer_enter(m, &lease);
	peer_leave(m, &lease);
	member_begin_twin(&m->twin);
	if (put_in_a_box(m, &lease, &m->twin)) {
		member_spin(&m->luck, SOME_SPIN);
		member_end_twin(m, &lease, &m->twin);
	} else {
		atomic_store(&m->twin.is_out, false);
		member_release(m, &lease);
	}
}

/* ---- one lease ---- */

static void
end_again(member *m)
{
	qpool_lease lease, copy;

	if (member_acquire(m, QPOOL_FOREVER, &lease) != QPOOL_OK)
		return;
	peer_enter(m, &lease);
	copy = lease;
	member_end(m, &lease);
	member_spin(&m->luck, SOME_SPIN);
	switch (chance_upto(&m->luck, 4)) {
	case 0:
		SAME(qpool_discard(&copy), QPOOL_EMISUSE);
		break;
	case 1:
		SAME(qpool_spoil(&copy), QPOOL_EMISUSE);
		break;
	case 2:
		MUST(qpool_detach(&copy) == NULL);
		break;
	default:
		SAME(qpool_release(&copy), QPOOL_EMISUSE);
		break;
	}
	m->misuses++;
	SAME(qpool_release(&lease), QPOOL_OK); /* empty */
}

static void
spoil(member *m)
{
	qpool_lease lease;

	if (member_acquire(m, QPOOL_FOREVER, &lease) != QPOOL_OK)
		return;
	peer_enter(m, &lease);
	SAME(qpool_spoil(&lease), QPOOL_OK);
	peer_leave(m, &lease);
	member_release(m, &lease);
}

static void
detach(member *m)
{
	round *r = m->of;
	qpool_lease lease;
	resource *it;

	if (member_acquire(m, QPOOL_FOREVER, &lease) != QPOOL_OK)
		return;
	peer_enter(m, &lease);
	if (r->is_counted)
		atomic_fetch_sub(&r->holders, 1);
	/* Before: as soon as it is out another may be opened. */
	atomic_fetch_sub(&r->live, 1);
	it = lease.resource;
	MUST(qpool_detach(&lease) == it);
	atomic_fetch_add(&r->detached, 1);
	m->ends++;
	peer_unmake(it, m->number + 1);
}

static void
adopt(member *m)
{
	resource *it = peer_make(m->of);
	qpool_err err = qpool_adopt(m->of->pool, it, NULL);

	if (err == QPOOL_OK) {
		atomic_fetch_add(&m->of->live, 1);
		m->opens_adopted++;
		return;
	}
	MUST(err == QPOOL_EAGAIN || (err == QPOOL_ECLOSED && atomic_load(&m->of->is_closing)));
	peer_unmake(it, NOBODY);
}

static void
wait_a_little(member *m)
{
	uint32_t most = chance_one_in(&m->luck, 4) ? 20000000 : 200000;
	qpool_lease lease;

	if (member_acquire(m, 1 + chance_upto(&m->luck, most), &lease) != QPOOL_OK)
		return;
	peer_enter(m, &lease);
	member_spin(&m->luck, SOME_SPIN);
	member_end(m, &lease);
}

static void
sleep_as_a_holder(member *m)
{
	qpool_lease lease;

	if (member_acquire(m, QPOOL_FOREVER, &lease) != QPOOL_OK)
		return;
	peer_enter(m, &lease);
	member_rest(m, 1000 + chance_upto(&m->luck, 1000000));
	member_end(m, &lease);
}

/* ---- several ---- */

static void
take_more(member *m)
{
	qpool_lease leases[MOST_NESTED];
	uint32_t count = 0;

	if (member_acquire(m, QPOOL_FOREVER, &leases[count]) != QPOOL_OK)
		return;
	do {
		qpool_nsec timeout =
		    chance_one_in(&m->luck, 2) ? QPOOL_NOWAIT : 1 + chance_upto(&m->luck, 100000);
		peer_enter(m, &leases[count++]);
		if (count == MOST_NESTED || member_acquire(m, timeout, &leases[count]) != QPOOL_OK)
			break;
	} while (true);
	for (uint32_t first = chance_upto(&m->luck, count), i = 0; i < count; i++)
		member_end(m, &leases[(first + i) % count]);
}

static void
take_several(member *m)
{
	qpool_request request = qpool_request_init();
	uint32_t n = 1 + chance_upto(&m->luck, m->of->options.max_size);
	int64_t since_ns = chance_now();
	qpool_lease leases[MOST_SIZE];
	qpool_err err;

	request.timeout = 1 + chance_upto(&m->luck, 3000000);
	member_beat(m);
	err = qpool_acquire_many(m->of->pool, n, &request, leases, NULL);
	member_beat(m);
	if (err == QPOOL_EINVAL)
		return; /* it is smaller by now */
	member_judge(m, err, request.timeout, since_ns);
	if (err != QPOOL_OK)
		return;
	m->acquires += n;
	for (uint32_t i = 0; i < n; i++)
		peer_enter(m, &leases[i]);
	for (uint32_t i = 0; i < n; i++)
		member_end(m, &leases[i]);
}

/* ---- the pool ---- */

static void
pause_and_resume(member *m)
{
	qpool_pause(m->of->pool);
	member_spin(&m->luck, 20 * SOME_SPIN);
	qpool_resume(m->of->pool);
}

static void
operate(member *m)
{
	switch (chance_upto(&m->luck, 3)) {
	case 0:
		qpool_renew(m->of->pool);
		break;
	case 1:
		qpool_suspect(m->of->pool);
		break;
	default:
		(void)qpool_maintain(m->of->pool);
		break;
	}
}

static bool
is_shown(void *user, const qpool_entry *entry)
{
	const member *m = user;

	MUST(entry->age >= 0 && entry->idle >= 0 && entry->held >= 0);
	return entry->resource_id % 8 != m->number; /* or it stops */
}

static void
look(member *m)
{
	qpool_stats s = qpool_stats_init();

	(void)qpool_each(m->of->pool, is_shown, m);
	qpool_dump(m->of->pool, m->of->sink);
	qpool_get_stats(m->of->pool, &s);
	SAME(s.empty + s.opening + s.idle + s.checking + s.leased + s.resetting + s.closing,
	    s.max_size + s.over);
}

static void
wait_until_ready(member *m)
{
	uint32_t n = chance_upto(&m->luck, m->of->options.max_size + 1);
	qpool_err err = qpool_wait_ready(m->of->pool, n, 1 + chance_upto(&m->luck, 1000000), NULL);

	MUST(err == QPOOL_OK || err == QPOOL_ETIMEOUT || err == QPOOL_EINVAL ||
	     (err == QPOOL_ECLOSED && atomic_load(&m->of->is_closing)));
}

/* ---- which ---- */

typedef struct deed {
	uint32_t share;
	doing as;
	void (*run)(member *m);
} deed;

static const deed deeds[] = {
    {16, TIMED, wait_a_little},
    {8, NESTED, take_more},
    {2, SEVERAL, take_several},
    {4, SLEEPER, sleep_as_a_holder},
    {4, BOXING, give_to_another},
    {4, UNBOXING, member_empty_boxes},
    {3, TWIN, end_in_two_threads},
    {3, AGAIN, end_again},
    {2, SPOILER, spoil},
    {2, DETACHER, detach},
    {1, ADOPTER, adopt},
    {1, PAUSER, pause_and_resume},
    {2, OPERATOR, operate},
    {2, LOOKER, look},
    {1, READY, wait_until_ready},
};

void
member_deed(member *m)
{
	uint32_t all = 0, drawn;

	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
		all += deeds[i].share;
	drawn = chance_upto(&m->luck, all);
	for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
		if (drawn < deeds[i].share) {
			member_does(m, deeds[i].as);
			deeds[i].run(m);
			return;
		}
		drawn -= deeds[i].share;
	}
}
