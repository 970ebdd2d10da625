/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed: pools that share one lock, one budget and one line, in a child: all of them are made anew as one, keys
 * that nobody in the child is inside of are gone, and the whole budget is there.
 */
#include "testing.h"

#include "cell.h"
#include "wire.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOTAL 4

static wire peer;
static qpool_keyed *keyed;
static pid_t forked = -1;
static bool has_forked;
static bool is_loaded; /* then a thread reads the wires */
static atomic_uint told;

static void
must(qpool_err err, const qpool_error *error)
{
	if (err != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error->message);
}

static void
begin(void)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = wire_ops();
	qpool_error error;

	wire_begin(&peer);
	options.max_size = TOTAL;
	options.event_mask = UINT64_MAX;
	options.on_event = wire_event;
	options.event_user = &peer;
	must(qpool_keyed_create(&keyed, &options, 0, &ops, &peer, &error), &error);
}

static qpool_lease
take(const char *key)
{
	qpool_lease lease;
	qpool_error error;

	must(qpool_keyed_acquire(keyed, key, QPOOL_SEC(20), &lease, &error), &error);
	return lease;
}

static bool
is_own(const qpool_lease *lease)
{
	return ((wire_resource *)lease->resource)->owner == getpid();
}

static void
give(qpool_lease *lease)
{
	CELL_SAME(qpool_release(lease), is_own(lease) ? QPOOL_OK : QPOOL_EFORKED);
}

static qpool_stats
count(void)
{
	qpool_stats now = qpool_stats_init();
	uint64_t closes = 0;
	uint32_t open;

	qpool_keyed_get_stats(keyed, NULL, &now);
	for (unsigned i = 0; i < sizeof now.closes / sizeof now.closes[0]; i++)
		closes += now.closes[i];
	open = now.idle + now.checking + now.leased + now.resetting + now.closing;
	CELL_SAME(now.empty + now.opening + open, now.max_size + now.over);
	CELL_SAME(now.opens, open + closes);
	return now;
}

/* All places at once, of several keys, of this process; then of one key, for which the others must go. */
static void
use_all(void)
{
	static const char *const keys[TOTAL] = {"a", "b", "c", "c"};
	qpool_lease lease[TOTAL];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < TOTAL; i++) {
			lease[i] = take(round == 0 ? keys[i] : "d");
			CELL_MUST(is_own(&lease[i]));
		}
		for (unsigned i = 0; i < TOTAL; i++)
			give(&lease[i]);
	}
	(void)count();
}

static void
end(void)
{
	CELL_SAME(qpool_keyed_close(keyed, QPOOL_SEC(20)), QPOOL_OK);
	qpool_keyed_free(keyed);
	wire_end(&peer);
}

static void
await(void)
{
	int status = 0;

	CELL_SAME(waitpid(forked, &status, 0), forked);
	CELL_SAME(status, 0);
	if (getpid() == peer.parent && !is_loaded)
		(void)wire_read(&peer);
	atomic_store(&peer.hook, NULL);
}

static void
fork_once(void)
{
	if (has_forked)
		return;
	has_forked = true;
	forked = wire_fork();
	CELL_MUST(forked >= 0);
	if (forked == 0)
		(void)alarm(30);
}

/* ---- quiet, and other threads ---- */

static void *
waits_for_a(void *unused)
{
	qpool_lease lease = take("a");

	(void)unused;
	give(&lease);
	return NULL;
}

static void *
holds_b(void *unused)
{
	qpool_lease lease = take("b");

	(void)unused;
	atomic_fetch_add(&told, 1);
	while (atomic_load(&told) < 100)
		(void)sched_yield();
	give(&lease);
	return NULL;
}

static void
live(qpool_lease *held, unsigned count_held)
{
	qpool_stats now = count();

	CELL_SAME(now.keys > 0, now.leased > 0); /* those of leases of before, and no other */
	CELL_MUST(now.keys <= now.leased);
	CELL_SAME(now.idle, 0);
	CELL_SAME(now.empty, TOTAL);
	CELL_SAME(now.over, now.leased);
	use_all();
	for (unsigned i = 0; i < count_held; i++) {
		qpool_lease copy = held[i];
		give(&held[i]);
		CELL_SAME(qpool_release(&copy), QPOOL_EMISUSE);
	}
	use_all();
}

