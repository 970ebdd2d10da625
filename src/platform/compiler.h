/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * compiler: the few things the language leaves to the compiler.  Every other room of platform/ and core/
 * comes in here; extensions appear nowhere else.
 */
#ifndef QP_PLATFORM_COMPILER_H
#define QP_PLATFORM_COMPILER_H

#ifndef QP_DEBUG
#define QP_DEBUG 0 /* 1: is_valid() at every unlock, locks know their owner */
#endif
#ifndef QP_TESTING
#define QP_TESTING 0 /* 1: virtual clock and fault points, see testing.h */
#endif

#define QP_LIKELY(x)    __builtin_expect(!!(x), 1)
#define QP_UNLIKELY(x)  __builtin_expect(!!(x), 0)
#define QP_COLD         __attribute__((cold, noinline))
#define QP_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define QP_NORETURN     __attribute__((noreturn))
#define QP_THREAD_LOCAL _Thread_local
/* A function that reads what others write, on purpose; says beside it why that does no harm. */
#define QP_NO_TSAN __attribute__((no_sanitize("thread"), noinline))

#endif
