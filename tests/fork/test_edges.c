/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edges: what the matrix of states and deeds does not reach: no memory in the child, handlers of others, a
 * thread that comes before the one that forked, processes that are not forked, a worker that forks.
 */
#include "testing.h"

#include "cell.h"
#include "platform/forkmark.h"
#include "platform/testing.h"
#include "wire.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 32 /* slots of a first chunk: a child that inherits all of them needs another */

static wire peer;
static qpool *pool;

static void
make_pool(uint32_t max_size)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = wire_ops();
	qpool_error error;

	wire_begin(&peer);
	options.max_size = max_size;
	options.on_event = wire_event;
	options.event_user = &peer;
	CELL_SAME(qpool_create(&pool, &options, &ops, &peer, &error), QPOOL_OK);
}

static qpool_lease
take(void)
{
	qpool_lease lease;
	qpool_error error;
	qpool_err err = qpool_acquire(pool, QPOOL_SEC(20), &lease, &error);

	if (err != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error.message);
	CELL_SAME(((wire_resource *)lease.resource)->owner, getpid());
	return lease;
}

static void
use(void)
{
	qpool_lease lease = take();

	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

static void
await(pid_t child)
{
	int status = 0;

	CELL_SAME(waitpid(child, &status, 0), child);
	CELL_SAME(status, 0);
}

static void
end_pool_and_peer(void)
{
	CELL_SAME(qpool_close(pool, QPOOL_SEC(20)), QPOOL_OK);
	qpool_free(pool);
	wire_end(&peer);
}

/* All slots hold leases of before, there is no memory for others: one clear failure, and all else works. */
static void
no_memory(const void *a, const void *b)
{
	qpool_lease held[MANY], lease;
	qpool_error error;
	pid_t child;

	(void)a;
	(void)b;
	make_pool(MANY);
	for (unsigned i = 0; i < MANY; i++)
		held[i] = take();
	if ((child = wire_fork()) == 0) {
		qp_testing_fail(QP_FAULT_ALLOC, 1, true);
		CELL_SAME(qpool_acquire(pool, QPOOL_SEC(20), &lease, &error), QPOOL_ENOMEM);
		CELL_MUST(strstr(error.message, "'wire'") != NULL);
		CELL_SAME(qpool_start(pool, 1, &error), QPOOL_ENOMEM);
		CELL_SAME(qpool_release(&held[0]), QPOOL_EFORKED);
		CELL_SAME(qpool_discard(&held[1]), QPOOL_EFORKED);
		CELL_SAME(qpool_maintain(pool), 0);
		qp_testing_fail(QP_FAULT_ALLOC, 0, false);
		for (unsigned i = 0; i < MANY; i++)
			held[i] = take();
		for (unsigned i = 0; i < MANY; i++)
			CELL_SAME(qpool_release(&held[i]), QPOOL_OK);
		_exit(0);
	}
	await(child);
	for (unsigned i = 0; i < MANY; i++)
		CELL_SAME(qpool_release(&held[i]), QPOOL_OK);
	end_pool_and_peer();
}

static pid_t eager;
static uint32_t counted;

static void
uses_pool_in_child(void)
{
	if (pool == NULL)
		return;
	use();
	counted = qp_forkmark_now();
	eager = getpid();
}

/* Registered before ours, it runs before ours: the fork is noticed by then, and counted once. */
static void
handler_of_another(const void *a, const void *b)
{
	unsigned opened;
	pid_t child;

	(void)a;
	(void)b;
	CELL_SAME(pthread_atfork(NULL, NULL, uses_pool_in_child), 0);
	make_pool(2);
	use();
	if ((child = wire_fork()) == 0) {
		opened = atomic_load(&peer.calls[WIRE_OPEN]);
		CELL_SAME(eager, getpid());
		CELL_SAME(qp_forkmark_now(), counted);
		use();
		CELL_SAME(atomic_load(&peer.calls[WIRE_OPEN]), opened);
		_exit(0);
	}
	await(child);
	end_pool_and_peer();
}

static void *
uses_it_first(void *unused)
{
	(void)unused;
	use();
	use();
	return NULL;
}

static pid_t forked = -1;

static void
forks_and_starts_a_thread(wire_step step, const qpool_event *event)
{
	pthread_t thread;

	if (step != WIRE_OPEN || event != NULL || forked >= 0)
		return;
	forked = wire_fork();
	CELL_MUST(forked >= 0);
	if (forked != 0)
		return;
	CELL_SAME(pthread_create(&thread, NULL, uses_it_first, NULL), 0);
	CELL_SAME(pthread_join(thread, NULL), 0);
}

/* The thread that forked is still inside its callback when another one of the child comes to the pool. */
static void
another_thread_first(const void *a, const void *b)
{
	qpool_lease lease;

	(void)a;
	(void)b;
	make_pool(2);
	atomic_store(&peer.hook, forks_and_starts_a_thread);
	lease = take();
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	CELL_SAME(qpool_close(pool, QPOOL_SEC(20)), QPOOL_OK);
	qpool_free(pool);
	if (forked == 0)
		_exit(0);
	await(forked);
	wire_end(&peer);
}

/* Before leaks are looked for: what only the stacks of threads of the parent point at is none. */
static void
leave_at_once(void)
{
	_exit(0);
}

static void
forks_once(wire_step step, const qpool_event *event)
{
	if (step != WIRE_OPEN || event != NULL || forked >= 0)
		return;
	forked = wire_fork();
	if (forked == 0)
		CELL_SAME(atexit(leave_at_once), 0);
}

/* In the child the worker is the only thread there is: it leaves, and the process ends with it. */
static void
worker_forks(const void *a, const void *b)
{
	qpool_error error;

	(void)a;
	(void)b;
	make_pool(2);
	CELL_SAME(qpool_start(pool, 1, &error), QPOOL_OK);
	atomic_store(&peer.hook, forks_once);
	use();
	await(forked);
	use();
	end_pool_and_peer();
}

static void
forks_in_reset_and_starts_a_worker(wire_step step, const qpool_event *event)
{
	qpool_error error;

	if (step != WIRE_RESET || event != NULL || forked >= 0)
		return;
	forked = wire_fork();
	if (forked == 0)
		CELL_SAME(qpool_start(pool, 1, &error), QPOOL_OK);
}

/* A reset that asks for a worker is not run again in the child, on what is the parent's. */
static void
reset_asks_for_a_worker(const void *a, const void *b)
{
	qpool_lease lease;
	qpool_err err;

	(void)a;
	(void)b;
	make_pool(2);
	lease = take();
	atomic_store(&peer.failing[WIRE_RESET], 1);
	peer.again = QPOOL_EAGAIN;
	atomic_store(&peer.hook, forks_in_reset_and_starts_a_worker);
	err = qpool_release(&lease);
	CELL_SAME(err, forked == 0 ? QPOOL_EFORKED : QPOOL_OK);
	if (forked == 0) {
		use();
		CELL_SAME(qpool_close(pool, QPOOL_SEC(20)), QPOOL_OK);
		CELL_SAME(atomic_load(&peer.calls[WIRE_ABANDON]), 1);
		qpool_free(pool);
		_exit(0);
	}
	await(forked);
	end_pool_and_peer();
}

/* TELL: the open failed, and says of what; nobody takes it for a failing peer. */
static void
open_is_told(const void *a, const void *b)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = wire_ops();
	qpool_stats now = qpool_stats_init();
	qpool_lease lease;
	qpool_error error;
	qpool_err err;

	(void)a;
	(void)b;
	wire_begin(&peer);
	options.open_failure = QPOOL_OPEN_TELL;
	options.down_after = options.retry_min = options.retry_max = QPOOL_SEC(60);
	CELL_SAME(qpool_create(&pool, &options, &ops, &peer, &error), QPOOL_OK);
	atomic_store(&peer.hook, forks_once);
	err = qpool_acquire(pool, QPOOL_SEC(20), &lease, &error);
	if (forked == 0) {
		CELL_SAME(err, QPOOL_EOPEN);
		CELL_MUST(strstr(error.message, "forked inside open") != NULL);
		qpool_get_stats(pool, &now);
		CELL_SAME(now.open_failures, 1);
		CELL_SAME(qpool_acquire(pool, QPOOL_NOWAIT, &lease, &error), QPOOL_OK);
		_exit(0);
	}
	CELL_SAME(err, QPOOL_OK);
	await(forked);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	end_pool_and_peer();
}

