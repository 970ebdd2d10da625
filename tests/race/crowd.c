/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crowd: one run from the first thread to the last byte.  Load, then quiet, then the books are compared:
 * the pool's, the peer's and the events' must say the same.
 */
#include "crowd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* From the end of all faults until everybody has been served a hundred times. */
#define QUIET_BOUND_NS (QPOOL_SEC(20) * RACE_SLOWER)

/* ---- events ---- */

static _Thread_local bool telling;

static void
on_event(void *user, qpool *pool, const qpool_event *event)
{
	crowd *c = user;
	uint64_t count;

	CELL_MUST(event->size == sizeof *event && (unsigned)event->type < EVENT_TYPES);
	count = __atomic_add_fetch(&c->events[event->type], 1, __ATOMIC_RELAXED);
	if (telling)
		return;
	telling = true;
	if (count % 64 == 0) {
		qpool_stats s = qpool_stats_init();
		qpool_get_stats(pool, &s);
	}
	if (count % 256 == 0) {
		qpool_lease lease;
		if (qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL) == QPOOL_OK)
			CELL_SAME(qpool_release(&lease), QPOOL_OK);
	}
	telling = false;
}

/* ---- weather ---- */

static qpool_nsec
some_span(chance *luck, qpool_nsec most)
{
	switch (chance_upto(luck, 4)) {
	case 0:
		return QPOOL_ZERO;
	case 1:
		return 1 + (qpool_nsec)(chance_draw(luck) % (uint64_t)most);
	case 2:
		return QPOOL_FOREVER;
	default:
		return 0;
	}
}

/* Everything that can be chosen, by the seed. */
static void
draw_options(qpool_options *o, chance *luck)
{
	o->max_size = 1 + chance_upto(luck, 6);
	o->min_idle = chance_one_in(luck, 3) ? 1 + chance_upto(luck, o->max_size) : 0;
	o->max_waiters = chance_one_in(luck, 3) ? 1 + chance_upto(luck, MEMBERS) : 0;
	o->max_uses = chance_one_in(luck, 2) ? 1 + chance_upto(luck, 3) : 0;
	o->max_opening = 1 + chance_upto(luck, 3);
	o->order = chance_upto(luck, 2);
	o->open_failure = chance_upto(luck, 2);
	o->flags = chance_one_in(luck, 2) ? QPOOL_RESET_ON_WORKERS : 0;
	o->max_overtake = some_span(luck, QPOOL_MSEC(2));
	o->max_idle = some_span(luck, QPOOL_MSEC(1));
	o->max_age = some_span(luck, QPOOL_MSEC(1));
	o->check_after = some_span(luck, QPOOL_MSEC(1));
	o->maintain_every = 1 + chance_upto(luck, 2000000);
	o->down_after = chance_one_in(luck, 4) ? QPOOL_MSEC(20) : 0;
}

static void
show_options(const crowd *c)
{
	const qpool_options *o = &c->options;

	printf("# %s: QPOOL_SEED=%" PRIu64 " max_size %u min_idle %u max_waiters %u max_uses %u "
	       "max_opening %u order %u open_failure %u flags %u overtake %" PRId64 " idle %" PRId64
	       " age %" PRId64 " check %" PRId64 " maintain %" PRId64 " down %" PRId64 "\n",
	    c->in->name, c->seed, o->max_size, o->min_idle, o->max_waiters, o->max_uses,
	    o->max_opening, o->order, o->open_failure, o->flags, o->max_overtake, o->max_idle,
	    o->max_age, o->check_after, o->maintain_every, o->down_after);
	fflush(stdout);
}

/* ---- phases ---- */

void
crowd_rest(crowd *c, const unsigned *flag, int64_t span_ns)
{
	int64_t end = chance_now() + span_ns;
	struct timespec deadline = {(time_t)(end / 1000000000), (long)(end % 1000000000)};
	int failed = 0;

	pthread_mutex_lock(&c->mutex);
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE) && failed == 0)
		failed = pthread_cond_timedwait(&c->turned, &c->mutex, &deadline);
	pthread_mutex_unlock(&c->mutex);
}

static void
turn(crowd *c, unsigned *flag) /* NOLINT(readability-non-const-parameter): it is written */
{
	pthread_mutex_lock(&c->mutex);
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&c->turned);
	pthread_mutex_unlock(&c->mutex);
}

/* ---- from end to end ---- */

static void
nothing(int signal)
{
	(void)signal;
}

