/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlstate: in verbose form an error reads "SEVERITY:  XXXXX: text", then lines such as DETAIL, and
 * at last "LOCATION:  function, file.c:123".  Severity and labels are translated; the two spaces, the
 * code with its colon and the shape of a location are not.  One message may hold the errors of
 * several tries (with TLS, then without): the last one counts, as for libpq itself.
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

/* Does the line end in ", name.c:digits"?  Words of an error do not. */
static bool
is_location(const char *line, size_t length)
{
	size_t at = length;

	while (at > 0 && isdigit((unsigned char)line[at - 1]))
		at--;
	if (at == length || at < 5 || memcmp(line + at - 3, ".c:", 3) != 0)
		return false;
	at -= 3;
	while (at > 0 && (isalnum((unsigned char)line[at - 1]) || line[at - 1] == '_'))
		at--;
	return at >= 2 && line[at - 1] == ' ' && line[at - 2] == ',';
}

static void
drop_locations(char *message)
{
	char *to = message, *from = message;

	while (*from != '\0') {
		size_t length = strcspn(from, "\n");
		size_t whole = length + (from[length] == '\n');

		if (!is_location(from, length)) {
			memmove(to, from, whole);
			to += whole;
		}
		from += whole;
	}
	*to = '\0';
	while (to > message && to[-1] == '\n')
		*--to = '\0';
}

void
qp_pg_sqlstate_take(char *message, char code[6])
{
	code[0] = '\0';
	for (char *at = message; (at = strstr(at, ":  ")) != NULL; at++)
		if (is_code(at + 3)) {
			memcpy(code, at + 3, 5);
			code[5] = '\0';
			/* "FATAL:  28P01: no" becomes "FATAL: no" */
			memmove(at + 2, at + 10, strlen(at + 10) + 1);
		}
	drop_locations(message);
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
