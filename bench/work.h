/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work: what a workload is, and what came of it.  A workload is a `work_kind` (one file work_*.c); a run
 * of it is a `work`, filled by rounds, read by table, json and targets.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "limit.h"
#include "peer.h"
#include "rivals.h"
#include "series.h"

#include <stdbool.h>
#include <stdint.h>

enum { WORK_METRICS = 20, WORK_ROWS = 48 };

/* How long a workload takes part: everyday, --quick, --smoke. */
typedef enum { PACE_FULL, PACE_QUICK, PACE_SMOKE, PACE_COUNT } work_pace;

typedef struct work_timing {
	unsigned rounds;
	int64_t ramp_ns, open_ns; /* of each sample, see gang.h */
} work_timing;

typedef struct work_metric {
	const char *key;     /* stable: the key in JSON */
	const char *heading; /* in the table; NULL: in JSON only */
	int digits;          /* behind the point */
} work_metric;

/* One line of the table: a pool, a limit of the machine, or a pool in another process. */
typedef struct work_row {
	const peer *peer;
	const limit *limit;
	rival *rival; /* two of the three are NULL */
	series metric[WORK_METRICS];
} work_row;

typedef struct work_kind {
	const char *id; /* "W1" */
	const char *title;
	unsigned bits; /* PEER_W..., all of which a peer must have */
	unsigned threads, capacity;
	/* What it needs beside the pools, begun before its first round and ended after its last; NULL:
	 * nothing.  And then the CPU time that all others have taken so far. */
	void (*begin)(void);
	void (*end)(void);
	int64_t (*others_ns)(void);
	work_timing timing[PACE_COUNT];
	work_metric metrics[WORK_METRICS]; /* up to the first without a key */
	/* One sample of a row: its metrics, NAN where it has none. */
	void (*measure)(const work_row *row, const work_timing *timing, double *out);
	/* After all rows of a round: the metrics that compare rows.  NULL: none. */
	void (*compare)(const work_row *rows, unsigned count, double (*round)[WORK_METRICS]);
} work_kind;

typedef struct work {
	const work_kind *kind;
	work_timing timing;
	work_row rows[WORK_ROWS];
	unsigned row_count;
	/* Of timing.rounds: `kept` gave figures, `dropped` never got an undisturbed one.  `repeated`
	 * counts the repeats, `disturbed` the kept ones that were disturbed (--any-load). */
	unsigned kept, dropped, repeated, disturbed;
	double took_s;
	double worst_load; /* the share of all CPUs that others took in the worst sample */
} work;

extern const work_kind work_w1, work_w2, work_w3, work_w3_1000, work_w4, work_w4_1000;
extern const work_kind work_w5_hot, work_w5_settled, work_w7, work_w7_2, work_w8, work_mixed;
extern const work_kind work_few, work_idle;
#ifdef BENCH_POSTGRES
extern const work_kind work_w6, work_w6_64;
#endif

unsigned work_metric_count(const work_kind *kind);
/* Index of a metric of this kind; it must exist. */
unsigned work_metric_index(const work_kind *kind, const char *key);
const char *work_row_name(const work_row *row);
const char *work_row_title(const work_row *row);
const char *work_row_kind(const work_row *row); /* "peer", "limit" or "rival" */
/* NULL: not there. */
const work_row *work_find_row(const work_row *rows, unsigned count, const char *name);
/* Over the rounds of one row; empty when the work did not run. */
const series *work_series(const work *all, const char *row, const char *metric);
/* Rows from limits and peers; with libraries and rivals, or without. */
void work_prepare(work *all, const work_kind *kind, work_pace pace, bool with_rivals);

#endif
