/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * assert: stands in front of src/platform/assert.h.  What a check reads is not part of what runs,
 * so no schedule may turn on it; and one that fails ends the execution, not the program.
 */
#ifndef EXPLORE_MODEL_ASSERT_H
#define EXPLORE_MODEL_ASSERT_H

#include "../../mute.h"
#include "platform/compiler.h"

#define QP_MUST(x)    (QP_LIKELY(x) ? (void)0 : qp_assert_fail("must be", #x, __FILE__, __LINE__))
#define QP_CHECK(x)   (world_mute(), QP_MUST(x), world_unmute())
#define QP_NEVER(why) qp_assert_fail("never", why, __FILE__, __LINE__)

QP_NORETURN QP_COLD void qp_assert_fail(
    const char *kind, const char *what, const char *file, int line);

#endif
