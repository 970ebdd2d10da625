/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * figure: numbers as people read them: counts, rates and how one compares with another.
 */
#ifndef CLI_FIGURE_H
#define CLI_FIGURE_H

#include <stddef.h>
#include <stdint.h>

struct figure_text {
	char text[48];
};

/* "31,204".  By value, so that several may stand in one call: figure_count(n).text */
struct figure_text figure_count(uint64_t count);
struct figure_text figure_rate(double rate);     /* "31,204", "12.3" when it is small */
struct figure_text figure_duration(int64_t ns);  /* "1.94 ms" */
struct figure_text figure_percent(double share); /* 0.031 is "3 %" */
struct figure_text figure_times(double factor);  /* "8.2 times" */

#endif
