/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine: where and from what these figures come: a figure without this is worth nothing.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

typedef struct machine {
	char cpu[96];     /* the maker's words */
	char kernel[192]; /* "Linux 6.1.0 x86_64" */
	long cpus;        /* online */
	const char *compiler;
	const char *options; /* of the build */
	const char *engine;
	const char *library; /* version of the one that is loaded */
	const char *commit;  /* BENCH_COMMIT of the environment, else what was built */
} machine;

extern const char machine_built_from[]; /* a commit; commit.c.in */

machine machine_look(void);

#endif
