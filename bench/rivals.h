/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rivals: pools in other languages, each in a process of its own that lives as long as the run and is asked for
 * one sample at a time, in the same rounds as all else; and rivals that are not here, with the reason.  Both
 * are lines of a file that the build writes: see bench/README.md.
 */
#ifndef BENCH_RIVALS_H
#define BENCH_RIVALS_H

#include "child.h"

#include <stdbool.h>
#include <stdint.h>

struct work_kind;
struct work_timing;

enum { RIVAL_WORDS = 12, RIVAL_TEXT = 240 };

typedef struct rival {
	char name[32], title[48];
	char works[96];           /* "W1,W2" */
	char *words[RIVAL_WORDS]; /* the command, NULL at the end */
	char line[1024];          /* where they stand */
	char why[RIVAL_TEXT];     /* it gives no figure; "" as long as it may */
	child process;
} rival;

extern rival rivals[];
extern unsigned rival_count;

/* Ends the program if there is no such file, or a line is none. */
void rivals_read(const char *path);
bool rival_takes_part(const rival *one, const struct work_kind *kind);
/* As work_kind.measure.  All NAN, and the reason in `why`, if it gave no figures. */
void rival_measure(
    rival *one, const struct work_kind *kind, const struct work_timing *timing, double *out);
/* What those that run have taken so far. */
int64_t rivals_cpu_ns(void);
void rivals_end(void);

#endif
