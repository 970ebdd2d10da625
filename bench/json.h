/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * json: a run for programs.  The keys are described in README.md; they only grow.
 */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include "run.h"

/* Can `path` be written?  0, or an errno.  To be asked before measuring. */
int json_probe(const char *path);
/* All or nothing: a file that was there stays until the new one is whole. */
void json_write(const char *path, const run *all);

#endif
