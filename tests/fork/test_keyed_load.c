/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed_load: a process that forks again and again while its threads acquire, release and discard under many keys
 * as fast as they can, so that the memory is copied in the middle of everything: keys that come and go, places
 * that go over.  Each child uses what it inherits; neither has more open than it may, and the parent never
 * notices.
 */
#include "testing.h"

#include "cell.h"
#include "wire.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define KEYS    50
#define TOTAL   6
#define PER_KEY 2
#define FORKS   100
#define OPENS \
	1500 /* every resource is two descriptors until the end: then the keys stay those there are */

typedef struct load {
	wire peer;
	qpool_keyed *keyed;
	atomic_bool stop, all_stopped;
	atomic_uint seeds;
} load;

static void
acquire(load *l, unsigned number, qpool_lease *lease)
{
	char key[16];
	qpool_error error;

	(void)snprintf(key, sizeof key, "key %u", number);
	if (qpool_keyed_acquire(l->keyed, key, QPOOL_SEC(30), lease, &error) != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error.message);
	CELL_SAME(((wire_resource *)lease->resource)->owner, getpid());
	CELL_SAME(strcmp(((wire_resource *)lease->resource)->key, key), 0);
}

static void *
hammers(void *argument)
{
	load *l = argument;
	unsigned random = atomic_fetch_add(&l->seeds, 1) * 2654435761u + 1;
	qpool_lease lease;

	while (!atomic_load(&l->stop)) {
		bool few = atomic_load(&l->peer.numbers) > OPENS;
		random = random * 1664525u + 1013904223u;
		acquire(l, (random >> 16) % (few ? PER_KEY : KEYS), &lease);
		if ((random >> 8) % 16 == 0 && !few)
			CELL_SAME(qpool_discard(&lease), QPOOL_OK);
		else
			CELL_SAME(qpool_release(&lease), QPOOL_OK);
		if ((random >> 10) % 8 == 0)
			(void)sched_yield();
	}
	return NULL;
}

/* The server, which would else stop the clients when its sockets are full; the last of them is who closes. */
static void *
reads(void *argument)
{
	load *l = argument;

	while (!atomic_load(&l->all_stopped))
		(void)wire_read(&l->peer);
	return NULL;
}

static void
live_as_grandchild(load *l, qpool_lease *inherited, unsigned count)
{
	qpool_lease lease;

	atomic_store(&l->peer.alive, 0);
	(void)alarm(30);
	for (unsigned i = 0; i < count; i++)
		CELL_SAME(qpool_release(&inherited[i]), QPOOL_EFORKED);
	acquire(l, 1, &lease);
	_exit(0);
}

/* What differs from child to child: whether it ends what it inherited first, last or never, how the pool ends,
 * and whether there is a grandchild. */
static void
live_as_child(load *l, unsigned number, qpool_lease *held)
{
	qpool_lease lease[TOTAL];
	int status = 0;
	pid_t child = -1;

	wire_leave_if_watched();
	atomic_store(&l->peer.alive, 0);
	(void)alarm(30);
	if (number % 3 == 0 && held->resource != NULL)
		CELL_SAME(qpool_release(held), QPOOL_EFORKED);
	for (unsigned i = 0; i < TOTAL; i++)
		acquire(l, number + i / PER_KEY, &lease[i]);
	if (number % 7 == 0)
		child = wire_fork();
	if (child == 0)
		live_as_grandchild(l, lease, TOTAL);
	for (unsigned i = 0; i < TOTAL; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
	for (unsigned i = 0; i < KEYS; i++) {
		acquire(l, i, &lease[0]);
		CELL_SAME(qpool_release(&lease[0]), QPOOL_OK);
	}
	if (number % 2 == 0)
		CELL_SAME(qpool_keyed_close(l->keyed, QPOOL_SEC(20)), QPOOL_OK);
	if (number % 3 == 1 && held->resource != NULL)
		CELL_SAME(qpool_discard(held), QPOOL_EFORKED);
	if (number % 2 == 0)
		qpool_keyed_free(l->keyed);
	if (child > 0)
		CELL_SAME(waitpid(child, &status, 0), child);
	CELL_SAME(status, 0);
	_exit(0);
}

static void
fork_under_load(load *l, unsigned number)
{
	qpool_lease held = QPOOL_LEASE_INIT;
	int status = 0;
	pid_t child;

	cell_note("fork", number);
	if (number % 4 != 0)
		acquire(l, number % KEYS, &held);
	child = wire_fork();
	CELL_MUST(child >= 0);
	if (child == 0)
		live_as_child(l, number, &held);
	CELL_SAME(qpool_release(&held), QPOOL_OK);
	CELL_SAME(waitpid(child, &status, 0), child);
	CELL_SAME(status, 0);
}

static void
begin(load *l)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = wire_ops();
	qpool_error error;

	wire_begin(&l->peer);
	l->peer.most = TOTAL;
	options.max_size = TOTAL;
	options.max_overtake = QPOOL_MSEC(1);
	CELL_SAME(
	    qpool_keyed_create(&l->keyed, &options, PER_KEY, &ops, &l->peer, &error), QPOOL_OK);
}

static void
under_load(const void *unused, const void *unused_too)
{
	static load l;
	pthread_t threads[THREADS + 1];

	(void)unused;
	(void)unused_too;
	begin(&l);
	for (unsigned i = 0; i <= THREADS; i++)
		CELL_SAME(pthread_create(&threads[i], NULL, i < THREADS ? hammers : reads, &l), 0);
	for (unsigned number = 0; number < FORKS; number++)
		fork_under_load(&l, number);
	atomic_store(&l.stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		CELL_SAME(pthread_join(threads[i], NULL), 0);
	CELL_SAME(qpool_keyed_close(l.keyed, QPOOL_SEC(20)), QPOOL_OK);
	qpool_keyed_free(l.keyed);
	atomic_store(&l.all_stopped, true);
	CELL_SAME(pthread_join(threads[THREADS], NULL), 0);
	CELL_SAME(atomic_load(&l.peer.alive), 0);
	wire_end(&l.peer);
}

int
main(int argc, char **argv)
{
	cells all = {0};

	cells_limit(300);
	cells_add(&all, under_load, NULL, NULL, "many keys");
	return cells_run(&all, "fork keyed under load", argc, argv);
}
