/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wall: each primitive does what its header says, on the real system, before anything is built on it.
 */
#include "testing.h"

#include "platform/alloc.h"
#include "platform/clock.h"
#include "platform/forkmark.h"
#include "platform/lock.h"
#include "platform/membarrier.h"
#include "platform/output.h"
#include "platform/park.h"
#include "platform/random.h"
#include "platform/testing.h"
#include "platform/thread.h"
#include "platform/wakeup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void
deadlines_saturate(void **state)
{
	(void)state;
	assert_int_equal(qp_clock_after(5, 7), 12);
	assert_int_equal(qp_clock_after(5, INT64_MAX), QP_TIME_NEVER);
	assert_int_equal(qp_clock_after(INT64_MAX - 3, 3), QP_TIME_NEVER);
	assert_int_equal(qp_clock_after(INT64_MAX - 3, 2), INT64_MAX - 1);
	assert_int_equal(qp_clock_after(-5, 7), 2);
	assert_int_equal(qp_clock_after(-5, INT64_MAX), QP_TIME_NEVER);
	assert_int_equal(qp_clock_after(0, INT64_MAX), QP_TIME_NEVER);
}

static void
clocks_are_monotonic_and_coarse_lags(void **state)
{
	int64_t before = qp_clock_now(), coarse = qp_clock_coarse(), after = qp_clock_now();

	(void)state;
	assert_true(before > 0 && before <= after);
	assert_true(coarse <= after);
}

static void
park_returns_at_once_when_the_word_differs(void **state)
{
	qp_atomic_u32 word = {1};

	(void)state;
	errno = 77;
	assert_int_equal(qp_park(&word, 0, QP_TIME_NEVER), QP_PARK_LOOK);
	assert_int_equal(errno, 77);
}

static void
park_is_never_early(void **state)
{
	qp_atomic_u32 word = {0};
	int64_t deadline = qp_clock_now() + 2000000;

	(void)state;
	while (qp_park(&word, 0, deadline) != QP_PARK_DEADLINE)
		continue;
	assert_true(qp_clock_now() >= deadline);
	assert_int_equal(qp_park(&word, 0, 0), QP_PARK_DEADLINE);
}

static void *
store_and_unpark(void *argument)
{
	qp_atomic_u32 *word = argument;

	qp_store_release(word, 1);
	qp_unpark(word, 1);
	return NULL;
}

static void
unpark_wakes_the_parked(void **state)
{
	qp_atomic_u32 word = {0};
	pthread_t other;

	(void)state;
	actor_runs(&other, store_and_unpark, &word);
	while (qp_load_acquire(&word) == 0)
		(void)qp_park(&word, 0, QP_TIME_NEVER);
	pthread_join(other, NULL);
}

static void
ignore(int signal)
{
	(void)signal;
}

