/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer: resources that cost nothing, and callbacks that may fail.  The pool calls in, and members when they hold.
 * It orders nothing between threads.
 */
#include "stress.h"

#include <stdlib.h>

#define GRAVES 4096u

static _Atomic(resource *) graves[GRAVES];
static _Atomic uint32_t buried;

/* ---- inside one ---- */

void
peer_hand(const qpool_lease *lease, uint32_t from, uint32_t to)
{
	resource *it = lease->resource;
	uint32_t was = atomic_exchange_explicit(&it->holder, to, memory_order_relaxed);

	if (was != from)
		stress_broken(__FILE__, __LINE__,
		    "a resource is %u's, not %u's (a member's number + 1; %d: nobody, %d: a callback, %d: a "
		    "box, %d: closed)",
		    was, from, NOBODY, IN_STEP, IN_BOX, IS_CLOSED);
}

static void
wear(resource *it)
{
	if (it->wear[0] != it->wear[7])
		stress_broken(
		    __FILE__, __LINE__, "what the last holder wrote has not arrived as a whole");
	for (unsigned i = 0; i < 8; i++)
		it->wear[i] = it->uses;
}

static void
count_in(round *r)
{
	uint64_t before = atomic_load(&r->bound);
	uint32_t holders = atomic_fetch_add(&r->holders, 1) + 1;
	uint64_t after = atomic_load(&r->bound);

	if (before == after && before / 65536 % 2 == 0 && holders > before % 65536)
		stress_broken(__FILE__, __LINE__, "%u hold one, and max_size is %u", holders,
		    (unsigned)(before % 65536));
}

void
peer_enter(member *m, const qpool_lease *lease)
{
	resource *it = lease->resource;

	peer_hand(lease, NOBODY, m->number + 1);
	it->uses++;
	m->uses++;
	if (it->uses % 2 == 0)
		wear(it);
	if (m->of->is_counted)
		count_in(m->of);
}

/* By a plain store: a locked instruction here would empty the store buffer just before the put. */
void
peer_leave(member *m, const qpool_lease *lease)
{
	resource *it = lease->resource;
	uint32_t was = atomic_load_explicit(&it->holder, memory_order_relaxed);

	if (was != m->number + 1)
		stress_broken(
		    __FILE__, __LINE__, "%u has come in while %u held it", was, m->number + 1);
	if (m->of->is_counted)
		atomic_fetch_sub(&m->of->holders, 1);
	atomic_store_explicit(&it->holder, NOBODY, memory_order_relaxed);
}

/* ---- from open to close ---- */

resource *
peer_make(round *r)
{
	resource *it = calloc(1, sizeof *it);

	if (it == NULL)
		abort();
	it->of = r;
	return it;
}

void
peer_unmake(resource *it, uint32_t from)
{
	const qpool_lease lease = {it, NULL, 0};
	uint32_t grave = atomic_fetch_add(&buried, 1) % GRAVES;

	peer_hand(&lease, from, IS_CLOSED);
	atomic_fetch_add_explicit(&it->of->uses, it->uses, memory_order_relaxed);
	free(atomic_exchange(&graves[grave], it));
}

void
peer_bury_all(void)
{
	for (unsigned i = 0; i < GRAVES; i++)
		free(atomic_exchange(&graves[i], NULL));
}

static qpool_err
open_one(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	round *r = user;
	uint64_t before = atomic_load(&r->bound);
	int64_t live = atomic_fetch_add(&r->live, 1) + 1;

	(void)step;
	(void)error;
	if (before == atomic_load(&r->bound) && before / 65536 % 2 == 0 &&
	    live > (int64_t)(before % 65536))
		stress_broken(__FILE__, __LINE__, "%lld are open, and max_size is %u",
		    (long long)live, (unsigned)(before % 65536));
	atomic_fetch_add(&r->opens, 1);
	*out = peer_make(r);
	return QPOOL_OK;
}

static void
close_one(void *user, void *it, qpool_why why)
{
	round *r = user;

	MUST(why >= QPOOL_WHY_IDLE && why <= QPOOL_WHY_CLOSED);
	atomic_fetch_add(&r->closes, 1);
	peer_unmake(it, NOBODY);
	atomic_fetch_sub(&r->live, 1);
}

static uint64_t
lot(round *r)
{
	chance c =
	    chance_stream(r->seed, atomic_fetch_add_explicit(&r->steps, 1, memory_order_relaxed));

	return chance_draw(&c);
}

/* Nobody else is inside meanwhile. */
static uint64_t
pass_through(round *r, void *it)
{
	const qpool_lease lease = {it, NULL, 0};
	uint64_t drawn = lot(r);

	peer_hand(&lease, NOBODY, IN_STEP);
	wear(it);
	peer_hand(&lease, IN_STEP, NOBODY);
	return drawn;
}

static qpool_err
peek(void *user, void *it, qpool_error *error)
{
	uint64_t drawn = pass_through(user, it) % 512;

	(void)error;
	return drawn == 0 ? QPOOL_ECHECK : drawn < 16 ? QPOOL_EAGAIN : QPOOL_OK;
}

static qpool_err
check(void *user, void *it, const qpool_step *step, qpool_error *error)
{
	(void)step;
	(void)error;
	return pass_through(user, it) % 64 == 0 ? QPOOL_ECHECK : QPOOL_OK;
}

static qpool_err
reset(void *user, void *it, const qpool_step *step, qpool_error *error)
{
	(void)step;
	(void)error;
	return pass_through(user, it) % 256 == 0 ? QPOOL_ECHECK : QPOOL_OK;
}

static void
destroy(void *user)
{
	round *r = user;

	atomic_fetch_add(&r->destroys, 1);
}

void
peer_fill(qpool_ops *ops, bool peeks, bool checks, bool resets)
{
	*ops = qpool_ops_init();
	ops->kind = "stress";
	ops->open = open_one;
	ops->close = close_one;
	ops->destroy = destroy;
	ops->peek = peeks ? peek : NULL;
	ops->check = checks ? check : NULL;
	ops->reset = resets ? reset : NULL;
}
