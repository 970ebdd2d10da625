/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QPOOL_STRICT: every kind of misuse is told, and then ends the process with the sentence.  Each in a process of
 * its own.
 */
#include "virtual.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char told[] = "told: ";

static void
tell(void *user, qpool *pool, const qpool_event *event)
{
	(void)user;
	(void)pool;
	if (event->type == QPOOL_EV_MISUSE)
		fprintf(stderr, "%s%s\n", told, event->error->message);
}

/* ---- kinds of misuse, each of a lease that has ended or from inside a callback ---- */

static qpool_lease
ended(qpool *pool)
{
	qpool_lease lease = must_acquire(pool), copy = lease;

	(void)qpool_release(&lease);
	return copy;
}

static void
release_twice(qpool *pool, fake *peer)
{
	qpool_lease lease = ended(pool);

	(void)peer;
	(void)qpool_release(&lease);
}

static void
discard_twice(qpool *pool, fake *peer)
{
	qpool_lease lease = ended(pool);

	(void)peer;
	(void)qpool_discard(&lease);
}

static void
spoil_too_late(qpool *pool, fake *peer)
{
	qpool_lease lease = ended(pool);

	(void)peer;
	(void)qpool_spoil(&lease);
}

static void
detach_too_late(qpool *pool, fake *peer)
{
	qpool_lease lease = ended(pool);

	(void)fake_detach(peer, &lease);
}

static void
get_times_too_late(qpool *pool, fake *peer)
{
	qpool_lease lease = ended(pool);
	qpool_times times = qpool_times_init();

	(void)peer;
	if (qpool_get_times(&lease, &times) == QPOOL_OK)
		abort();
}

static void
set_times_too_late(qpool *pool, fake *peer)
{
	qpool_lease lease = ended(pool);
	qpool_times times = qpool_times_init();

	(void)peer;
	if (qpool_set_times(&lease, &times) == QPOOL_OK)
		abort();
}

static void
run_inside(qpool *pool, fake *peer, fake_hook *hook)
{
	qpool_lease lease = must_acquire(pool);

	fake_hook_on(peer, FAKE_RESET, hook, pool);
	(void)qpool_release(&lease);
}

static void
do_acquire(fake *peer, fake_step step, void *pool)
{
	qpool_lease lease;

	(void)peer;
	(void)step;
	if (qpool_acquire(pool, QPOOL_FOREVER, &lease, NULL) == QPOOL_OK)
		(void)qpool_release(&lease);
}

static void
acquire_inside(qpool *pool, fake *peer)
{
	run_inside(pool, peer, do_acquire);
}

static void
do_acquire_many(fake *peer, fake_step step, void *pool)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease;

	(void)peer;
	(void)step;
	request.timeout = QPOOL_FOREVER;
	if (qpool_acquire_many(pool, 1, &request, &lease, NULL) == QPOOL_OK)
		(void)qpool_release(&lease);
}

static void
acquire_many_inside(qpool *pool, fake *peer)
{
	run_inside(pool, peer, do_acquire_many);
}

static void
do_stop(fake *peer, fake_step step, void *pool)
{
	(void)peer;
	(void)step;
	(void)qpool_stop(pool);
}

static void
stop_inside(qpool *pool, fake *peer)
{
	run_inside(pool, peer, do_stop);
}

static void
do_close(fake *peer, fake_step step, void *pool)
{
	(void)peer;
	(void)step;
	if (qpool_close(pool, QPOOL_FOREVER) == QPOOL_OK)
		abort();
}

static void
close_inside(qpool *pool, fake *peer)
{
	run_inside(pool, peer, do_close);
}

static void
do_wait_ready(fake *peer, fake_step step, void *pool)
{
	(void)peer;
	(void)step;
	if (qpool_wait_ready(pool, 1, QPOOL_FOREVER, NULL) == QPOOL_OK)
		abort();
}

