/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_line: see the header.
 */
#include "redis_line.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int
hex(char digit)
{
	return digit >= '0' && digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

/* What stands after a backslash in "..."; returns how many bytes of the text it was. */
static size_t
unescape(const char *at, char *out)
{
	static const char names[] = "nrtba", meant[] = "\n\r\t\b\a";
	const char *name = *at != '\0' ? strchr(names, *at) : NULL;
	if (at[0] == 'x' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2])) {
		*out = (char)(hex(at[1]) * 16 + hex(at[2]));
		return 3;
	}
	*out = name != NULL ? meant[name - names] : *at;
	return 1;
}

/* One word, into `word`, which has room for all of the text; *at ends up behind it. */
static const char *
read_word(const char **at, char *word, size_t *length)
{
	char quote = '\0';
	const char *from = *at;
	for (*length = 0; *from != '\0' && (quote != '\0' || !isspace((unsigned char)*from));) {
		bool opens = quote == '\0' && (*from == '"' || *from == '\'');
		if (opens || *from == quote) {
			quote = opens ? *from : '\0';
			from++;
			if (!opens && *from != '\0' && !isspace((unsigned char)*from))
				return "after a closing quote comes a blank";
		} else if (*from == '\\' && from[1] != '\0' &&
			   (quote == '"' || (quote == '\'' && from[1] == '\''))) {
			from += 1 + unescape(from + 1, word + (*length)++);
		} else {
			word[(*length)++] = *from++;
		}
	}
	word[*length] = '\0';
	*at = from;
	return quote == '\0' ? NULL : "a quote is not closed";
}

/* A word of its own, taken over. */
static bool
add(struct redis_line *line, char *word, size_t length)
{
	size_t count = (size_t)line->count + 1;
	char **words = realloc(line->words, count * sizeof *words);
	if (words != NULL)
		line->words = words;
	size_t *lengths = words != NULL ? realloc(line->lengths, count * sizeof *lengths) : NULL;
	if (lengths == NULL) {
		free(word);
		return false;
	}
	line->lengths = lengths;
	line->words[count - 1] = word;
	line->lengths[count - 1] = length;
	line->count++;
	return true;
}

const char *
redis_line_read(struct redis_line *out, const char *text)
{
	memset(out, 0, sizeof *out);
	for (;;) {
		size_t length;
		while (isspace((unsigned char)*text))
			text++;
		if (*text == '\0')
			return NULL;
		char *word = malloc(strlen(text) + 1);
		if (word == NULL)
			return "out of memory";
		const char *fault = read_word(&text, word, &length);
		if (fault != NULL) {
			free(word);
			return fault;
		}
		if (!add(out, word, length))
			return "out of memory";
	}
}

void
redis_line_free(struct redis_line *line)
{
	for (int i = 0; i < line->count; i++)
		free(line->words[i]);
	free(line->words);
	free(line->lengths);
	memset(line, 0, sizeof *line);
}
