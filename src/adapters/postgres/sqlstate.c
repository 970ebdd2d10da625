/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlstate: in verbose form an error reads "SEVERITY:  XXXXX: text", then lines such as DETAIL, and
 * at last "LOCATION:  function, file.c:123".  Severity and labels are translated, and around a
 * location's colon there may be blanks; the two spaces, the code with its colon and the rest of a
 * location are not.  One message may hold the errors of several tries (with TLS, then without): the
 * last one counts, as for libpq itself.  The text quotes names, in which anything may stand: so only
 * the first code of a line counts, and from servers that send locations (poolers do not) only the
 * first one after each.
 */
#include "sqlstate.h"

#include <ctype.h>

static bool
is_code(const char *at)
{
	for (int i = 0; i < 5; i++)
		if (!isdigit((unsigned char)at[i]) && !(at[i] >= 'A' && at[i] <= 'Z'))
			return false;
	return at[5] == ':' && at[6] == ' ';
}

static bool
is_name(char letter)
{
	return isalnum((unsigned char)letter) || letter == '_';
}

/* Blanks, also those that are no ASCII. */
static bool
is_gap(char letter)
{
	return letter == ' ' || (unsigned char)letter >= 0x80;
}

static bool
is_digit(char letter)
{
	return isdigit((unsigned char)letter);
}

/* Where the letters of a kind that end at `at` begin. */
static size_t
before(const char *line, size_t at, bool (*is_kind)(char))
{
	while (at > 0 && is_kind(line[at - 1]))
		at--;
	return at;
}

/* Does the line end in ", name.c:digits"?  Words of an error do not. */
static bool
is_location(const char *line, size_t length)
{
	size_t at = before(line, length, is_digit);

	if (at == length)
		return false;
	at = before(line, at, is_gap);
	if (at == 0 || line[--at] != ':')
		return false;
	at = before(line, at, is_gap);
	if (at < 2 || memcmp(line + at - 2, ".c", 2) != 0)
		return false;
	at = before(line, at - 2, is_name);
	return at >= 2 && line[at - 1] == ' ' && line[at - 2] == ',';
}

/* The line's length, with its break in *whole. */
static size_t
measure(const char *line, size_t *whole)
{
	size_t length = strcspn(line, "\n");

	*whole = length + (line[length] == '\n');
	return length;
}

static bool
has_locations(const char *message)
{
	size_t whole;

	for (; *message != '\0'; message += whole)
		if (is_location(message, measure(message, &whole)))
			return true;
	return false;
}

/* "FATAL:  28P01: no" becomes "FATAL: no".  How much shorter the message is now. */
static size_t
take_code(char *line, size_t length, char code[6])
{
	for (char *at = line; (at = strstr(at, ":  ")) != NULL && at < line + length; at++)
		if (is_code(at + 3)) {
			memcpy(code, at + 3, 5);
			code[5] = '\0';
			memmove(at + 2, at + 10, strlen(at + 10) + 1);
			return 8;
		}
	return 0;
}

void
qp_pg_sqlstate_take(char *message, char code[6])
{
	bool ends_by_location = has_locations(message), is_next = true;
	char *line = message;

	code[0] = '\0';
	while (*line != '\0') {
		size_t whole, length = measure(line, &whole);

		if (is_location(line, length)) {
			memmove(line, line + whole, strlen(line + whole) + 1);
			is_next = true;
			continue;
		}
		if (is_next || !ends_by_location) {
			size_t taken = take_code(line, length, code);
			is_next = is_next && taken == 0;
			whole -= taken;
		}
		line += whole;
	}
	while (line > message && line[-1] == '\n')
		*--line = '\0';
}

bool
qp_pg_sqlstate_is(const char *code, const char *class_or_code)
{
	return strncmp(code, class_or_code, strlen(class_or_code)) == 0;
}

qpool_err
qp_pg_sqlstate_of_connect(const char *code)
{
	if (qp_pg_sqlstate_is(code, "28") || qp_pg_sqlstate_is(code, "3D000"))
		return QPOOL_EDENIED;
	return qp_pg_sqlstate_is(code, "53300") ? QPOOL_EFULL : QPOOL_EOPEN;
}