/* posix_spawn and vfork share memory until exec: nothing has happened. */
static void
spawned(const void *a, const void *b)
{
	char name[] = "true", *argv[] = {name, NULL}, *none[] = {NULL};
	qpool_lease lease;
	void *resource;
	uint32_t here;
	pid_t child;

	(void)a;
	(void)b;
	make_pool(2);
	lease = take();
	resource = lease.resource;
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	here = qp_forkmark_now();
	CELL_SAME(posix_spawnp(&child, name, NULL, NULL, argv, none), 0);
	await(child);
	CELL_SAME(qp_forkmark_now(), here);
	lease = take();
	CELL_MUST(lease.resource == resource);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
	end_pool_and_peer();
}

/* Freed by the parent with leases out: in the child too the last end frees, and destroys the copy of user. */
static void
freed_before(const void *a, const void *b)
{
	qpool_lease first, second;
	pid_t child;

	(void)a;
	(void)b;
	make_pool(2);
	first = take();
	second = take();
	qpool_free(pool);
	pool = NULL;
	if ((child = wire_fork()) == 0) {
		CELL_SAME(qpool_release(&first), QPOOL_EFORKED);
		CELL_SAME(atomic_load(&peer.calls[WIRE_DESTROY]), 0);
		CELL_SAME(qpool_release(&second), QPOOL_EFORKED);
		CELL_SAME(atomic_load(&peer.calls[WIRE_ABANDON]), 2);
		CELL_SAME(atomic_load(&peer.calls[WIRE_DESTROY]), 1);
		_exit(0);
	}
	await(child);
	CELL_SAME(qpool_release(&first), QPOOL_OK);
	CELL_SAME(qpool_release(&second), QPOOL_OK);
	wire_end(&peer);
}

