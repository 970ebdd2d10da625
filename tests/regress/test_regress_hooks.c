/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hooks: the user's code ran where the pool did not expect it to call, to fail, or to take its time.
 */
#include "regress.h"

/* One verb, called from inside one callback, once. */
typedef struct cell {
	fake *peer;
	qpool *pool;
	qpool_lease held; /* for the verbs that end one */
	const struct verb *verb;
	qp_atomic_u32 armed;
	bool ran;
	qpool_err said;
} cell;

typedef struct verb {
	const char *name;
	qpool_err (*call)(cell *c);
	unsigned may_say; /* bits 1 << qpool_err */
} verb;

#define SAYS(err) (1u << (err))

static qpool_err
acquire_for(cell *c, qpool_nsec timeout)
{
	qpool_lease lease;
	qpool_error error;
	qpool_err err = qpool_acquire(c->pool, timeout, &lease, &error);

	return err == QPOOL_OK ? qpool_release(&lease) : err;
}

static qpool_err
acquires_now(cell *c)
{
	return acquire_for(c, QPOOL_NOWAIT);
}

static qpool_err
acquires_and_would_wait(cell *c)
{
	return acquire_for(c, QPOOL_FOREVER);
}

static qpool_err
releases(cell *c)
{
	return qpool_release(&c->held);
}

static qpool_err
discards(cell *c)
{
	return qpool_discard(&c->held);
}

static qpool_err
spoils(cell *c)
{
	return qpool_spoil(&c->held);
}

static qpool_err
detaches(cell *c)
{
	void *resource = qpool_detach(&c->held);

	if (resource != NULL)
		fake_ops().close(c->peer, resource, QPOOL_WHY_DISCARDED);
	return QPOOL_OK;
}

static qpool_err
labels(cell *c)
{
	qpool_label(&c->held, "inside");
	return qpool_of(&c->held) == c->pool || c->held.slot_ == NULL ? QPOOL_OK : QPOOL_EINVAL;
}

static qpool_err
maintains(cell *c)
{
	return qpool_maintain(c->pool) == 0 ? QPOOL_OK : QPOOL_EINVAL;
}

static qpool_err
starts(cell *c)
{
	return qpool_start(c->pool, 1, NULL);
}

static qpool_err
stops(cell *c)
{
	return qpool_stop(c->pool);
}

static qpool_err
closes(cell *c)
{
	return qpool_close(c->pool, QPOOL_FOREVER);
}

static qpool_err
looks(cell *c)
{
	qpool_stats stats = qpool_stats_init();

	qpool_get_stats(c->pool, &stats);
	return stats.max_size == 3 && strcmp(qpool_name(c->pool), "fake") == 0 ? QPOOL_OK
	                                                                       : QPOOL_EINVAL;
}

static qpool_err
uses_another_pool(cell *c)
{
	fake *peer = fake_new();
	qpool *other = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(other);

	(void)c;
	(void)qpool_release(&lease);
	end_pool(other, peer);
	return QPOOL_OK;
}

static const verb verbs[] = {
    {"acquire, no wait", acquires_now, SAYS(QPOOL_OK) | SAYS(QPOOL_EAGAIN) | SAYS(QPOOL_ECLOSED)},
    {"acquire", acquires_and_would_wait,
	SAYS(QPOOL_OK) | SAYS(QPOOL_EMISUSE) | SAYS(QPOOL_ECLOSED)},
    {"release", releases, SAYS(QPOOL_OK)},
    {"discard", discards, SAYS(QPOOL_OK)},
    {"spoil", spoils, SAYS(QPOOL_OK)},
    {"detach", detaches, SAYS(QPOOL_OK)},
    {"label, of", labels, SAYS(QPOOL_OK)},
    {"maintain", maintains, SAYS(QPOOL_OK)},
    {"start", starts, SAYS(QPOOL_OK) | SAYS(QPOOL_ECLOSED)},
    {"stop", stops, SAYS(QPOOL_EMISUSE)},
    {"close", closes, SAYS(QPOOL_EMISUSE)},
    {"get_stats, name", looks, SAYS(QPOOL_OK)},
    {"another pool", uses_another_pool, SAYS(QPOOL_OK)},
};

