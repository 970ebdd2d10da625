/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cell: one case of a matrix, run in a process of its own.  A cell that hangs, dies or leaks is named, and
 * the others still run.  Matrices come in; inside a cell any thread may say what must hold.
 */
#ifndef HARNESS_CELL_H
#define HARNESS_CELL_H

#include <stdbool.h>
#include <stddef.h>

/* Ends the cell, with its name and the place. */
#define CELL_MUST(x) ((x) ? (void)0 : cell_broken(__FILE__, __LINE__, "%s", #x))
/* The same for equal numbers, both shown. */
#define CELL_SAME(a, b) cell_same(__FILE__, __LINE__, #a, (long long)(a), (long long)(b))

#define CELL_SECONDS 60 /* longer than this is a hang, even on a busy machine under a sanitizer */

typedef struct cell {
	char name[120];
	void (*run)(const void *first, const void *second);
	const void *first, *second;
} cell;

/* Room for this many; grows as cells are added. */
typedef struct cells {
	cell *all;
	size_t count, room;
} cells;

void cells_add(cells *to, void (*run)(const void *, const void *), const void *first,
    const void *second, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Run all whose name holds argv[1], or all; frees.  What main returns. */
int cells_run(cells *which, const char *group, int argc, char **argv);

/* A cell that runs longer than this hangs; else CELL_SECONDS. */
void cells_limit(unsigned seconds);

void cell_broken(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void cell_same(const char *file, int line, const char *what, long long is, long long should_be);
/* Shown if the cell breaks: where it stands.  Static text. */
void cell_note(const char *text, long long number);

#endif
