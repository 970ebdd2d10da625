/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pairs: get and put in a loop with nothing between them.  W1, W2 and W7 come in.
 */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include "work.h"

enum { PAIRS_THREADS = 2 }; /* at most */

/* ns per pair and thread of a sample.  `is_filled`: all that the pool may open is open before. */
double pairs_ns(const work_row *row, const work_timing *timing, unsigned threads, unsigned capacity,
    bool is_filled);
/* Get all of them, put all back. */
void pairs_fill(const peer *who, void *pool, unsigned capacity);

#endif