static void *
hammer_with_signals(void *argument)
{
	pthread_t *target = argument;

	for (int i = 0; i < 200; i++) {
		pthread_kill(*target, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

static void
a_signal_is_told_apart(void **state)
{
	struct sigaction action = {.sa_handler = ignore}, before;
	qp_atomic_u32 word = {0};
	int64_t limit = qp_clock_now() + 5000000000;
	pthread_t self = pthread_self(), other;
	bool seen = false;

	(void)state;
	sigaction(SIGUSR1, &action, &before);
	while (!seen && qp_clock_now() < limit) {
		actor_runs(&other, hammer_with_signals, &self);
		seen = qp_park(&word, 0, qp_clock_now() + 20000000) == QP_PARK_SIGNAL;
		pthread_join(other, NULL);
	}
	sigaction(SIGUSR1, &before, NULL);
	assert_true(seen);
}

typedef struct hammering {
	pthread_t target;
	qp_atomic_u32 word;
} hammering;

static void *
hammer_then_unpark(void *argument)
{
	hammering *h = argument;

	for (int i = 0; i < 2000; i++) {
		pthread_kill(h->target, SIGUSR1);
		sched_yield();
	}
	return store_and_unpark(&h->word);
}

/* What signal(2) installs: the system call is restarted where the kernel can do that. */
static void
a_signal_is_told_apart_for_ever_and_with_restart(void **state)
{
	struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART}, before;
	int64_t limit = qp_clock_now() + 5000000000;
	pthread_t other;
	bool seen = false;

	(void)state;
	sigaction(SIGUSR1, &action, &before);
	/* Again, where all the signals of a round came before the sleep. */
	while (!seen && qp_clock_now() < limit) {
		hammering h = {.target = pthread_self()};
		actor_runs(&other, hammer_then_unpark, &h);
		while (qp_load_acquire(&h.word) == 0)
			seen = qp_park(&h.word, 0, QP_TIME_NEVER) == QP_PARK_SIGNAL || seen;
		pthread_join(other, NULL);
	}
	sigaction(SIGUSR1, &before, NULL);
	assert_true(seen);
}

static void *
advance_by_a_second(void *argument)
{
	(void)argument;
	qp_testing_await_parked(1);
	assert_int_equal(qp_testing_next_deadline(), 3000000000);
	qp_testing_clock_advance(1000000000);
	qp_testing_await_parked(1);
	qp_testing_clock_advance(1000000000);
	return NULL;
}

static void
virtual_time_moves_only_when_told(void **state)
{
	qp_atomic_u32 word = {0};
	pthread_t other;

	(void)state;
	qp_testing_clock_virtual(1000000000);
	assert_int_equal(qp_clock_now(), 1000000000);
	assert_int_equal(qp_clock_coarse(), 1000000000);
	actor_runs(&other, advance_by_a_second, NULL);
	assert_int_equal(qp_park(&word, 0, 3000000000), QP_PARK_DEADLINE);
	pthread_join(other, NULL);
	assert_int_equal(qp_clock_now(), 3000000000);
	qp_testing_clock_real();
}

static void
the_nth_allocation_fails_and_keeps_errno(void **state)
{
	void *first, *second;

	(void)state;
	qp_testing_fail(QP_FAULT_ALLOC, 2, false);
	errno = 5;
	first = qp_alloc_zero(1, 8);
	second = qp_alloc_zero(1, 8);
	assert_non_null(first);
	assert_null(second);
	assert_int_equal(errno, 5);
	assert_int_equal(qp_testing_calls(QP_FAULT_ALLOC), 2);
	qp_testing_fail(QP_FAULT_ALLOC, 0, false);
	qp_alloc_free(first);
	char *copy = qp_alloc_text("abc");
	assert_string_equal(copy, "abc");
	qp_alloc_free(copy);
}

static void *
note_thread(void *argument)
{
	char name[16] = "";
	sigset_t blocked;

	pthread_getname_np(pthread_self(), name, sizeof name);
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	*(bool *)argument = strcmp(name, "qp:test") == 0 && sigismember(&blocked, SIGTERM) == 1;
	*qp_thread_pocket() = argument;
	return NULL;
}

static void
threads_are_named_and_take_no_signals(void **state)
{
	qp_thread thread;
	bool good = false;
	sigset_t mine;

	(void)state;
	/* The name is set after the start: park the thread's look behind the start by joining. */
	assert_int_equal(qp_thread_start(&thread, "qp:test", note_thread, &good), 0);
	qp_thread_join(&thread);
	pthread_sigmask(SIG_BLOCK, NULL, &mine);
	assert_false(sigismember(&mine, SIGTERM));
	assert_null(*qp_thread_pocket()); /* the other thread's pocket was its own */
}

static void
a_thread_start_can_be_made_to_fail(void **state)
{
	qp_thread thread;
	bool good;

	(void)state;
	qp_testing_fail(QP_FAULT_THREAD, 1, false);
	assert_int_equal(qp_thread_start(&thread, "qp:no", note_thread, &good), EAGAIN);
	qp_testing_fail(QP_FAULT_THREAD, 0, false);
}

static void
a_refused_thread_keeps_errno(void **state)
{
	pthread_attr_t usual, huge;
	qp_thread thread;
	int failed;

	(void)state;
	assert_int_equal(pthread_getattr_default_np(&usual), 0);
	assert_int_equal(pthread_getattr_default_np(&huge), 0);
	assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 50), 0);
	assert_int_equal(pthread_setattr_default_np(&huge), 0);
	errno = 4321;
	failed = qp_thread_start(&thread, "huge", store_and_unpark, NULL);
	assert_int_equal(errno, 4321);
	assert_int_equal(pthread_setattr_default_np(&usual), 0);
	assert_int_not_equal(failed, 0);
	pthread_attr_destroy(&huge);
	pthread_attr_destroy(&usual);
}

