/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fail: the one way out when the benchmark itself cannot go on.  Any thread may come in.
 */
#ifndef BENCH_FAIL_H
#define BENCH_FAIL_H

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Says "bench: " and the sentence, and ends the program with EXIT_FAILED. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