static void
call_once(cell *c)
{
	uint32_t armed = qp_load_acquire(&c->armed);

	if (armed == 0)
		return;
	qp_store_release(&c->armed, 0);
	c->said = c->verb->call(c);
	c->ran = true;
}

static void
hook_calls(fake *peer, fake_step step, void *argument)
{
	(void)peer, (void)step;
	call_once(argument);
}

static void
event_calls(void *user, qpool *pool, const qpool_event *event)
{
	(void)pool, (void)event;
	call_once(user);
}

static int
interrupt_calls(void *user)
{
	call_once(user);
	return 0;
}

static void
check_cell(cell *c, const char *callback, bool is_ending)
{
	bool refused = c->said == QPOOL_ECLOSED;

	if (!c->ran || !(c->verb->may_say & SAYS(c->said)) || (refused && !is_ending))
		fail_msg("%s inside %s: %s", c->verb->name, callback,
		    c->ran ? qpool_err_name(c->said) : "was not called");
}

/* Pass through every callback there is; the one that is armed calls. */
static void
drive(cell *c, const char *callback, fake_step step, bool by_event)
{
	qpool_options options = sized(3);
	qpool_lease lease;

	options.check_after = QPOOL_ZERO;
	options.event_mask = UINT64_MAX;
	options.on_event = by_event ? event_calls : NULL;
	options.event_user = c;
	c->peer = fake_new();
	c->pool = pool_of(c->peer, fake_ops(), &options);
	c->held = must_acquire(c->pool);
	lease = must_acquire(c->pool);
	if (!by_event)
		fake_hook_on(c->peer, step, hook_calls, c);
	qp_store_release(&c->armed, 1);
	must_release(&lease);                              /* reset */
	lease = must_acquire(c->pool);                     /* peek, check */
	assert_int_equal(qpool_discard(&lease), QPOOL_OK); /* close */
	lease = must_acquire(c->pool);
	must_release(&lease);
	if (step == FAKE_OPEN && !by_event) {
		qpool_lease both[2] = {must_acquire(c->pool), must_acquire(c->pool)};
		must_release(&both[0]);
		must_release(&both[1]);
	}
	must_release(&c->held);
	end_pool(c->pool, c->peer); /* destroy */
	check_cell(c, callback, step == FAKE_DESTROY && !by_event);
}

/* The same inside the hook of one that waits. */
static void
drive_waiter(cell *c)
{
	qpool_options options = sized(3);
	qpool_request request = qpool_request_init();
	qpool_lease leases[2];
	actor waiter;

	request.timeout = QPOOL_FOREVER;
	request.interrupted = interrupt_calls;
	request.interrupt_user = c;
	c->peer = fake_new();
	c->pool = pool_of(c->peer, fake_ops(), &options);
	leases[0] = must_acquire(c->pool);
	leases[1] = must_acquire(c->pool);
	c->held = must_acquire(c->pool);
	qp_store_release(&c->armed, 1);
	actor_acquires_with(&waiter, c->pool, &request);
	qp_testing_await_parked(1);
	qp_testing_wake_all(true);
	while (qp_load_acquire(&c->armed) != 0)
		sched_yield();
	must_release(&leases[0]);
	join_and_release(&waiter);
	must_release(&leases[1]);
	must_release(&c->held);
	end_pool(c->pool, c->peer);
	check_cell(c, "interrupted", false);
}

/* coleifer/peewee#3047, apache/cassandra-gocql-driver#1047, pinterest/pymemcache#39,
 * igniterealtime/Openfire#2059: a hook ran under the pool's lock and called the pool. */
static void
peewee_3047_every_verb_may_be_called_from_every_callback(void **state)
{
	static const char *const steps[FAKE_STEPS] = {
	    "open", "close", "peek", "check", "reset", "destroy"};

	(void)state;
	for (unsigned v = 0; v < sizeof verbs / sizeof verbs[0]; v++) {
		cell c;

		for (fake_step step = 0; step < FAKE_STEPS; step++) {
			c = (cell){.verb = &verbs[v]};
			drive(&c, steps[step], step, false);
		}
		c = (cell){.verb = &verbs[v]};
		drive(&c, "an event", FAKE_OPEN, true);
		c = (cell){.verb = &verbs[v]};
		drive_waiter(&c);
	}
}

