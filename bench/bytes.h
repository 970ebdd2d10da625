/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bytes: the other half of W8.  main comes in, when this program was started to weigh one pool and say so.
 */
#ifndef BENCH_BYTES_H
#define BENCH_BYTES_H

#define BYTES_OPTION "--weigh"

void bytes_answer(const char *name);

#endif
