/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * terminal: what the other end of a stream can show: colour, a line rewritten in place, how wide.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

enum terminal_paint { PAINT_PLAIN, PAINT_BOLD, PAINT_DIM, PAINT_GOOD, PAINT_BAD };

/* The escape sequence, or "" where there is no colour: not a terminal, TERM=dumb, NO_COLOR set. */
const char *terminal_paint(FILE *stream, enum terminal_paint paint);
/* May a line be rewritten in place? */
bool terminal_live(FILE *stream);
unsigned terminal_columns(FILE *stream);
bool terminal_utf8(void);

#endif