typedef struct crossing {
	qpool *pool;
	unsigned rounds;
} crossing;

static void *
prunes(void *argument)
{
	const crossing *c = argument;

	for (unsigned i = 0; i < c->rounds; i++)
		(void)qpool_maintain(c->pool);
	return NULL;
}

static void *
takes_and_fails(void *argument)
{
	const crossing *c = argument;
	qpool_lease lease;

	for (unsigned i = 0; i < c->rounds; i++)
		if (qpool_acquire(c->pool, QPOOL_FOREVER, &lease, NULL) == QPOOL_OK)
			(void)qpool_release(&lease);
	return NULL;
}

static void
looks_at_event(void *user, qpool *pool, const qpool_event *event)
{
	(void)user, (void)event;
	(void)stats_of(pool);
}

/* npgsql/npgsql#918: the failing open and the pruning timer took two locks in opposite order.  We have
 * one, and none while callbacks run; the thread sanitizer looks on. */
static void
npgsql_918_failing_opens_and_pruning_cross(void **state)
{
	fake *peer = fake_new();
	qpool_options options = sized(3);
	crossing c = {.rounds = ROUNDS(10000)};
	pthread_t threads[4];

	(void)state;
	options.open_failure = QPOOL_OPEN_TELL;
	options.max_idle = 1;
	options.on_event = looks_at_event;
	c.pool = pool_of(peer, fake_ops(), &options);
	fake_fail_one_in(peer, 3, 918);
	for (unsigned i = 0; i < 4; i++)
		actor_runs(&threads[i], i < 2 ? prunes : takes_and_fails, &c);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(stats_of(c.pool).open_failures > 0);
	assert_whole(c.pool);
	end_pool(c.pool, peer);
}

/* oven-sh/bun#32037: a hook that threw left its slot pending. */
static void
bun_32037_every_step_may_fail_in_every_way(void **state)
{
	static const int failures[] = {QPOOL_EOPEN, QPOOL_EDENIED, QPOOL_EFULL, QPOOL_ECHECK,
	    QPOOL_EAGAIN, QPOOL_ETIMEOUT, QPOOL_ECLOSED, QPOOL_EMISUSE, QPOOL_EUNKNOWN, 999, -1};
	qpool_options options = sized(1);

	(void)state;
	options.check_after = QPOOL_ZERO;
	for (fake_step step = FAKE_OPEN; step <= FAKE_RESET; step++) {
		for (unsigned i = 0; i < sizeof failures / sizeof failures[0]; i++) {
			fake *peer = fake_new();
			qpool *pool = pool_of(peer, fake_ops(), &options);
			qpool_lease lease = must_acquire(pool);

			must_release(&lease);
			fake_kill_all(peer); /* so that it is opened again, too */
			fake_fail(peer, step, 1, (qpool_err)failures[i]);
			if (qpool_acquire(pool, QPOOL_SEC(1), &lease, NULL) == QPOOL_OK)
				must_release(&lease);
			assert_whole(pool);
			fake_fail(peer, step, 0, QPOOL_OK);
			lease = must_acquire(pool);
			assert_false(fake_of(&lease)->dead);
			must_release(&lease);
			assert_whole(pool);
			end_pool(pool, peer);
		}
	}
}

/* golang/go#37178: with the lock held it wrote into a queue that was full. */
static void
go_37178_ending_a_lease_never_waits_for_the_worker(void **state)
{
	enum { SLOTS = 60 };
	fake *peer = fake_new();
	qpool_options options = sized(SLOTS);
	qpool_lease leases[SLOTS];
	qpool *pool;

	(void)state;
	options.flags = QPOOL_RESET_ON_WORKERS;
	pool = pool_of(peer, fake_ops(), &options);
	for (unsigned i = 0; i < SLOTS; i++)
		leases[i] = must_acquire(pool);
	must_start(pool, 1);
	fake_gate_shut(peer, FAKE_CLOSE);
	fake_gate_shut(peer, FAKE_RESET);
	for (unsigned i = 0; i < SLOTS; i++)
		assert_int_equal(
		    i % 2 == 0 ? qpool_discard(&leases[i]) : qpool_release(&leases[i]), QPOOL_OK);
	assert_int_equal(stats_of(pool).closing, SLOTS / 2);
	assert_int_equal(stats_of(pool).resetting, SLOTS / 2);
	fake_gate_open(peer, FAKE_CLOSE);
	fake_gate_open(peer, FAKE_RESET);
	await_idle(pool, SLOTS / 2);
	end_pool(pool, peer);
}

