/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed_memory: a keyed pool in a child that has no memory: a key whose slots all hold leases of before says so at
 * once; and every allocation of a child's life fails in turn, each in a child of its own, alone or with all that
 * follow.  What fails says so, or that there is nothing now; nothing is lost, and the way back asks for nothing.
 */
#include "testing.h"

#include "cell.h"
#include "platform/testing.h"
#include "wire.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOTAL  12
#define FAILED 7 /* how a child ends in which an allocation failed */

static wire peer;
static qpool_keyed *keyed;

static void
begin(void)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = wire_ops();
	qpool_error error;

	wire_begin(&peer);
	options.max_size = TOTAL;
	options.on_event = wire_event;
	options.event_user = &peer;
	CELL_SAME(qpool_keyed_create(&keyed, &options, 0, &ops, &peer, &error), QPOOL_OK);
}

static void
end(void)
{
	CELL_SAME(qpool_keyed_close(keyed, QPOOL_SEC(20)), QPOOL_OK);
	qpool_keyed_free(keyed);
}

static qpool_lease
take(const char *key)
{
	qpool_lease lease;
	qpool_error error;

	if (qpool_keyed_acquire(keyed, key, QPOOL_SEC(20), &lease, &error) != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s: %s", key, error.message);
	CELL_SAME(((wire_resource *)lease.resource)->owner, getpid());
	return lease;
}

static int
await(pid_t child)
{
	int status = 0;

	CELL_SAME(waitpid(child, &status, 0), child);
	CELL_MUST(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
counts_add_up(void)
{
	qpool_stats now = qpool_stats_init();
	uint64_t left;

	qpool_keyed_get_stats(keyed, NULL, &now);
	left = now.opens - now.idle - now.leased;
	CELL_SAME(now.empty + now.idle + now.leased, TOTAL + now.over);
	for (unsigned why = 0; why < 16; why++)
		left -= now.closes[why];
	CELL_SAME(left, 0);
	CELL_SAME(now.waiting, 0);
}

/* The whole budget, by keys old and new, and then by one. */
static void
use_all(void)
{
	qpool_lease lease[TOTAL];
	char key[16];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < TOTAL; i++) {
			(void)snprintf(
			    key, sizeof key, "%c", round == 0 ? 'a' + (int)(i / 3) : 'z');
			lease[i] = take(key);
		}
		counts_add_up();
		for (unsigned i = 0; i < TOTAL; i++)
			CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
	}
	counts_add_up();
}

/* ---- all slots of a key are lent, of before ---- */

/* Two slots are a key's first ones.  Nobody in the child can wait for them: it would have to end the leases
 * itself. */
static void
all_of_before(const void *a, const void *b)
{
	qpool_lease held[2], lease;
	qpool_error error;
	pid_t child;

	(void)a;
	(void)b;
	begin();
	held[0] = take("a");
	held[1] = take("a");
	if ((child = wire_fork()) == 0) {
		(void)alarm(30);
		qp_testing_fail(QP_FAULT_ALLOC, 1, true);
		CELL_SAME(
		    qpool_keyed_acquire(keyed, "a", QPOOL_FOREVER, &lease, &error), QPOOL_ENOMEM);
		CELL_MUST(strstr(error.message, "no memory for slots of pool 'wire/a'") != NULL);
		CELL_SAME(
		    qpool_keyed_acquire(keyed, "a", QPOOL_NOWAIT, &lease, &error), QPOOL_EAGAIN);
		CELL_SAME(
		    qpool_keyed_acquire(keyed, "b", QPOOL_FOREVER, &lease, &error), QPOOL_ENOMEM);
		CELL_MUST(strstr(error.message, "no memory for one more key") != NULL);
		/* With one slot free again it is an ordinary key that has few. */
		CELL_SAME(qpool_release(&held[0]), QPOOL_EFORKED);
		lease = take("a");
		CELL_SAME(qpool_release(&lease), QPOOL_OK);
		CELL_SAME(qpool_discard(&held[1]), QPOOL_EFORKED);
		qp_testing_fail(QP_FAULT_ALLOC, 0, false);
		use_all();
		end();
		_exit(0);
	}
	CELL_SAME(await(child), 0);
	CELL_SAME(qpool_release(&held[0]), QPOOL_OK);
	CELL_SAME(qpool_release(&held[1]), QPOOL_OK);
	end();
	wire_end(&peer);
}

/* ---- each fails in turn ---- */

#define HELD   7 /* by whom the fork finds them: "a" twice, "c" three times, and two more */
#define WANTED 11

static const char *const keys_held[HELD] = {"a", "a", "c", "c", "c", "d", "e"};
static const char *const keys_wanted[WANTED] = {
    "a", "a", "a", "b", "b", "b", "c", "d", "f", "g", "g"};

/* Every lease that is to be had, with the nth allocation failing. */
static bool
live_without(unsigned nth, bool for_good, qpool_lease *held)
{
	qpool_lease lease[WANTED];
	qpool_error error;
	bool failed;

	qp_testing_fail(QP_FAULT_ALLOC, nth, for_good);
	for (unsigned i = 0; i < WANTED; i++) {
		qpool_err err =
		    qpool_keyed_acquire(keyed, keys_wanted[i], QPOOL_NOWAIT, &lease[i], &error);
		CELL_MUST(err == QPOOL_OK || err == QPOOL_ENOMEM || err == QPOOL_EAGAIN);
		if (err == QPOOL_OK)
			CELL_SAME(((wire_resource *)lease[i].resource)->owner, getpid());
		if (err == QPOOL_ENOMEM)
			CELL_MUST(strstr(error.message, "no memory") != NULL);
	}
	failed = qp_testing_calls(QP_FAULT_ALLOC) >= nth;
	qp_testing_fail(QP_FAULT_ALLOC, 1, true); /* the way back wants for nothing */
	for (unsigned i = 0; i < WANTED; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
	for (unsigned i = 0; i < HELD; i += 2)
		CELL_SAME(qpool_release(&held[i]), QPOOL_EFORKED);
	counts_add_up();
	CELL_SAME(qp_testing_calls(QP_FAULT_ALLOC), 0);
	qp_testing_fail(QP_FAULT_ALLOC, 0, false);
	return failed;
}

static int
child_without(unsigned nth, bool for_good, qpool_lease *held)
{
	bool failed;

	(void)alarm(30);
	failed = live_without(nth, for_good, held);
	use_all();
	for (unsigned i = 1; i < HELD; i += 2)
		CELL_SAME(qpool_release(&held[i]), QPOOL_EFORKED);
	use_all();
	end();
	return failed ? FAILED : 0;
}

static void
each_fails(const void *for_good, const void *unused)
{
	qpool_lease held[HELD], idle;
	unsigned nth = 0;
	int status;

	(void)unused;
	begin();
	for (unsigned i = 0; i < HELD; i++)
		held[i] = take(keys_held[i]);
	idle = take("b");
	CELL_SAME(qpool_release(&idle), QPOOL_OK);
	do {
		pid_t child;
		cell_note("failing call", ++nth);
		child = wire_fork();
		CELL_MUST(child >= 0);
		if (child == 0)
			_exit(child_without(nth, for_good != NULL, held));
		status = await(child);
	} while (status == FAILED);
	CELL_SAME(status, 0);
	CELL_MUST(nth > 4); /* slots of "a" and "c", and new keys with theirs */
	for (unsigned i = 0; i < HELD; i++)
		CELL_SAME(qpool_release(&held[i]), QPOOL_OK);
	use_all();
	end();
	wire_end(&peer);
}

int
main(int argc, char **argv)
{
	cells all = {NULL, 0, 0};

	cells_add(&all, all_of_before, NULL, NULL, "no memory for more slots of a key");
	cells_add(&all, each_fails, NULL, NULL, "each allocation fails");
	cells_add(&all, each_fails, &all, NULL, "each allocation fails, with all that follow");
	return cells_run(&all, "fork keyed memory", argc, argv);
}
