/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * compiler: the hints and attributes that the language leaves to the compiler, under names of ours.
 * All other rooms of platform/ and core/ call in; it holds macros only, no code.
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
/* For a function that reads, on purpose, what others are writing; a comment there says why
 * that is harmless. */
#define QP_NO_TSAN __attribute__((no_sanitize("thread"), noinline))

#endif
