/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hazard: the roll.  A child of a fork has the words of threads that do not exist there, in memory
 * that may be used for other things, and a lock that one of them may have held: the first
 * thread of the child that comes here makes the roll anew, and never looks at the old one.
 */
#include "platform/hazard_own.h"

#include "platform/assert.h"
#include "platform/forkmark.h"
#include "platform/lock.h"
#include "platform/park.h"
#include "platform/thread.h"

#include <errno.h>
#include <time.h>

/* After so many yields whoever waits sleeps instead: the thread waited for may have a lower
 * priority, and need this processor. */
#define YIELDS   64
#define SLEEP_NS 50000

QP_THREAD_LOCAL qp_hazard qp_hazard_mine = {.generation = QP_HAZARD_NOBODY};

/* generation: of the process that this roll is of, stored by release once it is made; maker: of the
 * one that is making it, claimed by compare-and-swap. */
static struct {
	qp_atomic_u32 generation, maker;
	qp_lock lock;
	qp_hazard *first;
	uint32_t numbers; /* given so far */
	uint64_t joined;  /* so many have */
} roll;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit; /* its destructor takes a thread off the roll */
static bool has_key;

static void
make_anew(uint32_t now)
{
	uint32_t maker = qp_load_relaxed(&roll.maker);

	if (maker != now && qp_cas_acq_rel(&roll.maker, maker, now)) {
		qp_lock_init(&roll.lock);
		roll.first = NULL;
		roll.numbers = 0;
		roll.joined = 0;
		/* release, pairs with the acquire in lock_roll. */
		qp_store_release(&roll.generation, now);
		return;
	}
	while (qp_load_acquire(&roll.generation) != now)
		qp_yield();
}

static void
lock_roll(void)
{
	uint32_t now = qp_forkmark_settle();

	if (qp_load_acquire(&roll.generation) != now)
		make_anew(now);
	qp_lock_acquire(&roll.lock);
}

static void
leave_roll(void *argument)
{
	qp_hazard *own = argument;

	own->has_exited = true;
	if (own->generation == QP_HAZARD_NOBODY)
		return;
	lock_roll();
	/* In a child of the process in which it joined, it is on no roll. */
	if (own->generation == qp_forkmark_now()) {
		*(own->previous != NULL ? &own->previous->next : &roll.first) = own->next;
		if (own->next != NULL)
			own->next->previous = own->previous;
	}
	qp_lock_release(&roll.lock);
	own->generation = QP_HAZARD_NOBODY;
}

static void
make_key(void)
{
	has_key = pthread_key_create(&at_exit, leave_roll) == 0;
}

static bool
can_join(qp_hazard *own)
{
	if (own->has_exited || qp_forkmark_watch() != 0)
		return false;
	(void)pthread_once(&once, make_key);
	return has_key && pthread_setspecific(at_exit, own) == 0;
}

bool
qp_hazard_join(void)
{
	qp_hazard *own = &qp_hazard_mine;
	int keep = errno;
	bool can;

	if (qp_hazard_own() != NULL)
		return true;
	can = can_join(own);
	errno = keep;
	if (!can)
		return false;
	lock_roll();
	/* relaxed: the lock publishes it. */
	qp_storeptr_relaxed(&own->inside, NULL);
	own->previous = NULL;
	own->next = roll.first;
	if (roll.first != NULL)
		roll.first->previous = own;
	roll.first = own;
	own->generation = qp_forkmark_now();
	own->thread = qp_thread_id();
	own->number = roll.numbers++;
	own->joined = roll.joined++;
	qp_lock_release(&roll.lock);
	return true;
}

/* Does nobody of those who joined before the *end-th name it?  Then *end is 0; else the one behind whoever does.  So each
 * is waited for by itself, and need not be outside at the same moment as all others. */
static bool
all_are_outside(const void *thing, uint64_t *end)
{
	const qp_hazard *each;

	lock_roll();
	for (each = roll.first; each != NULL; each = each->next) {
		if (each->joined >= *end)
			continue;
		if (qp_loadptr_acquire(&each->inside) == thing)
			break;
	}
	*end = each != NULL ? each->joined + 1 : 0;
	qp_lock_release(&roll.lock);
	return each == NULL;
}

static void
sleep_a_little(void)
{
	const struct timespec span = {0, SLEEP_NS};
	int before = qp_thread_shield(), keep = errno; /* nanosleep is a cancellation point */

	(void)nanosleep(&span, NULL);
	errno = keep;
	qp_thread_unshield(before);
}

void
qp_hazard_await(const void *thing)
{
	uint64_t end = UINT64_MAX;

	for (int tries = 0; !all_are_outside(thing, &end); tries++) {
		if (tries < YIELDS)
			qp_yield();
		else
			sleep_a_little();
	}
}
