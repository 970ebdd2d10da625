/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * choice: whatever could go on in more than one way is asked here.  Option 0 is always the plain
 * one (go on), so an execution is known by its marks: the choices that were not 0.  Marks are what
 * a failure prints and what replays it.  choice does not know what it chooses.
 */
#ifndef EXPLORE_CHOICE_H
#define EXPLORE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At place number `at` of an execution, counted from 1, the choice was `option`.  Several at one
 * place follow each other. */
typedef struct choice_mark {
	uint32_t at, option;
} choice_mark;

/* From now on try all executions with at most so many costly choices. */
void choice_search(unsigned most);
/* From now on choose by the seed given to choice_begin. */
void choice_random(void);
/* From now on choose as these marks say; they are copied. */
void choice_replay(const choice_mark *given, size_t count);

bool choice_is_search(void);

/* A new execution. */
void choice_begin(uint64_t seed);
/* The next place where something is chosen, once or more often. */
void choice_place(void);
/* Where going on is possible: does it go on?  If not, ask choice_make next.  A search looks no
 * further where nothing `hangs` on the choice. */
bool choice_goes_on(bool hangs);
/* One of `options`, the first `cheap` of which cost nothing.  `options` itself: a search found another
 * choice here than the last time, so the execution is not under control. */
unsigned choice_make(unsigned options, unsigned cheap);
/* A search: is there another execution?  To be asked after each.  `anew`: begin the search again. */
bool choice_next(bool anew);

/* The marks of this execution. */
const choice_mark *choice_marks(size_t *count);
/* "12:1,40:2" to marks and back.  Parse returns a count, or -1; *out is the caller's to free. */
long choice_parse(const char *text, choice_mark **out);
void choice_print(const choice_mark *list, size_t count);

#endif
