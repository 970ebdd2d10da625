/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rounds: how the samples of a workload are taken.  Every round takes one of each row, so that whatever
 * the machine does over minutes meets all of them alike.
 */
#ifndef BENCH_ROUNDS_H
#define BENCH_ROUNDS_H

#include "work.h"

/* A round that others disturbed is repeated at most this often, then dropped. */
enum { ROUNDS_REPEATS = 2 };

/* All rounds of a prepared workload.  `any_load`: keep disturbed ones, count them.  What repeats take
 * is taken off `spare_ns`, and when that is used up none is repeated: the run would not end when it
 * has promised to. */
void rounds_run(work *all, bool any_load, int64_t *spare_ns);

#endif
