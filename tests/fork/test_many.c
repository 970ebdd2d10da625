/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many: verbs that want more than one resource, and whose own callback forks in the middle: what they had is the
 * parent's, and in the child they go on to have as many of its own.
 */
#include "testing.h"

#include "cell.h"
#include "wire.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE   4
#define WANTED 3

static wire peer;
static qpool *pool;
static pid_t forked = -1;
static wire_step fork_step;
static qpool_event_type fork_event;
static unsigned fork_number; /* of those calls, from 1 */
static bool forks_again;     /* the child, inside its first abandon */

static void fork_there(wire_step step, const qpool_event *event);

static void
arm(wire_step step, qpool_event_type event, unsigned number)
{
	fork_step = step;
	fork_event = event;
	fork_number = number;
	atomic_store(&peer.hook, fork_there);
}

static void
fork_there(wire_step step, const qpool_event *event)
{
	bool here =
	    event != NULL ? event->type == fork_event : step == fork_step && fork_event == 0;

	if (!here || --fork_number != 0)
		return;
	forked = wire_fork();
	CELL_MUST(forked >= 0);
	if (forked != 0)
		return;
	(void)alarm(30);
	atomic_store(&peer.alive, 0);
	if (forks_again)
		arm(WIRE_ABANDON, 0, 1);
	forks_again = false;
}

static void
make_pool(qpool_nsec retry_min)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = wire_ops();
	qpool_error error;

	wire_begin(&peer);
	peer.most = SIZE;
	options.max_size = SIZE;
	options.retry_min = retry_min;
	options.event_mask = UINT64_MAX;
	options.on_event = wire_event;
	options.event_user = &peer;
	CELL_SAME(qpool_create(&pool, &options, &ops, &peer, &error), QPOOL_OK);
}

static void
must(qpool_err err, const qpool_error *error)
{
	if (err != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error->message);
}

static void
take(qpool_lease *out, uint32_t count)
{
	qpool_error error;

	for (uint32_t i = 0; i < count; i++) {
		must(qpool_acquire(pool, QPOOL_SEC(20), &out[i], &error), &error);
		CELL_SAME(((wire_resource *)out[i].resource)->owner, getpid());
	}
}

static void
give(qpool_lease *lease, uint32_t count, qpool_err expected)
{
	for (uint32_t i = 0; i < count; i++)
		CELL_SAME(qpool_release(&lease[i]), expected);
}

static void
warm(uint32_t count)
{
	qpool_lease lease[SIZE];

	take(lease, count);
	give(lease, count, QPOOL_OK);
}

/* Every process has all of the pool; a child ends here, and who forked it awaits it. */
static void
end_both(void)
{
	qpool_stats now = qpool_stats_init();
	int status = 0;

	CELL_MUST(forked >= 0);
	atomic_store(&peer.hook, NULL);
	warm(SIZE);
	qpool_get_stats(pool, &now);
	CELL_SAME(now.idle, SIZE);
	CELL_SAME(now.over, 0);
	if (forked > 0)
		CELL_SAME(waitpid(forked, &status, 0), forked);
	CELL_SAME(status, 0);
	CELL_SAME(qpool_close(pool, QPOOL_SEC(20)), QPOOL_OK);
	CELL_SAME(atomic_load(&peer.alive), 0);
	qpool_free(pool);
	if (getpid() != peer.parent)
		_exit(0);
	wire_end(&peer);
}

static void
acquire_wanted(qpool_lease *out)
{
	qpool_request request = qpool_request_init();
	qpool_error error;

	request.timeout = QPOOL_SEC(20);
	must(qpool_acquire_many(pool, WANTED, &request, out, &error), &error);
	CELL_MUST(forked >= 0);
}

/* WANTED at once, in both processes its own. */
static void
many_own(void)
{
	qpool_lease out[WANTED];

	acquire_wanted(out);
	for (unsigned i = 0; i < WANTED; i++)
		CELL_SAME(((wire_resource *)out[i].resource)->owner, getpid());
	give(out, WANTED, QPOOL_OK);
	end_both();
}

