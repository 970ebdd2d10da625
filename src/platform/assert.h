/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * assert: three ways to say "this is so", told apart by their cost.  Every room calls in.  None has
 * a side effect; each ends the process with one line naming the place, because a pool that went on
 * after a broken invariant would lend one connection to two threads.
 */
#ifndef QP_PLATFORM_ASSERT_H
#define QP_PLATFORM_ASSERT_H

#include "platform/compiler.h"

/* Cheap, and stays on in release builds. */
#define QP_MUST(x) (QP_LIKELY(x) ? (void)0 : qp_assert_fail("must be", #x, __FILE__, __LINE__))
/* May be slow; debug builds only. */
#define QP_CHECK(x) (!QP_DEBUG || (x) ? (void)0 : qp_assert_fail("must be", #x, __FILE__, __LINE__))
/* A place that cannot be reached. */
#define QP_NEVER(why) qp_assert_fail("never", why, __FILE__, __LINE__)

QP_NORETURN QP_COLD void qp_assert_fail(
    const char *kind, const char *what, const char *file, int line);

#endif
