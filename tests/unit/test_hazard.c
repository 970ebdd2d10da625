/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who names a thing is waited for, and nobody else: no thread that has exited, and none that a fork left behind.
 */
#include "testing.h"

#include "platform/hazard_own.h"
#include "platform/park.h"
#include "platform/thread.h"

#include <sys/wait.h>
#include <unistd.h>

static int thing, other;

/* A thread that names `thing` until it is told to go. */
typedef struct holder {
	qp_thread thread;
	qp_atomic_u32 is_in, may_go, is_out;
} holder;

static void *
hold(void *argument)
{
	holder *h = argument;

	if (!qp_hazard_join())
		return NULL;
	qp_hazard_enter(qp_hazard_own(), &thing);
	qp_store_release(&h->is_in, 1);
	qp_unpark(&h->is_in, 1);
	while (qp_load_acquire(&h->may_go) == 0)
		(void)qp_park(&h->may_go, 0, QP_TIME_NEVER);
	qp_store_relaxed(&h->is_out, 1);
	qp_hazard_leave(qp_hazard_own());
	return NULL;
}

static void
begin_holding(holder *h)
{
	*h = (holder){0};
	assert_int_equal(qp_thread_start(&h->thread, "holder", hold, h), 0);
	while (qp_load_acquire(&h->is_in) == 0)
		(void)qp_park(&h->is_in, 0, QP_TIME_NEVER);
}

static void
let_go(holder *h)
{
	qp_store_release(&h->may_go, 1);
	qp_unpark(&h->may_go, 1);
}

static void *
look_at_own(void *argument)
{
	bool *fine = argument;

	*fine = qp_hazard_own() == NULL && qp_hazard_join() && qp_hazard_own() != NULL &&
	        qp_hazard_join();
	return NULL;
}

static void
a_thread_has_one_once_it_has_joined(void **state)
{
	bool fine = false;
	qp_thread thread;

	(void)state;
	assert_int_equal(qp_thread_start(&thread, "own", look_at_own, &fine), 0);
	qp_thread_join(&thread);
	assert_true(fine);
	qp_hazard_await(&thing); /* the roll no longer leads to a thread that has exited */
}

static void
who_names_it_is_waited_for(void **state)
{
	holder h;

	(void)state;
	begin_holding(&h);
	qp_hazard_await(&other);
	assert_int_equal(qp_load_relaxed(&h.is_out), 0);
	let_go(&h);
	qp_hazard_await(&thing);
	assert_int_equal(qp_load_relaxed(&h.is_out), 1);
	qp_thread_join(&h.thread);
}

/* Two threads, one of which is always inside: each enters before the other leaves. */
typedef struct relay {
	qp_atomic_u32 turn, ends;
} relay;

typedef struct runner {
	qp_thread thread;
	relay *relay;
	uint32_t place;
} runner;

static void *
run(void *argument)
{
	runner *r = argument;
	qp_atomic_u32 *turn = &r->relay->turn;

	if (!qp_hazard_join())
		return NULL;
	for (uint32_t next = r->place; qp_load_acquire(&r->relay->ends) == 0; next += 2) {
		while (qp_load_acquire(turn) < next && qp_load_acquire(&r->relay->ends) == 0)
			qp_yield();
		qp_hazard_enter(qp_hazard_own(), &thing);
		qp_store_release(
		    turn, next + 1); /* the other may enter, and then this one leaves */
		while (qp_load_acquire(turn) < next + 2 && qp_load_acquire(&r->relay->ends) == 0)
			qp_yield();
		qp_hazard_leave(qp_hazard_own());
	}
	return NULL;
}

static void
it_is_no_matter_that_somebody_is_always_inside(void **state)
{
	relay course = {0};
	runner runners[2];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		runners[i] = (runner){.relay = &course, .place = i};
		assert_int_equal(
		    qp_thread_start(&runners[i].thread, "runner", run, &runners[i]), 0);
	}
	while (qp_load_acquire(&course.turn) < 4)
		qp_yield();
	qp_hazard_await(&thing); /* each of them was outside at some moment */
	qp_store_release(&course.ends, 1);
	for (uint32_t i = 0; i < 2; i++)
		qp_thread_join(&runners[i].thread);
}

static void
threads_leave_in_any_order(void **state)
{
	enum { COUNT = 5 };
	static const int order[COUNT] = {2, 0, 4, 1, 3};
	holder h[COUNT];

	(void)state;
	for (int i = 0; i < COUNT; i++)
		begin_holding(&h[i]);
	for (int i = 0; i < COUNT; i++) {
		let_go(&h[order[i]]);
		qp_thread_join(&h[order[i]].thread);
	}
	qp_hazard_await(&thing);
}

static void
a_child_waits_for_nobody_of_its_parent(void **state)
{
	int status = -1;
	holder h;
	pid_t child;

	(void)state;
	assert_true(qp_hazard_join());
	begin_holding(&h);
	child = fork();
	if (child == 0) {
		bool was_on_it = qp_hazard_own() != NULL;
		qp_hazard_await(&thing);
		_exit(!was_on_it && qp_hazard_join() && qp_hazard_own() != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	let_go(&h);
	qp_thread_join(&h.thread);
	assert_int_equal(status, 0);
	assert_non_null(qp_hazard_own());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_thread_has_one_once_it_has_joined),
	    cmocka_unit_test(who_names_it_is_waited_for),
	    cmocka_unit_test(it_is_no_matter_that_somebody_is_always_inside),
	    cmocka_unit_test(threads_leave_in_any_order),
	    cmocka_unit_test(a_child_waits_for_nobody_of_its_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
