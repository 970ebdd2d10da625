/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child: another process that is told one line and answers one.  W8 comes in, with this program once more, and
 * rivals in other languages.  A child ends when its stdin does, so none outlives this program by more than
 * the work it is at.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct child {
	pid_t pid; /* 0: none runs */
	FILE *to, *from;
} child;

/* Words end with NULL; the first is looked for in PATH.  False: it could not be started, and errno says why. */
bool child_start(child *one, char *const *words);
/* False: it has ended, or did not answer in time. */
bool child_ask(child *one, const char *line, char *answer, int room, int64_t patience_ns);
/* Returns when it has ended; one that does not is killed. */
void child_end(child *one);
/* CPU time so far; 0 for none. */
int64_t child_cpu_ns(const child *one);

#endif