/* Leases of two keys here, of one on another thread, one idle, and nobody or somebody in line. */
static void
lent(const void *waits, const void *unused)
{
	qpool_lease held[2], idle;
	pthread_t holder, waiter;
	qpool_stats now = qpool_stats_init();

	(void)unused;
	begin();
	held[0] = take("a");
	held[1] = take("c");
	idle = take(waits != NULL ? "c" : "d");
	actor_runs(&holder, holds_b, NULL);
	while (atomic_load(&told) < 1)
		(void)sched_yield();
	if (waits == NULL) {
		give(&idle);
	} else {
		actor_runs(&waiter, waits_for_a, NULL);
		while (now.waiting == 0)
			qpool_keyed_get_stats(keyed, NULL, &now);
	}
	fork_once();
	if (forked == 0) {
		live(held, 2);
		CELL_SAME(qpool_keyed_close(keyed, QPOOL_SEC(20)), QPOOL_OK);
		qpool_keyed_free(keyed);
		_exit(0);
	}
	await();
	if (waits != NULL)
		give(&idle);
	give(&held[0]);
	give(&held[1]);
	atomic_store(&told, 100);
	CELL_SAME(pthread_join(holder, NULL), 0);
	if (waits != NULL)
		CELL_SAME(pthread_join(waiter, NULL), 0);
	use_all();
	end();
}

/* Every place is lent, to more keys than there are of them in the beginning, and a child of the child. */
static void
again(const void *a, const void *b)
{
	qpool_lease held[TOTAL], own[TOTAL];

	(void)a;
	(void)b;
	begin();
	for (unsigned i = 0; i < TOTAL; i++)
		held[i] = take(i % 2 == 0 ? "a" : "b");
	fork_once();
	if (forked == 0) {
		for (unsigned i = 0; i < TOTAL; i++)
			own[i] = take(i % 2 == 0 ? "a" : "e");
		has_forked = false;
		fork_once();
		if (forked == 0) {
			use_all();
			for (unsigned i = 0; i < TOTAL; i++) {
				give(&own[i]);
				give(&held[i]);
			}
			use_all();
			_exit(0);
		}
		await();
		for (unsigned i = 0; i < TOTAL; i++) {
			give(&held[i]);
			give(&own[i]);
		}
		use_all();
		_exit(0);
	}
	await();
	for (unsigned i = 0; i < TOTAL; i++)
		give(&held[i]);
	use_all();
	end();
}

/* ---- inside a callback ---- */

static wire_step fork_step;
static qpool_event_type fork_event;

static void
fork_there(wire_step step, const qpool_event *event)
{
	if (event != NULL ? event->type == fork_event : step == fork_step && fork_event == 0)
		fork_once();
}

static void
arm(wire_step step, qpool_event_type event)
{
	fork_step = step;
	fork_event = event;
	atomic_store(&peer.hook, fork_there);
}

/* Both processes come back here. */
static void
go_on(qpool_lease *lease)
{
	CELL_MUST(has_forked);
	if (lease != NULL)
		give(lease);
	if (forked == 0) {
		use_all();
		CELL_SAME(qpool_keyed_close(keyed, QPOOL_SEC(20)), QPOOL_OK);
		qpool_keyed_free(keyed);
		_exit(0);
	}
	await();
	use_all();
	end();
}

static void
inside_acquire(const void *what, const void *unused)
{
	qpool_lease lease[TOTAL];

	(void)unused;
	begin();
	for (unsigned i = 0; i < TOTAL; i++)
		lease[i] = take("a");
	for (unsigned i = 0; i < TOTAL; i++)
		give(&lease[i]);
	switch (*(const char *)what) {
	case 'o': /* inside open, after the place was another key's */
		arm(WIRE_OPEN, 0);
		break;
	case 'c': /* inside the close that makes the place */
		arm(WIRE_CLOSE, 0);
		break;
	default:
		arm(0, QPOOL_EV_OPENED);
		break;
	}
	lease[0] = take("b");
	CELL_MUST(is_own(&lease[0]));
	go_on(&lease[0]);
}

static void
inside_peek(const void *a, const void *b)
{
	qpool_lease lease;

	(void)a;
	(void)b;
	begin();
	lease = take("a");
	give(&lease);
	arm(WIRE_PEEK, 0);
	lease = take("a");
	CELL_MUST(is_own(&lease));
	go_on(&lease);
}

static void
inside_reset(const void *a, const void *b)
{
	qpool_lease lease;
	qpool_err err;

	(void)a;
	(void)b;
	begin();
	lease = take("a");
	arm(WIRE_RESET, 0);
	err = qpool_release(&lease);
	CELL_SAME(err, forked == 0 ? QPOOL_EFORKED : QPOOL_OK);
	go_on(NULL);
}

static bool
show(void *user, const qpool_entry *entry)
{
	(void)user;
	/* In the child what was lent before is of no key. */
	CELL_MUST(forked == 0 || entry->key != NULL);
	fork_once();
	return true;
}