static void
second_open(const void *a, const void *b)
{
	(void)a;
	(void)b;
	make_pool(0);
	arm(WIRE_OPEN, 0, 2);
	many_own();
}

static void
third_describe(const void *a, const void *b)
{
	(void)a;
	(void)b;
	make_pool(0);
	arm(WIRE_DESCRIBE, 0, 3);
	many_own();
}

static void
failing_open(const void *a, const void *b)
{
	(void)a;
	(void)b;
	make_pool(QPOOL_MSEC(1));
	warm(2);
	atomic_store(&peer.failing[WIRE_OPEN], 1);
	arm(WIRE_OPEN, 0, 1);
	many_own();
}

static void
third_peek(const void *a, const void *b)
{
	(void)a;
	(void)b;
	make_pool(0);
	warm(WANTED);
	arm(WIRE_PEEK, 0, 3);
	many_own();
}

/* What the child had is abandoned, and the first of these forks again. */
static void
abandon_forks_again(const void *a, const void *b)
{
	(void)a;
	(void)b;
	forks_again = true;
	make_pool(0);
	arm(WIRE_OPEN, 0, 3);
	many_own();
}

static qpool_lease lent_out[SIZE];

/* While two are had and the third is waited for, the first of them is renewed, and its close forks. */
static int
hook_renews(void *user)
{
	bool *renewed = user;

	if (*renewed)
		return 0;
	*renewed = true;
	qpool_renew(pool);
	arm(WIRE_CLOSE, 0, 3); /* after these two */
	give(lent_out, 2, QPOOL_OK);
	return 0;
}

/* The same, but they are suspected: when the third is there they are checked, and so is it. */
static int
hook_suspects(void *user)
{
	bool *suspected = user;

	if (*suspected)
		return 0;
	*suspected = true;
	qpool_suspect(pool);
	arm(WIRE_CHECK, 0, 2);
	give(lent_out, 2, QPOOL_OK);
	return 0;
}

static void
while_the_rest_is_waited_for(int (*hook)(void *user))
{
	static bool has_run;
	qpool_request request = qpool_request_init();
	qpool_lease out[WANTED];
	qpool_error error;

	make_pool(0);
	warm(SIZE);
	take(lent_out, 2);
	request.timeout = QPOOL_SEC(20);
	request.interrupted = hook;
	request.interrupt_user = &has_run;
	request.interrupt_every = QPOOL_MSEC(1);
	must(qpool_acquire_many(pool, WANTED, &request, out, &error), &error);
	for (unsigned i = 0; i < WANTED; i++)
		CELL_SAME(((wire_resource *)out[i].resource)->owner, getpid());
	give(out, WANTED, QPOOL_OK);
	end_both();
}

static void
close_of_renewed(const void *a, const void *b)
{
	(void)a;
	(void)b;
	while_the_rest_is_waited_for(hook_renews);
}

static void
check_of_kept(const void *a, const void *b)
{
	(void)a;
	(void)b;
	while_the_rest_is_waited_for(hook_suspects);
}

/* One of them is lent already, and is of before the fork in the child, as those that follow. */
static void
second_acquired(const void *a, const void *b)
{
	qpool_lease out[WANTED];

	(void)a;
	(void)b;
	make_pool(0);
	warm(2);
	arm(0, QPOOL_EV_ACQUIRED, 2);
	acquire_wanted(out);
	give(out, WANTED, forked == 0 ? QPOOL_EFORKED : QPOOL_OK);
	end_both();
}

/* Too few come free: what was had goes back, as the pool closes it is closed, and the second close forks. */
static int
hook_stops(void *user)
{
	(void)user;
	qpool_renew(pool);
	arm(WIRE_CLOSE, 0, 1);
	return 1;
}

static void
close_of_those_put_back(const void *a, const void *b)
{
	qpool_request request = qpool_request_init();
	qpool_lease out[WANTED];
	qpool_error error;

	(void)a;
	(void)b;
	make_pool(0);
	warm(SIZE);
	take(lent_out, 2);
	request.timeout = QPOOL_SEC(20);
	request.interrupted = hook_stops;
	request.interrupt_every = QPOOL_MSEC(1);
	CELL_SAME(qpool_acquire_many(pool, WANTED, &request, out, &error), QPOOL_ECANCEL);
	CELL_MUST(forked >= 0);
	give(lent_out, 2, forked == 0 ? QPOOL_EFORKED : QPOOL_OK);
	end_both();
}

