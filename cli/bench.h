/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench: what `queuepool bench` was asked and what it measured, between the file that runs it and the one
 * that reports.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdio.h>

#include "lender.h"
#include "load.h"
#include "target.h"

struct bench_asked {
	const char *url;
	uint32_t capacity; /* 0: as the URL says, or the default; then what it came to */
	uint32_t threads;
	qpool_nsec duration; /* 0 when a count was asked for */
	uint64_t count;
	const char *sql, *sql_file; /* as given; at most one */
	qpool_nsec hold;
	bool no_pool;
	const char *json; /* a path, "-", or NULL */
	struct target_wishes wishes;
};

struct bench {
	struct bench_asked asked;
	struct target target;
	qpool_options options; /* the pool's, by the URL and the command line */
	char server[128];      /* what it said of itself, or "" */
	char *sql;             /* the text that is run */
	struct target_script script;
	struct lender lender;
	struct load_result result;
};

void bench_summary(const struct bench *bench, FILE *out);
/* EXIT_OK, or EXIT_FAILED and the line is said. */
int bench_json(const struct bench *bench);

#endif
