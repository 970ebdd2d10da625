/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kit: the resources, the verbs, the books, and the order in which actors are served.
 */
#include "kit.h"

#include "heap.h"
#include "trace.h"

#include "core/keyed.h"
#include "core/pool.h"
#include "platform/assert.h"

#include <inttypes.h>
#include <stdio.h>

#define SOON_NS QPOOL_MSEC(100) /* while somebody asks, a failing pool is probed so often */

kit_books kit;

/* ---- what the pool opens ---- */

void
kit_away(void)
{
	world_self()->slept_at = 0;
}

static bool
open_fails(void)
{
	if (kit.fail_opens > 0) {
		kit.fail_opens--;
		return true;
	}
	if (kit.doubtful == 0)
		return false;
	kit.doubtful--;
	return world_choose(2) == 1;
}

static qpool_err
open_one(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	kit_resource *r;
	bool fails;

	(void)user;
	(void)step;
	if (++kit.exist > kit.most)
		world_fail("%u resources at once; at most %u may exist", kit.exist, kit.most);
	kit_away();
	kit.opening++;
	trace_say("open begins");
	if (kit.open_takes_ns > 0)
		world_pass(kit.open_takes_ns);
	else
		world_point(NULL, true);
	kit.opening--;
	fails = open_fails();
	trace_say("open %s", fails ? "fails" : "is done");
	if (fails) {
		kit.exist--;
		kit.failures++;
		(void)snprintf(error->message, sizeof error->message, "the peer says no");
		return kit.open_error;
	}
	r = &kit.resources[kit.opens++];
	if (kit.opens == KIT_RESOURCES)
		world_fail("more than %u opens", KIT_RESOURCES);
	r->state = KIT_OPEN;
	*out = r;
	return QPOOL_OK;
}

static void
close_one(void *user, void *resource, qpool_why why)
{
	kit_resource *r = resource;

	(void)user;
	trace_say("close, because of %s", qpool_why_name(why));
	if (r->state != KIT_OPEN)
		world_fail("a resource is closed that is not open");
	if (r->holder != NULL)
		world_fail("a resource is closed while %s holds it", r->holder->name);
	r->state = KIT_CLOSED;
	kit_away();
	if (kit.close_takes_ns > 0)
		world_pass(kit.close_takes_ns);
	else
		world_point(NULL, true);
	kit.exist--;
	kit.closes++;
}

/* ---- beginning and end ---- */

void
kit_begin(uint32_t max_size)
{
	memset(&kit, 0, sizeof kit);
	kit.options = qpool_options_init();
	kit.options.name = "explored";
	kit.options.max_size = max_size;
	kit.options.max_idle = kit.options.max_age = QPOOL_FOREVER;
	kit.options.check_after = kit.options.down_after = QPOOL_FOREVER;
	kit.ops = qpool_ops_init();
	kit.ops.open = open_one;
	kit.ops.close = close_one;
	kit.open_error = QPOOL_EOPEN;
	kit.most = max_size;
	world_mute();
}

void
kit_pool(void)
{
	qpool_error error;

	if (qpool_create(&kit.pool, &kit.options, &kit.ops, NULL, &error) != QPOOL_OK)
		world_fail("qpool_create: %s", error.message);
}

void
kit_keyed_pool(void)
{
	qpool_error error;

	if (qpool_keyed_create(&kit.keyed, &kit.options, 0, &kit.ops, NULL, &error) != QPOOL_OK)
		world_fail("qpool_keyed_create: %s", error.message);
}

actor *
kit_go(const char *name, void *(*body)(void *), void *argument)
{
	actor *a = world_start(name, body, argument);

	a->in_scene = true;
	return a;
}

void
kit_balance(void)
{
	if (kit.opens != kit.closes + kit.detached + kit.refused)
		world_fail("%u opened, but %u closed and %u detached", kit.opens, kit.closes,
		    kit.detached);
	if (kit.acquires != kit.given_back)
		world_fail("%u acquired, %u given back", kit.acquires, kit.given_back);
	if (kit.exist != 0 || kit.opening != 0)
		world_fail("the peer still has %u", kit.exist);
	if (heap_count() != 0)
		world_fail("%zu blocks of memory are left", heap_count());
	heap_check();
}

