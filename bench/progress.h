/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * progress: one line on a terminal that says what runs now; nothing at all anywhere else.
 */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

void progress_show(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_clear(void);

#endif
