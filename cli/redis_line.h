/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_line: a line of text as the words of one Redis command, by the rules of redis-cli: words are parted by
 * blanks; "..." with \n \r \t \" \\ \xHH, and '...' with \', may hold any.  Pure.
 */
#ifndef CLI_REDIS_LINE_H
#define CLI_REDIS_LINE_H

#include <stddef.h>

struct redis_line {
	int count;
	char **words; /* each with a NUL behind it, and perhaps some in it */
	size_t *lengths;
};

/* NULL, or what is wrong with the line; count 0 for an empty one.  Free it either way. */
const char *redis_line_read(struct redis_line *out, const char *text);
void redis_line_free(struct redis_line *line);

#endif
