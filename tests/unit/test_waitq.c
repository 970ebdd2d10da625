/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line: places, outcomes, and who may look.
 */
#include "testing.h"

#include "core/waitq.h"

static qp_waiter
waiter(qp_waitq *waitq)
{
	qp_waiter w;

	memset(&w, 0, sizeof w);
	w.ticket = qp_waitq_ticket(waitq);
	w.deadline_ns = 100;
	return w;
}

static void
one_that_comes_back_gets_its_old_place(void **state)
{
	qp_waitq waitq;
	qp_waiter a, b, c;

	(void)state;
	memset(&waitq, 0, sizeof waitq);
	a = waiter(&waitq);
	b = waiter(&waitq);
	c = waiter(&waitq);
	qp_waitq_join(&waitq, &a);
	qp_waitq_join(&waitq, &c);
	assert_true(qp_waitq_is_valid(&waitq));
	qp_waitq_join(&waitq, &b);
	assert_true(qp_waitq_is_valid(&waitq));
	assert_ptr_equal(a.next, &b);
	qp_waitq_leave(&waitq, &a);
	qp_waitq_join(&waitq, &a);
	assert_ptr_equal(waitq.head, &a);
	qp_waitq_leave(&waitq, &c);
	assert_ptr_equal(waitq.tail, &b);
	qp_waitq_leave(&waitq, &b);
	qp_waitq_leave(&waitq, &a);
	assert_true(qp_waitq_is_valid(&waitq) && waitq.count == 0);
}

static void
an_outcome_is_final_and_leaves_the_line(void **state)
{
	qp_waitq waitq;
	qp_waiter a, b;
	qp_slot slot;

	(void)state;
	memset(&waitq, 0, sizeof waitq);
	memset(&slot, 0, sizeof slot);
	a = waiter(&waitq);
	b = waiter(&waitq);
	qp_waitq_join(&waitq, &a);
	qp_waitq_join(&waitq, &b);
	qp_waitq_wake(&waitq, &a);
	assert_ptr_equal(waitq.woken, &a);
	assert_int_equal(qp_waitq_outcome(&a), QP_LOOKING);
	qp_waitq_serve(&waitq, &a, &slot);
	assert_null(waitq.woken);
	assert_int_equal(qp_waitq_outcome(&a), QP_SERVED);
	assert_ptr_equal(a.slot, &slot);
	qp_waitq_fail(&waitq, &b, QPOOL_ECLOSED);
	assert_int_equal(qp_waitq_outcome(&b), QP_FAILED);
	assert_int_equal(b.err, QPOOL_ECLOSED);
	assert_int_equal(waitq.count, 0);
}

static void
looking_ends_when_it_has_looked(void **state)
{
	qp_waitq waitq;
	qp_waiter a;

	(void)state;
	memset(&waitq, 0, sizeof waitq);
	a = waiter(&waitq);
	qp_waitq_join(&waitq, &a);
	qp_waitq_wake(&waitq, &a);
	qp_waitq_looked(&waitq, &a);
	assert_null(waitq.woken);
	assert_int_equal(qp_waitq_outcome(&a), QP_ASLEEP);
	qp_waitq_leave(&waitq, &a);
}

static void
past_the_deadline_a_waiter_refuses(void **state)
{
	qp_waitq waitq;
	qp_waiter a;

	(void)state;
	memset(&waitq, 0, sizeof waitq);
	a = waiter(&waitq);
	assert_false(qp_waitq_refuses(&a, 99));
	assert_true(qp_waitq_refuses(&a, 100));
	a.deadline_ns = QP_TIME_NEVER;
	assert_false(qp_waitq_refuses(&a, QP_TIME_NEVER - 1));
}

static void
a_broken_line_is_noticed(void **state)
{
	qp_waitq waitq;
	qp_waiter a, b;

	(void)state;
	memset(&waitq, 0, sizeof waitq);
	a = waiter(&waitq);
	b = waiter(&waitq);
	qp_waitq_join(&waitq, &a);
	qp_waitq_join(&waitq, &b);
	b.ticket = a.ticket;
	assert_false(qp_waitq_is_valid(&waitq));
	b.ticket = a.ticket + 1;
	waitq.count = 1;
	assert_false(qp_waitq_is_valid(&waitq));
	waitq.count = 2;
	waitq.woken = &a; /* but it does not look */
	assert_false(qp_waitq_is_valid(&waitq));
	waitq.woken = NULL;
	assert_true(qp_waitq_is_valid(&waitq));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_that_comes_back_gets_its_old_place),
	    cmocka_unit_test(an_outcome_is_final_and_leaves_the_line),
	    cmocka_unit_test(looking_ends_when_it_has_looked),
	    cmocka_unit_test(past_the_deadline_a_waiter_refuses),
	    cmocka_unit_test(a_broken_line_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
