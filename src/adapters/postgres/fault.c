/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: composes in a longer buffer, joins lines there, and cuts last.  Any room comes in.
 * Nothing here reads a password: what is quoted are the server's and libpq's words.
 */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

/* Longer than any message, so that joining lines loses nothing that would have been shown. */
enum { ROOM = 1024, FIELD = 512 };

static bool
is_break(char letter)
{
	return letter == '\n' || letter == '\r';
}

static bool
is_blank(char letter)
{
	return is_break(letter) || letter == ' ' || letter == '\t';
}

static char
clean_letter(char letter)
{
	return (unsigned char)letter < ' ' || letter == 0x7f ? '?' : letter;
}

/* How many bytes the UTF-8 character here has; 0: it is none, as in a database of another encoding. */
static size_t
character(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

	if (length == 1)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than it must be, half of a pair, beyond the last one. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90))
		return 0;
	return length;
}

/* One line of `from`, into `to` of `room` bytes.  Blanks around a line break go with it, and so does
 * a break at the end.  `from` may be `to` if `is_tight`: then nothing grows, and a break that is
 * one byte becomes ';' alone. */
static void
join(const char *from, char *to, size_t room, bool is_tight)
{
	size_t at = 0;

	while (*from != '\0' && at + 1 < room) {
		size_t blank = 0;
		bool breaks = false;
		for (; is_blank(from[blank]); blank++)
			breaks = breaks || is_break(from[blank]);
		if (!breaks) {
			size_t length = character(from);
			if (at + length >= room)
				break;
			memmove(to + at, from, length);
			if (length < 2)
				to[at] = length == 0 ? '?' : clean_letter(*from);
			at += length > 0 ? length : 1;
			from += length > 0 ? length : 1;
			continue;
		}
		from += blank;
		if (*from == '\0' || at == 0)
			continue;
		to[at++] = ';';
		if (at + 1 < room && (!is_tight || blank > 1))
			to[at++] = ' ';
	}
	to[at] = '\0';
}

void
qp_pg_fault_clean(char *text)
{
	join(text, text, strlen(text) + 1, true);
}

size_t
qp_pg_fault_boundary(const char *text, size_t most)
{
	size_t length = strnlen(text, most + 1);

	if (length <= most)
		return length;
	for (length = most; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80;)
		length--;
	return length;
}

static void
write_message(qpool_error *error, const char *text)
{
	char line[ROOM];
	size_t length;

	join(text, line, sizeof line, false);
	length = qp_pg_fault_boundary(line, sizeof error->message - 1);
	memcpy(error->message, line, length);
	error->message[length] = '\0';
}

qpool_err
qp_pg_fault_say(qpool_error *error, qpool_err code, const char *format, ...)
{
	char text[ROOM];
	va_list arguments;

	if (error == NULL)
		return code;
	va_start(arguments, format);
	if (vsnprintf(text, sizeof text, format, arguments) < 0)
		text[0] = '\0';
	va_end(arguments);
	memset(error, 0, sizeof *error);
	error->code = code;
	write_message(error, text);
	return code;
}

static void
write_native(qpool_error *error, const char *sqlstate)
{
	if (error != NULL && sqlstate != NULL)
		(void)snprintf(error->native, sizeof error->native, "%.5s", sqlstate);
}

/* "; " and the field, if all of it fits: half a hint misleads. */
static void
append_whole(qpool_error *error, const char *field)
{
	size_t at = strlen(error->message), length;
	char line[FIELD];

	if (field == NULL || strlen(field) >= sizeof line / 2)
		return;
	join(field, line, sizeof line, false);
	length = strlen(line);
	if (length == 0 || at + 2 + length >= sizeof error->message)
		return;
	memcpy(error->message + at, "; ", 2);
	memcpy(error->message + at + 2, line, length + 1);
}

qpool_err
qp_pg_fault_result(qpool_error *error, qpool_err code, const char *what, const PGresult *result)
{
	const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (error == NULL)
		return code;
	/* Only the server sends fields; what libpq itself found is in the whole message. */
	if (words == NULL)
		words = PQresultErrorMessage(result);
	if (words == NULL || words[0] == '\0')
		words = "no answer came";
	(void)qp_pg_fault_say(error, code, "%s: %.800s", what, words);
	append_whole(error, PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
	append_whole(error, PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
	write_native(error, PQresultErrorField(result, PG_DIAG_SQLSTATE));
	return code;
}

qpool_err
qp_pg_fault_conn(qpool_error *error, qpool_err code, const char *what, const PGconn *conn)
{
	const char *words = PQerrorMessage(conn);

	if (words == NULL || words[0] == '\0')
		words = "the connection is lost";
	return qp_pg_fault_say(error, code, "%s: %.800s", what, words);
}

qpool_err
qp_pg_fault_callback(qpool_error *error, qpool_err code, const char *what, const qpool_error *words)
{
	if (error == NULL)
		return code;
	if (words->message[0] != '\0')
		(void)qp_pg_fault_say(
		    error, code, "%.*s", (int)sizeof words->message, words->message);
	else
		(void)qp_pg_fault_say(error, code, "postgres: %s failed without a word: %s", what,
		    qpool_err_text(code));
	(void)snprintf(error->native, sizeof error->native, "%.*s", (int)sizeof words->native - 1,
	    words->native);
	error->sys_errno = words->sys_errno;
	return code;
}
