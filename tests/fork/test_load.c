/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: a process that forks again and again while its threads acquire, release and discard as fast as they
 * can, so that the memory is copied in the middle of everything.  Each child uses what it inherits; the
 * parent never notices.
 */
#include "testing.h"

#include "cell.h"
#include "wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS  8
#define SIZE     4
#define FORKS    100
#define DISCARDS 16 /* of each thread: every resource is two descriptors until the end */

typedef struct load {
	wire peer;
	qpool *pool;
	atomic_bool stop, all_stopped;
} load;

static void *
hammers(void *argument)
{
	load *l = argument;
	unsigned turns = 0, discards = 0;
	qpool_lease lease;
	qpool_error error;

	while (!atomic_load(&l->stop)) {
		qpool_err err = qpool_acquire(l->pool, QPOOL_SEC(30), &lease, &error);
		if (err != QPOOL_OK)
			cell_broken(__FILE__, __LINE__, "%s", error.message);
		if (++turns % 256 == 0 && discards < DISCARDS) {
			discards++;
			CELL_SAME(qpool_discard(&lease), QPOOL_OK);
		} else {
			CELL_SAME(qpool_release(&lease), QPOOL_OK);
		}
	}
	return NULL;
}

/* The server, which would else stop the clients when its sockets are full; the last of them are the workers, and
 * who closes. */
static void *
reads(void *argument)
{
	load *l = argument;

	while (!atomic_load(&l->all_stopped))
		(void)wire_read(&l->peer);
	return NULL;
}

static void
must_acquire_own(load *l, qpool_lease *lease)
{
	qpool_error error;

	if (qpool_acquire(l->pool, QPOOL_SEC(20), lease, &error) != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "in a child: %s", error.message);
	CELL_SAME(((wire_resource *)lease->resource)->owner, getpid());
}

static void
live_as_grandchild(load *l, qpool_lease *inherited)
{
	qpool_lease lease;

	(void)alarm(30);
	for (unsigned i = 0; i < SIZE; i++)
		CELL_SAME(qpool_release(&inherited[i]), QPOOL_EFORKED);
	must_acquire_own(l, &lease);
	_exit(0);
}

/* What differs from child to child: whether it ends what it inherited first, last or never, how the pool ends,
 * and whether there is a grandchild. */
static void
live_as_child(load *l, unsigned number, qpool_lease *held)
{
	qpool_lease lease[SIZE];
	int status = 0;
	pid_t child = -1;

	wire_leave_if_watched();
	(void)alarm(30);
	if (number % 3 == 0 && held->resource != NULL)
		CELL_SAME(qpool_release(held), QPOOL_EFORKED);
	for (unsigned i = 0; i < SIZE; i++)
		must_acquire_own(l, &lease[i]);
	if (number % 7 == 0)
		child = wire_fork();
	if (child == 0)
		live_as_grandchild(l, lease);
	for (unsigned i = 0; i < SIZE; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
	if (number % 2 == 0)
		CELL_SAME(qpool_close(l->pool, QPOOL_SEC(20)), QPOOL_OK);
	if (number % 3 == 1 && held->resource != NULL)
		CELL_SAME(qpool_discard(held), QPOOL_EFORKED);
	if (number % 2 == 0)
		qpool_free(l->pool);
	if (child > 0)
		CELL_SAME(waitpid(child, &status, 0), child);
	CELL_SAME(status, 0);
	_exit(0);
}

static void
fork_under_load(load *l, unsigned number)
{
	qpool_lease held = QPOOL_LEASE_INIT;
	qpool_error error;
	int status = 0;
	pid_t child;

	cell_note("fork", number);
	if (number % 4 != 0)
		CELL_SAME(qpool_acquire(l->pool, QPOOL_SEC(30), &held, &error), QPOOL_OK);
	child = wire_fork();
	CELL_MUST(child >= 0);
	if (child == 0)
		live_as_child(l, number, &held);
	CELL_SAME(qpool_release(&held), QPOOL_OK);
	CELL_SAME(waitpid(child, &status, 0), child);
	CELL_SAME(status, 0);
}

static void
begin(load *l, bool with_workers)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = wire_ops();
	qpool_error error;

	wire_begin(&l->peer);
	options.max_size = SIZE;
	options.check_after = QPOOL_ZERO;
	options.max_overtake = QPOOL_MSEC(1);
	if (with_workers)
		options.flags = QPOOL_RESET_ON_WORKERS;
	CELL_SAME(qpool_create(&l->pool, &options, &ops, &l->peer, &error), QPOOL_OK);
	if (with_workers)
		CELL_SAME(qpool_start(l->pool, 2, &error), QPOOL_OK);
}

static void
under_load(const void *workers, const void *unused)
{
	static load l;
	pthread_t threads[THREADS + 1];

	(void)unused;
	begin(&l, workers != NULL);
	for (unsigned i = 0; i <= THREADS; i++)
		CELL_SAME(pthread_create(&threads[i], NULL, i < THREADS ? hammers : reads, &l), 0);
	for (unsigned number = 0; number < FORKS; number++)
		fork_under_load(&l, number);
	atomic_store(&l.stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		CELL_SAME(pthread_join(threads[i], NULL), 0);
	CELL_SAME(qpool_close(l.pool, QPOOL_SEC(20)), QPOOL_OK);
	qpool_free(l.pool);
	atomic_store(&l.all_stopped, true);
	CELL_SAME(pthread_join(threads[THREADS], NULL), 0);
	wire_end(&l.peer);
}

int
main(int argc, char **argv)
{
	cells all = {0};

	cells_limit(300);
	cells_add(&all, under_load, NULL, NULL, "callers do it all");
	cells_add(&all, under_load, "", NULL, "with workers");
	return cells_run(&all, "fork under load", argc, argv);
}