static void
describe(void *user, void *resource, char *out, size_t room)
{
	const fake_resource *r = resource;

	(void)user;
	(void)snprintf(out, room, "fake %" PRIu64, r->number);
}

static void
set_up(crowd *c)
{
	struct sigaction on_signal;
	pthread_condattr_t monotonic;
	chance luck = chance_stream(c->seed, 0);
	qpool_ops ops = c->in->plain ? fake_ops_plain() : fake_ops(), side_ops = fake_ops_plain();
	qpool_options side = qpool_options_init();
	qpool_error error;

	/* Without SA_RESTART: a system call that sleeps is cut short. */
	memset(&on_signal, 0, sizeof on_signal);
	on_signal.sa_handler = nothing;
	CELL_SAME(sigaction(SIGUSR1, &on_signal, NULL), 0);
	c->options = c->in->options;
	c->options.size = sizeof c->options;
	if (c->in->any)
		draw_options(&c->options, &luck);
	if (c->options.max_opening == 0)
		c->options.max_opening = 4; /* the default, to compare with */
	c->options.acquire_timeout = QPOOL_MSEC(50);
	c->options.retry_min = 100000;
	c->options.retry_max = QPOOL_MSEC(5);
	c->options.on_event = on_event;
	c->options.event_user = c;
	c->options.event_mask = ~UINT64_C(0);
	show_options(c);
	ops.describe = describe;
	c->sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CELL_MUST(c->sink >= 0);
	c->peer = fake_new();
	c->side_peer = fake_new();
	if (qpool_create(&c->pool, &c->options, &ops, c->peer, &error) != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error.message);
	side.max_size = 2;
	CELL_SAME(qpool_create(&c->side, &side, &side_ops, c->side_peer, &error), QPOOL_OK);
	if (c->in->fail != 0)
		fake_fail_one_in(c->peer, c->in->fail, c->seed);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->turned, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&c->duel.mutex, NULL);
	pthread_cond_init(&c->duel.changed, NULL);
}

static void
start_all(crowd *c)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		member *m = &c->members[i];
		m->of = c;
		m->number = i;
		m->luck = chance_stream(c->seed, 1 + i);
		m->seen = qpool_stats_init();
		actor_runs(&m->thread, member_live, m);
	}
	actor_runs(&c->rival, rival_live, c);
	actor_runs(&c->watchdog, watchdog_live, c);
	actor_runs(&c->boss, boss_live, c);
}