static qpool_stats
get_stats(void)
{
	qpool_stats stats = qpool_stats_init();

	if (kit.keyed != NULL)
		qpool_keyed_get_stats(kit.keyed, NULL, &stats);
	else
		qpool_get_stats(kit.pool, &stats);
	return stats;
}

/* The pool is closed.  Every slot is back, and as many things happened as the kit knows of. */
static void
look_at_stats(void)
{
	qpool_stats stats = get_stats();

	if (stats.leased + stats.checking + stats.resetting + stats.opening + stats.closing +
		stats.idle + stats.waiting !=
	    0)
		world_fail("a slot is lost: %u lent, %u idle, %u in between, %u waiting",
		    stats.leased, stats.idle,
		    stats.checking + stats.resetting + stats.opening + stats.closing,
		    stats.waiting);
	if (stats.acquires != kit.acquires || stats.opens + kit.refused != kit.opens ||
	    stats.open_failures != kit.failures)
		world_fail("stats say %" PRIu64 " acquires, %" PRIu64 " opens, %" PRIu64
			   " failures; they were %u, %u, %u",
		    stats.acquires, stats.opens, stats.open_failures, kit.acquires, kit.opens,
		    kit.failures);
}

void
kit_end(void)
{
	world_unmute();
	world_join_all();
	kit_close(QPOOL_FOREVER, QPOOL_OK);
	look_at_stats();
	if (kit.keyed != NULL)
		qpool_keyed_free(kit.keyed);
	else
		qpool_free(kit.pool);
	kit.pool = NULL;
	kit.keyed = NULL;
}

void
kit_end_closed(void)
{
	world_unmute();
	world_join_all();
	kit.pool = NULL;
}

/* ---- quiet points ---- */

/* Does nobody wait in the pool but inside callbacks?  Then the workers cannot help. */
static bool
all_workers_are_busy(void)
{
	unsigned workers = 0, busy = 0;

	for (unsigned i = 1; i < WORLD_ACTORS; i++) {
		const actor *a = &world_actors()[i];
		if (a->state == UNUSED || a->state == GONE || a->in_scene)
			continue;
		workers++;
		busy += a->state == PARKED && a->word == NULL;
	}
	return workers > 0 && busy == workers;
}

static bool
somebody_looks_soon(void)
{
	for (unsigned i = 0; i < WORLD_ACTORS; i++) {
		const actor *a = &world_actors()[i];
		if (a->state == PARKED && a->word != NULL &&
		    a->deadline_ns <= world_now() + SOON_NS)
			return true;
	}
	return false;
}

static unsigned
count_waiting(void)
{
	unsigned waiting = 0;

	for (unsigned i = 0; i < WORLD_ACTORS; i++) {
		const actor *a = &world_actors()[i];
		if (!a->waits || a->state != PARKED || a->word == NULL)
			continue;
		waiting++;
		/* Its time began when it first slept, or before. */
		if (a->patience_ns != QPOOL_FOREVER && a->slept_ns + a->patience_ns <= world_now())
			world_fail("%s sleeps past its deadline", a->name);
	}
	return waiting;
}

/* Then one open at a time is enough. */
static bool
is_failing(void)
{
	return kit.keyed != NULL ? kit.failures > 0 : kit.pool->backoff.failures > 0;
}

/* The lost wake-up, whatever made it. */
static void
look_at_sleepers(const qpool_stats *stats, unsigned waiting)
{
	unsigned most = is_failing() ? 1 : 4, could = stats->empty + stats->opening;

	if (waiting == 0 || kit.is_paused || kit.is_closing || kit.unchecked)
		return;
	/* A key whose opens fail does not oust what another key has before it has rested, and then
	 * it tries one at a time, after the close of what it ousts. */
	if (kit.keyed != NULL && is_failing() &&
	    (stats->opening + stats->closing > 0 || somebody_looks_soon()))
		return;
	if (stats->idle > 0)
		world_fail("%u wait and %u are idle", waiting, stats->idle);
	could = could < most ? could : most;
	could = could < waiting ? could : waiting;
	if (stats->opening < could && !all_workers_are_busy() && !somebody_looks_soon())
		world_fail("%u wait, %u slots are empty, and %u opens are under way", waiting,
		    stats->empty, stats->opening);
}

