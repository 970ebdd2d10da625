/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pieces: token by token, as psql does it.  A semicolon ends a statement unless it is in quotes, in a
 * comment, in parentheses (CREATE RULE), or in the BEGIN ATOMIC ... END of a function.
 */
#include "pieces.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HEAD_WORDS 4 /* CREATE OR REPLACE FUNCTION */

/* What has been seen of a statement. */
struct seen {
	unsigned parentheses;
	unsigned blocks;       /* of BEGIN and CASE that have no END yet */
	unsigned words;        /* so far */
	char head[HEAD_WORDS]; /* letters of the first words, where they matter */
};

static bool
begins_word(char c)
{
	return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool
is_in_word(char c)
{
	return begins_word(c) || isdigit((unsigned char)c) || c == '$';
}

/* Each of these returns what follows what begins here. */

static const char *
after_quotes(const char *at, bool escapes)
{
	char quote = *at++;
	for (; *at != '\0'; at++) {
		bool escaped = escapes && at[0] == '\\' && at[1] != '\0';
		if (escaped || (at[0] == quote && at[1] == quote))
			at++;
		else if (at[0] == quote)
			return at + 1;
	}
	return at;
}

static const char *
after_line(const char *at)
{
	return at + strcspn(at, "\n");
}

static const char *
after_block_comment(const char *at)
{
	unsigned depth = 0;
	while (*at != '\0') {
		bool opens = at[0] == '/' && at[1] == '*';
		bool closes = at[0] == '*' && at[1] == '/';
		depth = depth + opens - closes;
		at += opens || closes ? 2 : 1;
		if (depth == 0)
			break;
	}
	return at;
}

/* $$...$$, $tag$...$tag$, or a parameter. */
static const char *
after_dollar(const char *at)
{
	size_t tag = 1;
	if (begins_word(at[1])) {
		while (is_in_word(at[tag]) && at[tag] != '$')
			tag++;
	}
	if (at[tag] != '$') {
		at++;
		return at + strspn(at, "0123456789");
	}
	tag++;
	const char *end = at + tag;
	while ((end = strchr(end, '$')) != NULL && strncmp(end, at, tag) != 0)
		end++;
	return end != NULL ? end + tag : at + strlen(at);
}

/* NULL: no comment and no blank begins here. */
static const char *
after_nothing(const char *at)
{
	if (at[0] == '-' && at[1] == '-')
		return after_line(at);
	if (at[0] == '/' && at[1] == '*')
		return after_block_comment(at);
	return *at != '\0' && isspace((unsigned char)*at) ? at + 1 : NULL;
}

/* ---- the body of a function in SQL ---------------------------------------------------- */

static bool
is_word(const char *word, size_t length, const char *known)
{
	return strlen(known) == length && strncasecmp(word, known, length) == 0;
}

static bool
creates_routine(const struct seen *seen)
{
	const char *head = seen->head;
	if (head[0] != 'c')
		return false;
	if (head[1] == 'o' && head[2] == 'r')
		head += 2;
	return head[1] == 'f' || head[1] == 'p';
}

static void
note_word(struct seen *seen, const char *word, size_t length)
{
	static const char *const heads[] = {
	    "create", "or", "replace", "function", "procedure", NULL};
	for (size_t i = 0; heads[i] != NULL && seen->words < HEAD_WORDS; i++) {
		if (is_word(word, length, heads[i]))
			seen->head[seen->words] = heads[i][0];
	}
	seen->words++;
	if (seen->parentheses > 0 || !creates_routine(seen))
		return;
	if (is_word(word, length, "begin") || (is_word(word, length, "case") && seen->blocks > 0))
		seen->blocks++;
	else if (is_word(word, length, "end") && seen->blocks > 0)
		seen->blocks--;
}

static const char *
after_word(struct seen *seen, const char *at)
{
	size_t length = 1;
	while (is_in_word(at[length]))
		length++;
	if (at[length] == '\'' && is_word(at, length, "e"))
		return after_quotes(at + length, true);
	note_word(seen, at, length);
	return at + length;
}

/* ---- one statement -------------------------------------------------------------------- */

static const char *
after_token(struct seen *seen, const char *at)
{
	if (begins_word(*at))
		return after_word(seen, at);
	if (*at == '\'' || *at == '"')
		return after_quotes(at, false);
	if (*at == '$')
		return after_dollar(at);
	if (*at == '(')
		seen->parentheses++;
	else if (*at == ')' && seen->parentheses > 0)
		seen->parentheses--;
	return at + 1;
}

bool
pieces_next(const char **at, struct piece *out)
{
	struct seen seen = {0};
	const char *begin = NULL;
	const char *end = NULL;
	while (**at != '\0') {
		const char *skipped = after_nothing(*at);
		if (skipped != NULL) {
			*at = skipped;
		} else if (**at == ';' && seen.parentheses == 0 && seen.blocks == 0) {
			++*at;
			if (begin != NULL)
				break;
		} else {
			begin = begin != NULL ? begin : *at;
			*at = end = after_token(&seen, *at);
		}
	}
	if (begin == NULL)
		return false;
	*out = (struct piece){.text = begin, .length = (size_t)(end - begin)};
	return true;
}
