/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table: a run for people.  main comes in: the head before anything is measured, a workload as soon as
 * it is done, the end.
 */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "run.h"

void table_print_head(const run *all);
/* One workload: medians, min and max of its rounds. */
void table_print_work(const work *one);
/* Disturbed rounds, and every target with its figure. */
void table_print_end(const run *all);

#endif