/* In the child nobody awaits leases of before; the last of them ends the pool. */
static void
closed_with_inherited(const void *a, const void *b)
{
	qpool_lease held;
	pid_t child;

	(void)a;
	(void)b;
	make_pool(2);
	held = take();
	if ((child = wire_fork()) == 0) {
		use();
		CELL_SAME(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
		CELL_SAME(atomic_load(&peer.calls[WIRE_CLOSE]), 1);
		CELL_SAME(atomic_load(&peer.calls[WIRE_DESTROY]), 0);
		qpool_free(pool);
		CELL_SAME(atomic_load(&peer.calls[WIRE_DESTROY]), 0);
		CELL_SAME(qpool_release(&held), QPOOL_EFORKED);
		CELL_SAME(atomic_load(&peer.calls[WIRE_ABANDON]), 1);
		CELL_SAME(atomic_load(&peer.calls[WIRE_DESTROY]), 1);
		_exit(0);
	}
	await(child);
	CELL_SAME(qpool_release(&held), QPOOL_OK);
	end_pool_and_peer();
}

/* What was lent before the fork is in nobody's way: whoever waits in vain in the child is not told of it. */
static void
timeout_with_inherited(const void *a, const void *b)
{
	qpool_lease held, own, lease;
	qpool_error error;
	pid_t child;

	(void)a;
	(void)b;
	make_pool(1);
	held = take();
	if ((child = wire_fork()) == 0) {
		own = take();
		CELL_SAME(qpool_acquire(pool, QPOOL_MSEC(1), &lease, &error), QPOOL_ETIMEOUT);
		CELL_MUST(strstr(error.message, "1 of 1 lent") != NULL);
		CELL_MUST(strstr(error.message, "holds 1 of them") != NULL);
		CELL_MUST(strstr(error.message, "; held ") == NULL);
		CELL_SAME(qpool_release(&own), QPOOL_OK);
		_exit(0);
	}
	await(child);
	CELL_SAME(qpool_release(&held), QPOOL_OK);
	end_pool_and_peer();
}

int
main(int argc, char **argv)
{
	cells all = {0};

	cells_add(&all, no_memory, NULL, NULL, "no memory for more slots");
	cells_add(&all, handler_of_another, NULL, NULL, "a handler of another, before ours");
	cells_add(&all, another_thread_first, NULL, NULL, "another thread comes first");
	cells_add(&all, worker_forks, NULL, NULL, "a worker forks");
	cells_add(&all, reset_asks_for_a_worker, NULL, NULL, "a reset asks for a worker");
	cells_add(&all, open_is_told, NULL, NULL, "an open that forked is told");
	cells_add(&all, spawned, NULL, NULL, "spawned, not forked");
	cells_add(&all, freed_before, NULL, NULL, "freed before the fork");
	cells_add(&all, closed_with_inherited, NULL, NULL, "closed with leases of before");
	cells_add(&all, timeout_with_inherited, NULL, NULL, "timed out beside leases of before");
	return cells_run(&all, "fork edges", argc, argv);
}
