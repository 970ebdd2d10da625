/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * company: those around the members.  The boss makes weather, the rival ends what is another's, the watchdog
 * tells a wait from a lost wake-up.
 */
#include "crowd.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- boss ---- */

static void
changes_the_peer(crowd *c, chance *luck)
{
	static const qpool_err errs[] = {QPOOL_EOPEN, QPOOL_EFULL, QPOOL_EDENIED, (qpool_err)77};
	fake_step step = (fake_step)chance_upto(luck, FAKE_RESET + 1);

	switch (chance_upto(luck, 6)) {
	case 0:
		fake_fail_one_in(
		    c->peer, chance_one_in(luck, 2) ? 3 : c->in->fail, chance_draw(luck));
		break;
	case 1:
		if (step != FAKE_CLOSE)
			fake_fail(c->peer, step, 1 + chance_upto(luck, 20),
			    step == FAKE_OPEN    ? errs[chance_upto(luck, 4)]
			    : step == FAKE_RESET ? QPOOL_EAGAIN
						 : QPOOL_ECHECK);
		break;
	case 2:
		fake_kill_all(c->peer);
		break;
	case 3:
		fake_born(c->peer, chance_one_in(luck, 2), chance_one_in(luck, 8));
		break;
	case 4:
		fake_limit(c->peer, chance_one_in(luck, 2) ? UINT32_MAX : 1 + chance_upto(luck, 3));
		break;
	default:
		break;
	}
}

static void
changes_the_crew(crowd *c, chance *luck)
{
	qpool_stats s = qpool_stats_init();
	qpool_err err = QPOOL_OK;

	if (c->in->workers == 0)
		return;
	qpool_get_stats(c->pool, &s);
	if (s.workers < c->in->workers)
		err = qpool_start(c->pool, 1 + chance_upto(luck, c->in->workers), NULL);
	else if (chance_one_in(luck, 4))
		err = qpool_stop(c->pool);
	CELL_MUST(err == QPOOL_OK || err == QPOOL_EMISUSE);
}

static void
restores_the_peer(crowd *c)
{
	fake_fail_one_in(c->peer, 0, 0);
	for (int step = 0; step < FAKE_STEPS; step++)
		fake_fail(c->peer, (fake_step)step, 0, QPOOL_OK);
	fake_born(c->peer, false, false);
	fake_limit(c->peer, UINT32_MAX);
}

void *
boss_live(void *argument)
{
	crowd *c = argument;
	chance luck = chance_stream(c->seed, 1000);

	while (__atomic_load_n(&c->phase, __ATOMIC_ACQUIRE) == LOAD) {
		if (c->in->fail != 0)
			changes_the_peer(c, &luck);
		if (chance_one_in(&luck, 4))
			changes_the_crew(c, &luck);
		/* A signal to whoever sleeps: a reason to look, and none to leave. */
		pthread_kill(c->members[chance_upto(&luck, MEMBERS)].thread, SIGUSR1);
		crowd_rest(c, &c->phase, 500000 + chance_upto(&luck, 8000000));
	}
	restores_the_peer(c);
	return NULL;
}

/* ---- rival ---- */

void *
rival_live(void *argument)
{
	crowd *c = argument;
	duel *d = &c->duel;

	pthread_mutex_lock(&d->mutex);
	for (;;) {
		while (!d->posted && !__atomic_load_n(&c->over, __ATOMIC_ACQUIRE))
			pthread_cond_wait(&d->changed, &d->mutex);
		if (!d->posted)
			break;
		d->posted = false;
		pthread_mutex_unlock(&d->mutex);
		__atomic_store_n(&d->armed, 1, __ATOMIC_RELEASE);
		while (!__atomic_load_n(&d->go, __ATOMIC_ACQUIRE))
			sched_yield();
		d->won = member_end_somehow(c, &d->copy, d->how);
		pthread_mutex_lock(&d->mutex);
		d->over = true;
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->mutex);
	return NULL;
}