static void
wait_ready_inside(qpool *pool, fake *peer)
{
	run_inside(pool, peer, do_wait_ready);
}

static void *
stops(void *pool)
{
	(void)qpool_stop(pool);
	return NULL;
}

/* The worker does not come out of its callback, so the stop goes on. */
static void
start_while_stopping(qpool *pool, fake *peer)
{
	qpool_lease lease = must_acquire(pool);
	pthread_t other;

	fake_gate_shut(peer, FAKE_CLOSE);
	if (qpool_start(pool, 1, NULL) != QPOOL_OK)
		exit(1);
	(void)qpool_discard(&lease);
	fake_gate_await(peer, FAKE_CLOSE, 1);
	actor_runs(&other, stops, pool);
	qp_testing_await_parked(1); /* it waits for the worker */
	if (qpool_start(pool, 1, NULL) == QPOOL_OK)
		abort();
}

static const struct {
	const char *name;
	void (*misuse)(qpool *pool, fake *peer);
} kinds[] = {
    {"release twice", release_twice},
    {"discard twice", discard_twice},
    {"spoil too late", spoil_too_late},
    {"detach too late", detach_too_late},
    {"get times too late", get_times_too_late},
    {"set times too late", set_times_too_late},
    {"acquire inside", acquire_inside},
    {"acquire many inside", acquire_many_inside},
    {"stop inside", stop_inside},
    {"close inside", close_inside},
    {"wait ready inside", wait_ready_inside},
    {"start while stopping", start_while_stopping},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

/* ---- the process that dies of it ---- */

static void
misuse_and_die(unsigned kind, uint32_t flags, int out)
{
	qpool_options o = qpool_options_init();
	fake *peer = fake_new();
	qpool *pool;

	(void)dup2(out, STDERR_FILENO);
	(void)setvbuf(stderr, NULL, _IONBF, 0);
	(void)signal(SIGABRT, SIG_DFL);
	(void)alarm(60);
	qp_testing_clock_virtual(QPOOL_SEC(1000));
	o.max_size = 1;
	o.flags = flags;
	o.on_event = tell;
	pool = pool_of(peer, fake_ops(), &o);
	kinds[kind].misuse(pool, peer);
	_exit(stats_of(pool).misuses == 1 ? 0 : 2);
}

static int
run(unsigned kind, uint32_t flags, char *said, size_t room)
{
	int ends[2], status;
	size_t length = 0;
	ssize_t more;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		misuse_and_die(kind, flags, ends[1]);
	(void)close(ends[1]);
	while (length < room - 1 && (more = read(ends[0], said + length, room - 1 - length)) > 0)
		length += (size_t)more;
	said[length] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
every_misuse_is_told_and_then_aborts(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		char said[2000], *message, *end;
		int status = run(kind, QPOOL_STRICT, said, sizeof said);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
			fail_msg(
			    "%s: status 0x%x, said '%s'", kinds[kind].name, (unsigned)status, said);
		end = strchr(said, '\n');
		if (end == NULL || strncmp(said, told, strlen(told)) != 0) {
			fail_msg("%s: told nothing, but said '%s'", kinds[kind].name, said);
			return;
		}
		message = said + strlen(told);
		*end = '\0';
		assert_ptr_equal(strstr(message, "pool 'fake': "), message);
		if (strncmp(end + 1, "queuepool: ", 11) != 0 || strstr(end + 1, message) == NULL)
			fail_msg("%s: last words '%s'", kinds[kind].name, end + 1);
	}
}

static void
without_strict_it_is_told_and_counted(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		char said[2000];
		int status = run(kind, 0, said, sizeof said);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg(
			    "%s: status 0x%x, said '%s'", kinds[kind].name, (unsigned)status, said);
		if (strncmp(said, told, strlen(told)) != 0)
			fail_msg("%s: told nothing, but said '%s'", kinds[kind].name, said);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_misuse_is_told_and_then_aborts),
	    cmocka_unit_test(without_strict_it_is_told_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