/* ---- at the gate ---- */

static void *
wants_many(void *unused)
{
	qpool_request request = qpool_request_init();
	qpool_lease out[WANTED];
	qpool_error error;

	(void)unused;
	request.timeout = QPOOL_SEC(20);
	must(qpool_acquire_many(pool, WANTED, &request, out, &error), &error);
	give(out, WANTED, QPOOL_OK);
	return NULL;
}

static int
hook_forks(void *unused)
{
	(void)unused;
	if (forked >= 0)
		return 0;
	arm(WIRE_STEPS, 0, 1);
	fork_there(WIRE_STEPS, NULL);
	if (forked != 0) /* in the parent the one in front can go on */
		give(lent_out, 2, QPOOL_OK);
	return 0;
}

/* Behind another one of the parent, who is not there in the child. */
static void
hook_at_the_gate(const void *a, const void *b)
{
	qpool_request request = qpool_request_init();
	qpool_stats now = qpool_stats_init();
	qpool_lease out[WANTED];
	qpool_error error;
	pthread_t thread;

	(void)a;
	(void)b;
	make_pool(0);
	take(lent_out, 2);
	CELL_SAME(pthread_create(&thread, NULL, wants_many, NULL), 0);
	while (now.waiting == 0)
		qpool_get_stats(pool, &now);
	request.timeout = QPOOL_SEC(20);
	request.interrupted = hook_forks;
	request.interrupt_every = QPOOL_MSEC(1);
	must(qpool_acquire_many(pool, WANTED, &request, out, &error), &error);
	for (unsigned i = 0; i < WANTED; i++)
		CELL_SAME(((wire_resource *)out[i].resource)->owner, getpid());
	give(out, WANTED, QPOOL_OK);
	if (forked == 0)
		give(lent_out, 2, QPOOL_EFORKED);
	else
		CELL_SAME(pthread_join(thread, NULL), 0);
	end_both();
}

/* ---- until so many are idle ---- */

static void
ready_when_open_forks(unsigned number)
{
	qpool_error error;
	qpool_stats now = qpool_stats_init();

	make_pool(QPOOL_MSEC(1));
	arm(WIRE_OPEN, 0, number);
	must(qpool_wait_ready(pool, WANTED, QPOOL_SEC(20), &error), &error);
	qpool_get_stats(pool, &now);
	CELL_SAME(now.idle, WANTED);
	end_both();
}

static void
ready_first_open(const void *a, const void *b)
{
	(void)a;
	(void)b;
	ready_when_open_forks(1);
}

static void
ready_last_open(const void *a, const void *b)
{
	(void)a;
	(void)b;
	ready_when_open_forks(WANTED);
}

int
main(int argc, char **argv)
{
	cells all = {0};

	cells_add(&all, second_open, NULL, NULL, "the second open forks");
	cells_add(&all, third_describe, NULL, NULL, "the third describe forks");
	cells_add(&all, failing_open, NULL, NULL, "a failing open forks");
	cells_add(&all, third_peek, NULL, NULL, "the third peek forks");
	cells_add(&all, abandon_forks_again, NULL, NULL, "abandon forks again");
	cells_add(&all, close_of_renewed, NULL, NULL, "the close of a renewed one forks");
	cells_add(&all, check_of_kept, NULL, NULL, "the check of a kept one forks");
	cells_add(&all, second_acquired, NULL, NULL, "the second ACQUIRED forks");
	cells_add(&all, close_of_those_put_back, NULL, NULL, "a close forks as all go back");
	cells_add(&all, hook_at_the_gate, NULL, NULL, "a hook at the gate forks");
	cells_add(&all, ready_first_open, NULL, NULL, "wait_ready: the first open forks");
	cells_add(&all, ready_last_open, NULL, NULL, "wait_ready: the last open forks");
	return cells_run(&all, "fork many", argc, argv);
}
