/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtual: a test in virtual time, which stands at 1,000 s until the test moves it.
 */
#ifndef UNIT_VIRTUAL_H
#define UNIT_VIRTUAL_H

#include "testing.h"

#include "platform/testing.h"

static inline int
begin_virtual_time(void **state)
{
	(void)state;
	qp_testing_clock_virtual(QPOOL_SEC(1000));
	return 0;
}

static inline int
end_virtual_time(void **state)
{
	(void)state;
	qp_testing_clock_real();
	return 0;
}

#define VIRTUAL(test) cmocka_unit_test_setup_teardown(test, begin_virtual_time, end_virtual_time)

#endif