void
rival_duel(member *m, qpool_lease *lease)
{
	duel *d = &m->of->duel;
	qpool_lease before = *lease;
	bool won;

	pthread_mutex_lock(&d->mutex);
	while (d->taken)
		pthread_cond_wait(&d->changed, &d->mutex);
	d->taken = d->posted = true;
	d->over = false;
	d->armed = d->go = 0;
	d->copy = *lease;
	d->how = chance_upto(&m->luck, 10);
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->mutex);
	while (!__atomic_load_n(&d->armed, __ATOMIC_ACQUIRE))
		sched_yield();
	__atomic_store_n(&d->go, 1, __ATOMIC_RELEASE);
	won = member_end_somehow(m->of, lease, chance_upto(&m->luck, 10));
	pthread_mutex_lock(&d->mutex);
	while (!d->over)
		pthread_cond_wait(&d->changed, &d->mutex);
	CELL_MUST(won != d->won);
	/* The winner's copy is empty, the loser's as it was. */
	CELL_MUST(memcmp(won ? &d->copy : lease, &before, sizeof before) == 0);
	d->taken = false;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->mutex);
	*lease = (qpool_lease)QPOOL_LEASE_INIT;
}

/* ---- watchdog ---- */

/* Nobody waits that long for what is there; in the worst weather a wait is some 100 ms. */
#define PATIENCE_NS (QPOOL_SEC(5) * RACE_SLOWER)

void
crowd_show(const crowd *c, const qpool_stats *s)
{
	fprintf(stderr,
	    "%s, seed %" PRIu64
	    ": max %u empty %u opening %u idle %u checking %u leased %u resetting "
	    "%u closing %u; waiting %u, workers %u, down %u; acquires %" PRIu64 " opens %" PRIu64
	    " failed %" PRIu64 "\n",
	    c->in->name, c->seed, s->max_size, s->empty, s->opening, s->idle, s->checking,
	    s->leased, s->resetting, s->closing, s->waiting, s->workers, s->down, s->acquires,
	    s->opens, s->open_failures);
	for (unsigned i = 0; i < MEMBERS; i++) {
		int64_t since = __atomic_load_n(&c->members[i].waiting_since, __ATOMIC_RELAXED);
		if (since != 0)
			fprintf(stderr, "  member %u waits for %" PRId64 " ms\n", i,
			    (chance_now() - since) / 1000000);
	}
}

/* The longest wait there is now. */
static int64_t
longest_wait(const crowd *c)
{
	int64_t now = chance_now(), longest = 0;

	for (unsigned i = 0; i < MEMBERS; i++) {
		int64_t since = __atomic_load_n(&c->members[i].waiting_since, __ATOMIC_RELAXED);
		if (since != 0 && now - since > longest)
			longest = now - since;
	}
	return longest;
}

/*
 * How long it has been so that somebody stands in line, something is idle or empty, and nobody was lent
 * anything: that cannot last unless a wake-up was lost.
 */
typedef struct suspicion {
	int64_t since;
	uint64_t acquires;
} suspicion;

static void
looks_around(const crowd *c, suspicion *s)
{
	qpool_stats stats = qpool_stats_init();
	int64_t now = chance_now();
	bool odd;

	qpool_get_stats(c->pool, &stats);
	odd = stats.waiting > 0 && stats.idle + stats.empty > 0 && stats.acquires == s->acquires;
	if (!odd)
		s->since = now;
	s->acquires = stats.acquires;
	if (now - s->since > PATIENCE_NS) {
		crowd_show(c, &stats);
		cell_broken(
		    __FILE__, __LINE__, "no wake-up is lost: some wait while some are free");
	}
	/* Without a fair line a newcomer may win for long, but not for ever. */
	if (longest_wait(c) > PATIENCE_NS * 6) {
		crowd_show(c, &stats);
		cell_broken(__FILE__, __LINE__, "nobody waits for ever");
	}
}

void *
watchdog_live(void *argument)
{
	crowd *c = argument;
	suspicion s = {chance_now(), 0};

	while (!__atomic_load_n(&c->over, __ATOMIC_ACQUIRE)) {
		looks_around(c, &s);
		crowd_rest(c, &c->over, 20000000);
	}
	return NULL;
}