typedef struct table {
	qpool *pool;
	pthread_barrier_t seated;
	qpool_error errors[4];
	qp_atomic_u64 seats;
} table;

static void *
holds_one_and_takes_another(void *argument)
{
	table *t = argument;
	uint64_t seat = qp_add64_relaxed(&t->seats, 1);
	qpool_lease first = must_acquire(t->pool), second;

	pthread_barrier_wait(&t->seated);
	if (qpool_acquire(t->pool, QPOOL_SEC(1), &second, &t->errors[seat]) == QPOOL_OK)
		(void)qpool_release(&second);
	(void)qpool_release(&first);
	return NULL;
}

/* brettwooldridge/HikariCP#1775, golang/go#16873: each thread held one and waited for another. */
static void
hikaricp_1775_holders_who_wait_for_each_other_are_told_so(void **state)
{
	enum { THREADS = 4 };
	fake *peer = fake_new();
	qpool_options options = sized(THREADS);
	table t = {.pool = pool_of(peer, fake_ops(), &options)};
	pthread_t threads[THREADS];
	unsigned told = 0;

	(void)state;
	pthread_barrier_init(&t.seated, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		actor_runs(&threads[i], holds_one_and_takes_another, &t);
	qp_testing_await_parked(THREADS);
	qp_testing_clock_advance(QPOOL_SEC(1));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < THREADS; i++)
		told += strstr(t.errors[i].message, "all are lent") != NULL &&
		        strstr(t.errors[i].message, "4 of 4 lent") != NULL &&
		        strstr(t.errors[i].message, "this thread itself holds 1 of them") != NULL;
	/* The first to give up frees the next ones. */
	assert_in_range(told, 1, THREADS);
	assert_whole(t.pool);
	pthread_barrier_destroy(&t.seated);
	end_pool(t.pool, peer);
}

static void *
discards_it(void *argument)
{
	if (qpool_discard(argument) != QPOOL_OK)
		abort();
	return NULL;
}

/* MagicStack/asyncpg#1324: an abort left out the clean-up in one of the states it can come in. */
static void
asyncpg_1324_discard_cleans_up_in_every_state(void **state)
{
	enum { ALONE, SPOILED, WAITED_FOR, BY_ANOTHER, CLOSING, FREED, WAYS };

	(void)state;
	for (unsigned way = 0; way < WAYS; way++) {
		fake *peer = fake_new();
		qpool_options options = sized(1);
		qpool *pool = pool_of(peer, fake_ops(), &options);
		qpool_lease lease = must_acquire(pool);
		pthread_t other;
		actor waiter;

		if (way == SPOILED)
			assert_int_equal(qpool_spoil(&lease), QPOOL_OK);
		if (way == WAITED_FOR) {
			actor_acquires(&waiter, pool, QPOOL_FOREVER);
			await_waiting(pool, 1);
		}
		if (way == CLOSING)
			assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
		if (way == FREED)
			qpool_free(pool);
		actor_runs(&other, discards_it, &lease);
		pthread_join(other, NULL);
		assert_int_equal(qpool_discard(&lease), QPOOL_OK); /* empty: nothing */
		assert_int_equal(fake_calls(peer, FAKE_CLOSE), 1);
		if (way == WAITED_FOR)
			join_and_release(&waiter);
		if (way == FREED)
			fake_end(peer);
		else
			end_pool(pool, peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_REAL_TIME(npgsql_918_failing_opens_and_pruning_cross),
	    IN_VIRTUAL_TIME(peewee_3047_every_verb_may_be_called_from_every_callback),
	    IN_VIRTUAL_TIME(bun_32037_every_step_may_fail_in_every_way),
	    IN_VIRTUAL_TIME(go_37178_ending_a_lease_never_waits_for_the_worker),
	    IN_VIRTUAL_TIME(hikaricp_1775_holders_who_wait_for_each_other_are_told_so),
	    IN_VIRTUAL_TIME(asyncpg_1324_discard_cleans_up_in_every_state),
	};
	return RUN(tests);
}