static void
look_at_equations(void)
{
	qp_lock *lock = kit.keyed != NULL ? &kit.keyed->root.lock : &kit.pool->lock;

	qp_lock_acquire(lock);
	if (kit.keyed != NULL)
		QP_MUST(qp_keyed_is_valid_locked(kit.keyed));
	else
		QP_MUST(qp_pool_is_valid_locked(kit.pool));
	qp_lock_release(lock);
}

void
kit_quiet(void)
{
	qpool_stats stats;

	if ((kit.pool == NULL && kit.keyed == NULL) || kit.is_closing)
		return;
	look_at_equations();
	stats = get_stats();
	if (stats.empty + stats.opening + stats.idle + stats.checking + stats.leased +
		stats.resetting + stats.closing !=
	    stats.max_size + stats.over)
		world_fail("the counts of the slots do not add up to max_size");
	/* What was begun before max_size was lowered may still come. */
	if (kit.exist <= stats.max_size)
		kit.most = stats.max_size;
	look_at_sleepers(&stats, count_waiting());
}

/* ---- verbs ---- */

void
kit_take(const qpool_lease *lease)
{
	kit_resource *r = lease->resource;

	if (r == NULL)
		world_fail("an acquire gave nothing");
	if (r->state != KIT_OPEN)
		world_fail("a resource is lent that is not open");
	if (r->holder != NULL)
		world_fail("%s has what %s still holds", world_self()->name, r->holder->name);
	r->holder = world_self();
	kit.acquires++;
}

void
kit_give(const qpool_lease *lease)
{
	kit_resource *r = lease->resource;

	if (r->state != KIT_OPEN || r->holder != world_self())
		world_fail("what %s held is not its own any more", world_self()->name);
	r->holder = NULL;
	kit.given_back++;
}

/* In line, asleep, and neither served nor woken. */
static bool
sleeps_in_line(const actor *a)
{
	return a->waits && a->state == PARKED && a->word != NULL && a->slept_at != 0 &&
	       qp_load_relaxed(a->word) == QP_ASLEEP &&
	       (a->patience_ns == QPOOL_FOREVER || world_now() < a->began_ns + a->patience_ns);
}

/* May self be served while this one still sleeps?  Not if it began when this one already slept, and then
 * waited itself, or this one was old by then. */
static bool
may_pass(const actor *self, const actor *sleeper)
{
	int64_t most_ns = kit.pool->config.max_overtake_ns;

	if (self->began_at <= sleeper->slept_at)
		return true;
	return self->slept_at == 0 &&
	       (most_ns == QPOOL_FOREVER || self->began_ns < sleeper->slept_ns + most_ns);
}

static void
look_at_order(void)
{
	const actor *self = world_self();

	if (kit.pool == NULL || kit.unchecked || kit.unordered)
		return;
	world_mute();
	for (unsigned i = 0; i < WORLD_ACTORS; i++) {
		const actor *a = &world_actors()[i];
		if (a != self && sleeps_in_line(a) && !may_pass(self, a))
			world_fail("%s is served, but %s was before it", self->name, a->name);
	}
	world_unmute();
}

static void
judge(qpool_err err, int64_t deadline_ns, const qpool_lease *lease)
{
	trace_say("acquire: %s", qpool_err_name(err));
	if (err == QPOOL_OK) {
		look_at_order();
		kit_take(lease);
		return;
	}
	if (lease->resource != NULL)
		world_fail("an acquire failed and left a lease");
	if (err == QPOOL_ETIMEOUT && world_now() < deadline_ns)
		world_fail("%s timed out too early", world_self()->name);
	if ((kit.may & KIT_MAY(err)) == 0)
		world_fail("acquire: %s was not to be expected", qpool_err_name(err));
}

static void
begin_acquire(const char *key, qpool_nsec timeout)
{
	actor *self = world_self();
	int64_t left = QP_TIME_NEVER - world_now();

	self->instant_ns = timeout < left ? world_now() + timeout : QP_TIME_NEVER;
	self->waits = timeout > 0;
	self->patience_ns = timeout;
	self->began_ns = world_now();
	self->began_at = world_points();
	self->slept_ns = 0;
	self->slept_at = 0;
	self->verb = "acquire";
	trace_say("acquire%s%s", key != NULL ? " of " : "", key != NULL ? key : "");
}