static void
inside_each(const void *a, const void *b)
{
	qpool_lease lease[2];

	(void)a;
	(void)b;
	begin();
	lease[0] = take("a");
	lease[1] = take("b");
	give(&lease[1]);
	(void)qpool_keyed_each(keyed, show, NULL);
	go_on(&lease[0]);
}

static void
inside_close(const void *what, const void *unused)
{
	qpool_lease lease[2];

	(void)unused;
	begin();
	lease[0] = take("a");
	lease[1] = take("b");
	give(&lease[1]);
	arm(WIRE_CLOSE, 0);
	if (*(const char *)what == 'r')
		qpool_keyed_renew(keyed, "b");
	else
		qpool_keyed_renew(keyed, NULL);
	go_on(&lease[0]);
}

static qpool_lease lent_out[TOTAL];

static int
hook_forks(void *unused)
{
	(void)unused;
	fork_once();
	if (forked != 0 && lent_out[0].resource != NULL)
		give(&lent_out[0]);
	return 0;
}

static void
inside_hook(const void *a, const void *b)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease;
	qpool_error error;

	(void)a;
	(void)b;
	begin();
	for (unsigned i = 0; i < TOTAL; i++)
		lent_out[i] = take("a");
	request.timeout = QPOOL_SEC(20);
	request.interrupted = hook_forks;
	request.interrupt_every = QPOOL_MSEC(1);
	must(qpool_keyed_acquire_with(keyed, "b", &request, &lease, &error), &error);
	CELL_MUST(is_own(&lease));
	for (unsigned i = forked == 0 ? 0 : 1; i < TOTAL; i++)
		give(&lent_out[i]);
	go_on(&lease);
}

/* ---- under load ---- */

static atomic_bool stop, all_stopped;

static void *
hammers(void *seed)
{
	unsigned turn = *(unsigned *)seed;
	char key[2] = "a";

	while (!atomic_load(&stop)) {
		/* With one key nearly nothing is opened: there is an end to what the peer has room for. */
		unsigned keys = atomic_load(&peer.numbers) < WIRE_MOST / 2 ? 5 : 1;
		qpool_lease lease;
		key[0] = (char)('a' + turn++ % keys);
		lease = take(key);
		give(&lease);
	}
	return NULL;
}

static void *
reads(void *unused)
{
	(void)unused;
	while (!atomic_load(&all_stopped))
		(void)wire_read(&peer);
	return NULL;
}

static void
load(const void *a, const void *b)
{
	static unsigned seeds[4] = {0, 1, 2, 3};
	pthread_t threads[5];

	(void)a;
	(void)b;
	begin();
	for (unsigned i = 0; i < 4; i++)
		actor_runs(&threads[i], hammers, &seeds[i]);
	is_loaded = true;
	actor_runs(&threads[4], reads, NULL);
	for (unsigned i = 0; i < 50 && atomic_load(&peer.numbers) < WIRE_MOST / 2; i++) {
		qpool_lease held = take("f");
		has_forked = false;
		fork_once();
		if (forked == 0) {
			wire_leave_if_watched();
			use_all();
			give(&held);
			use_all();
			_exit(0);
		}
		give(&held);
		await();
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 4; i++)
		CELL_SAME(pthread_join(threads[i], NULL), 0);
	/* While somebody reads what it writes. */
	CELL_SAME(qpool_keyed_close(keyed, QPOOL_SEC(20)), QPOOL_OK);
	atomic_store(&all_stopped, true);
	CELL_SAME(pthread_join(threads[4], NULL), 0);
	end();
}

int
main(int argc, char **argv)
{
	cells all = {0};

	cells_add(&all, lent, NULL, NULL, "lent");
	cells_add(&all, lent, "", NULL, "lent, and somebody waits");
	cells_add(&all, again, NULL, NULL, "again");
	cells_add(&all, inside_acquire, "o", NULL, "inside open");
	cells_add(&all, inside_acquire, "c", NULL, "inside the close that makes a place");
	cells_add(&all, inside_acquire, "e", NULL, "inside OPENED");
	cells_add(&all, inside_peek, NULL, NULL, "inside peek");
	cells_add(&all, inside_reset, NULL, NULL, "inside reset");
	cells_add(&all, inside_each, NULL, NULL, "inside each");
	cells_add(&all, inside_close, "r", NULL, "inside close, of one key's renewal");
	cells_add(&all, inside_close, "a", NULL, "inside close, of a renewal of all");
	cells_add(&all, inside_hook, NULL, NULL, "inside the hook");
	cells_add(&all, load, NULL, NULL, "under load");
	return cells_run(&all, "fork, keyed", argc, argv);
}
