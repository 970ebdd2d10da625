/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pieces: where one statement of PostgreSQL's SQL ends and the next begins.  Whoever runs a text of several
 * statements one by one comes in.  It knows what may hide a semicolon, and judges nothing else.
 */
#ifndef CLI_PIECES_H
#define CLI_PIECES_H

#include <stdbool.h>
#include <stddef.h>

struct piece {
	const char *text; /* in the whole; without the blanks and comments around it */
	size_t length;
};

/* The next statement from *at on; *at moves behind it.  False: only blanks, comments and semicolons are
 * left.  What is not closed, a quote or a comment, reaches to the end of the text.  Backslashes escape in
 * E'' only: standard_conforming_strings is on, as it is unless somebody turned it off. */
bool pieces_next(const char **at, struct piece *out);

#endif