static qpool_err
end_acquire(qpool_err err, const qpool_lease *lease)
{
	actor *self = world_self();

	self->waits = false;
	judge(err, self->instant_ns, lease);
	self->verb = NULL;
	self->instant_ns = 0;
	return err;
}

qpool_err
kit_acquire_with(const qpool_request *request, qpool_lease *lease)
{
	begin_acquire(NULL, request->timeout);
	return end_acquire(qpool_acquire_with(kit.pool, request, lease, NULL), lease);
}

qpool_err
kit_acquire_key(const char *key, qpool_nsec timeout, qpool_lease *lease)
{
	begin_acquire(key, timeout);
	return end_acquire(qpool_keyed_acquire(kit.keyed, key, timeout, lease, NULL), lease);
}

qpool_err
kit_acquire(qpool_nsec timeout, qpool_lease *lease)
{
	qpool_request request = qpool_request_init();

	if (kit.by_request) {
		request.timeout = timeout;
		return kit_acquire_with(&request, lease);
	}
	begin_acquire(NULL, timeout);
	return end_acquire(qpool_acquire(kit.pool, timeout, lease, NULL), lease);
}

static void
must_be_ok(const char *verb, qpool_err err)
{
	world_self()->verb = NULL;
	if (err != QPOOL_OK)
		world_fail("%s: %s", verb, qpool_err_name(err));
}

static void
begin(const char *verb)
{
	world_self()->verb = verb;
	trace_say("%s", verb);
}

void
kit_release(qpool_lease *lease)
{
	begin("release");
	kit_give(lease);
	must_be_ok("release", qpool_release(lease));
}

void
kit_discard(qpool_lease *lease)
{
	begin("discard");
	kit_give(lease);
	must_be_ok("discard", qpool_discard(lease));
}

void
kit_detach(qpool_lease *lease)
{
	kit_resource *r = lease->resource;

	begin("detach");
	kit_give(lease);
	r->state = KIT_CLOSED;
	kit.detached++;
	kit.exist--;
	if (qpool_detach(lease) != r)
		world_fail("detach gave something else");
	must_be_ok("detach", QPOOL_OK);
}

void
kit_close(qpool_nsec timeout, qpool_err expected)
{
	qpool_err err;

	begin("close");
	kit.is_closing = true;
	err = kit.keyed != NULL ? qpool_keyed_close(kit.keyed, timeout)
	                        : qpool_close(kit.pool, timeout);
	world_self()->verb = NULL;
	if (err != expected)
		world_fail("close: %s", qpool_err_name(err));
}

void
kit_resize(uint32_t max_size)
{
	qpool_options change = qpool_options_init();

	begin("configure");
	change.max_size = max_size;
	if (max_size != QPOOL_ZERO32 && kit.most < max_size)
		kit.most = max_size;
	must_be_ok("configure", qpool_configure(kit.pool, &change, NULL));
}

void
kit_start(unsigned workers)
{
	begin("start");
	must_be_ok("start", qpool_start(kit.pool, workers, NULL));
}

void
kit_stop(void)
{
	begin("stop");
	must_be_ok("stop", qpool_stop(kit.pool));
}

void *
kit_rounds(void *count)
{
	for (uintptr_t i = 0; i < (uintptr_t)count; i++) {
		qpool_lease lease;
		if (kit_acquire(QPOOL_FOREVER, &lease) == QPOOL_OK)
			kit_release(&lease);
	}
	return NULL;
}

void *
kit_once_within(void *ms)
{
	qpool_lease lease;

	if (kit_acquire(QPOOL_MSEC((uintptr_t)ms), &lease) == QPOOL_OK)
		kit_release(&lease);
	return NULL;
}

void *
kit_hold(void *ms)
{
	qpool_lease lease;

	if (kit_acquire(QPOOL_FOREVER, &lease) == QPOOL_OK) {
		world_pass(QPOOL_MSEC((uintptr_t)ms));
		kit_release(&lease);
	}
	return NULL;
}