static void
a_wakeup_is_readable_once_raised(void **state)
{
	qp_wakeup wakeup;
	struct pollfd look;

	(void)state;
	assert_int_equal(qp_wakeup_open(&wakeup), 0);
	look = (struct pollfd){.fd = wakeup.fd, .events = POLLIN};
	assert_int_equal(poll(&look, 1, 0), 0);
	qp_wakeup_raise(&wakeup);
	qp_wakeup_raise(&wakeup);
	assert_int_equal(poll(&look, 1, 0), 1);
	qp_wakeup_clear(&wakeup);
	assert_int_equal(poll(&look, 1, 0), 0);
	qp_wakeup_close(&wakeup);
}

/* Forked first, before anybody watched, so that this child finds a kernel that wipes nothing. */
static void
without_a_wiped_page_the_handler_does(void **state)
{
	uint32_t here;
	pid_t child;
	int status;

	(void)state;
	child = fork();
	if (child == 0) {
		qp_testing_fail(QP_FAULT_WIPE, 1, true);
		if (qp_forkmark_watch() != 0 || qp_testing_calls(QP_FAULT_WIPE) != 1)
			_exit(1);
		here = qp_forkmark_now();
		child = fork();
		if (child == 0)
			_exit(here != 0 && qp_forkmark_now() == here + 1 ? 0 : 2);
		_exit(
		    waitpid(child, &status, 0) == child && status == 0 && qp_forkmark_now() == here
			? 0
			: 3);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void *
settles(void *now)
{
	*(uint32_t *)now = qp_forkmark_settle();
	return NULL;
}

/* No handler runs: the page is found wiped, and the fork is counted once, whoever looks. */
static void
a_child_of_a_raw_clone_knows_too(void **state)
{
	uint32_t here, seen[4];
	pthread_t threads[4];
	bool same = true;
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(qp_forkmark_watch(), 0);
	here = qp_forkmark_now();
	child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (child == 0) {
		same = qp_forkmark_now() == 0;
		for (unsigned i = 0; i < 4; i++)
			(void)pthread_create(&threads[i], NULL, settles, &seen[i]);
		for (unsigned i = 0; i < 4; i++) {
			(void)pthread_join(threads[i], NULL);
			same = same && seen[i] == here + 1;
		}
		_exit(same && qp_forkmark_now() == here + 1 ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(qp_forkmark_now(), here);
}

static void
a_child_knows_that_it_is_one(void **state)
{
	uint32_t here;
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(qp_forkmark_watch(), 0);
	assert_int_equal(qp_forkmark_watch(), 0);
	here = qp_forkmark_now();
	child = fork();
	if (child == 0)
		_exit(qp_forkmark_now() == here + 1 ? 0 : 1);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(qp_forkmark_now(), here);
}

static struct {
	int ends[2];
	char bytes[60000];
	bool written;
	qp_atomic_u32 signals, done;
} slow;

static void *
writes_all(void *argument)
{
	(void)argument;
	errno = 4321;
	slow.written =
	    qp_output_write(slow.ends[1], slow.bytes, sizeof slow.bytes) && errno == 4321;
	close(slow.ends[1]);
	qp_store_release(&slow.done, 1);
	return NULL;
}

static void
note_signal(int number)
{
	(void)number;
	(void)qp_add_release(&slow.signals, 1);
}

/* Stop it in the middle, by signals that do not restart system calls. */
static void
disturb(pthread_t writer)
{
	int waiting = 0;

	while (waiting < 4096) /* the pipe is full: it sleeps, or is about to */
		assert_int_equal(ioctl(slow.ends[0], FIONREAD, &waiting), 0);
	while (qp_load_acquire(&slow.signals) < 200 && qp_load_acquire(&slow.done) == 0) {
		assert_int_equal(pthread_kill(writer, SIGUSR1), 0);
		qp_yield();
	}
}

static void
output_comes_in_pieces_and_through_signals(void **state)
{
	struct sigaction before, action = {.sa_handler = note_signal};
	static char got[sizeof slow.bytes];
	size_t length = 0;
	pthread_t writer;

	(void)state;
	for (size_t i = 0; i < sizeof slow.bytes; i++)
		slow.bytes[i] = (char)(i * 7 % 251);
	assert_int_equal(pipe(slow.ends), 0);
	assert_int_equal(fcntl(slow.ends[1], F_SETPIPE_SZ, 4096), 4096);
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	assert_int_equal(pthread_create(&writer, NULL, writes_all, NULL), 0);
	disturb(writer);
	while (length < sizeof got) {
		ssize_t more = read(slow.ends[0], got + length, sizeof got - length);
		assert_true(more > 0);
		length += (size_t)more;
	}
	pthread_join(writer, NULL);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
	assert_true(slow.written);
	assert_memory_equal(got, slow.bytes, sizeof got);
	close(slow.ends[0]);
}

static void
output_that_cannot_be_written_is_left(void **state)
{
	int ends[2];

	(void)state;
	errno = 4321;
	assert_false(qp_output_write(-1, "x", 1));
	assert_true(qp_output_write(-1, "", 0));
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	errno = 4321;
	while (qp_output_write(ends[1], slow.bytes, sizeof slow.bytes))
		; /* until it is full, which is not waited out */
	assert_int_equal(errno, 4321);
	close(ends[0]);
	close(ends[1]);
}

static void *
note_id(void *argument)
{
	*(uint32_t *)argument = qp_thread_id();
	return NULL;
}

static void
a_thread_knows_its_number(void **state)
{
	uint32_t other = 0;
	qp_thread thread;

	(void)state;
	errno = 4321;
	assert_int_equal(qp_thread_id(), gettid());
	assert_int_equal(qp_thread_id(), gettid());
	assert_false(qp_thread_is_gone(qp_thread_id()));
	assert_int_equal(qp_thread_start(&thread, "qp:id", note_id, &other), 0);
	qp_thread_join(&thread);
	assert_int_not_equal(other, 0);
	assert_int_not_equal(other, gettid());
	while (!qp_thread_is_gone(other)) /* it was joined, but the system may be a moment behind */
		(void)sched_yield();
	assert_int_equal(errno, 4321);
}

static void
a_childs_thread_has_a_number_of_its_own(void **state)
{
	uint32_t here = qp_thread_id();
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(qp_thread_id() == (uint32_t)gettid() && qp_thread_id() != here ? 0 : 1);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(qp_thread_id(), here);
}

/* Whether there is one depends on the kernel and the sandbox; that it needs its permission first
 * does not. */
static void
a_membarrier_is_granted_or_refused_for_good(void **state)
{
	bool granted;

	(void)state;
	errno = ENOENT;
	assert_false(qp_membarrier());
	granted = qp_membarrier_begin();
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(qp_membarrier(), granted);
	assert_int_equal(errno, ENOENT);
}

static void
random_is_spread_and_bounded(void **state)
{
	uint64_t seed = 1;
	int64_t least = 1000, most = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int64_t draw = qp_random_upto(&seed, 1000);
		assert_in_range(draw, 0, 1000);
		least = draw < least ? draw : least;
		most = draw > most ? draw : most;
	}
	assert_true(least < 10 && most > 990);
	assert_int_equal(qp_random_upto(&seed, 0), 0);
	assert_int_not_equal(qp_random_seed(), qp_random_seed());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(deadlines_saturate),
	    cmocka_unit_test(clocks_are_monotonic_and_coarse_lags),
	    cmocka_unit_test(park_returns_at_once_when_the_word_differs),
	    cmocka_unit_test(park_is_never_early),
	    cmocka_unit_test(unpark_wakes_the_parked),
	    cmocka_unit_test(a_signal_is_told_apart),
	    cmocka_unit_test(a_signal_is_told_apart_for_ever_and_with_restart),
	    cmocka_unit_test(virtual_time_moves_only_when_told),
	    cmocka_unit_test(the_nth_allocation_fails_and_keeps_errno),
	    cmocka_unit_test(threads_are_named_and_take_no_signals),
	    cmocka_unit_test(a_thread_start_can_be_made_to_fail),
	    cmocka_unit_test(a_refused_thread_keeps_errno),
	    cmocka_unit_test(a_wakeup_is_readable_once_raised),
	    cmocka_unit_test(without_a_wiped_page_the_handler_does),
	    cmocka_unit_test(a_child_knows_that_it_is_one),
	    cmocka_unit_test(output_comes_in_pieces_and_through_signals),
	    cmocka_unit_test(output_that_cannot_be_written_is_left),
	    cmocka_unit_test(a_thread_knows_its_number),
	    cmocka_unit_test(a_childs_thread_has_a_number_of_its_own),
	    cmocka_unit_test(a_child_of_a_raw_clone_knows_too),
	    cmocka_unit_test(a_membarrier_is_granted_or_refused_for_good),
	    cmocka_unit_test(random_is_spread_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