static bool
all_are_served(crowd *c)
{
	for (unsigned i = 0; i < MEMBERS; i++)
		if (!__atomic_load_n(&c->members[i].done, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

/* As large as it was, and with limits that let what is opened live; whoever still changes it has the last word
 * before, so this is said until it holds. */
static void
restore_the_pool(crowd *c)
{
	qpool_options o = qpool_options_init();
	qpool_error error;

	for (unsigned i = 0; i < MEMBERS; i++)
		while (!__atomic_load_n(&c->members[i].quiet, __ATOMIC_ACQUIRE))
			sched_yield();
	o.max_size = c->options.max_size;
	if (qpool_configure(c->pool, &o, &error) != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "as large as it was: %s", error.message);
	qpool_resume(c->pool);
}

/* All faults stop: within the bound everybody who waits, and waits again, is served. */
static void
grow_quiet(crowd *c)
{
	qpool_stats s = qpool_stats_init();
	int64_t end;

	turn(c, &c->phase);
	pthread_join(c->boss, NULL);
	restore_the_pool(c);
	end = chance_now() + QUIET_BOUND_NS;
	while (!all_are_served(c)) {
		if (chance_now() > end) {
			qpool_get_stats(c->pool, &s);
			crowd_show(c, &s);
			cell_broken(__FILE__, __LINE__, "when faults stop all are served");
		}
		sched_yield();
	}
	for (unsigned i = 0; i < MEMBERS; i++)
		pthread_join(c->members[i].thread, NULL);
	turn(c, &c->over);
	pthread_mutex_lock(&c->duel.mutex);
	pthread_cond_broadcast(&c->duel.changed);
	pthread_mutex_unlock(&c->duel.mutex);
	pthread_join(c->rival, NULL);
	pthread_join(c->watchdog, NULL);
}

/* All that there is can be lent at the same time, and is whole afterwards. */
static void
lend_all(crowd *c)
{
	int64_t end = chance_now() + QUIET_BOUND_NS;
	qpool_lease leases[8];
	qpool_stats s;
	qpool_error error;

	for (uint32_t i = 0; i < c->options.max_size; i++)
		if (qpool_acquire(c->pool, QUIET_BOUND_NS, &leases[i], &error) != QPOOL_OK)
			cell_broken(__FILE__, __LINE__, "all can be lent: %s", error.message);
	for (uint32_t i = 0; i < c->options.max_size; i++)
		CELL_SAME(qpool_release(&leases[i]), QPOOL_OK);
	do {
		s = qpool_stats_init();
		qpool_get_stats(c->pool, &s);
		if (chance_now() > end) {
			crowd_show(c, &s);
			cell_broken(__FILE__, __LINE__, "what is not lent is idle or empty");
		}
		sched_yield();
	} while (s.idle + s.empty != s.max_size || !s.exact || s.waiting != 0);
}

static uint64_t
closes_of(const qpool_stats *s)
{
	uint64_t closes = 0;

	for (unsigned why = 1; why < 16; why++)
		closes += s->closes[why];
	return closes;
}

/* What the pool counted, what was told, and what the peer saw. */
static void
compare_books(const crowd *c)
{
	const uint64_t *told = c->events;
	qpool_stats s = qpool_stats_init();

	qpool_get_stats(c->pool, &s);
	CELL_SAME(s.opens, closes_of(&s) + s.closes[0]);
	CELL_SAME(s.opens + s.open_failures, fake_calls(c->peer, FAKE_OPEN) + c->adopted);
	CELL_SAME(closes_of(&s), fake_calls(c->peer, FAKE_CLOSE));
	CELL_SAME(s.opens, told[QPOOL_EV_OPENED]);
	CELL_SAME(s.open_failures, told[QPOOL_EV_OPEN_FAILED]);
	CELL_SAME(closes_of(&s), told[QPOOL_EV_CLOSED]);
	CELL_SAME(s.acquires, told[QPOOL_EV_ACQUIRED]);
	CELL_SAME(s.acquires, told[QPOOL_EV_RELEASED]);
	CELL_SAME(s.timeouts, told[QPOOL_EV_TIMED_OUT]);
	CELL_SAME(s.refusals, told[QPOOL_EV_REFUSED]);
	CELL_SAME(s.misuses, told[QPOOL_EV_MISUSE]);
	CELL_MUST(told[QPOOL_EV_UP] <= told[QPOOL_EV_DOWN]);
	CELL_SAME(s.workers, 0);
	/* One that is detached, or to be adopted, may be open beside those of the pool, for a moment; while
	 * shrinking lags there are not more than there were. */
	CELL_MUST(fake_live_peak(c->peer) <= c->options.max_size + MEMBERS + 1);
	CELL_MUST(fake_opening_peak(c->peer) <= c->options.max_opening);
	printf("# %s: %" PRIu64 " acquires, %" PRIu64 " waited, %" PRIu64 " timed out, %" PRIu64
	       " cancelled, %" PRIu64 " opens, %" PRIu64 " failed, %" PRIu64
	       " failed checks, %" PRIu64 " failed resets\n",
	    c->in->name, s.acquires, s.acquires_waited, s.timeouts, s.cancels, s.opens,
	    s.open_failures, s.checks_failed, s.resets_failed);
}

static void
tear_down(crowd *c)
{
	CELL_SAME(qpool_close(c->pool, QUIET_BOUND_NS), QPOOL_OK);
	CELL_SAME(fake_live(c->peer), 0);
	compare_books(c);
	qpool_free(c->pool);
	fake_end(c->peer);
	CELL_SAME(qpool_close(c->side, QUIET_BOUND_NS), QPOOL_OK);
	qpool_free(c->side);
	fake_end(c->side_peer);
	(void)close(c->sink);
	pthread_cond_destroy(&c->turned);
	pthread_mutex_destroy(&c->mutex);
	pthread_cond_destroy(&c->duel.changed);
	pthread_mutex_destroy(&c->duel.mutex);
}

void
crowd_run(const weather *in, uint64_t seed, unsigned seconds)
{
	static crowd c;

	memset(&c, 0, sizeof c);
	c.in = in;
	c.seed = seed;
	set_up(&c);
	start_all(&c);
	crowd_rest(&c, &c.over, QPOOL_SEC(seconds));
	grow_quiet(&c);
	lend_all(&c);
	tear_down(&c);
}
