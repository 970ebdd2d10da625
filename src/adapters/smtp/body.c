/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * body: a CR is written as a whole line end at once, so that nothing is kept back between pieces;
 * a LF right behind it is then left out.  No lone CR or LF ever goes out: servers that end lines by
 * one would see lines, and an end of the mail, that others do not.
 */
#include "body.h"

#include <string.h>

void
qp_smtp_body_begin(qp_smtp_body *body)
{
	memset(body, 0, sizeof *body);
}

static size_t
put(char *out, size_t at, char letter)
{
	if (out != NULL)
		out[at] = letter;
	return at + 1;
}

static size_t
end_line(qp_smtp_body *body, char *out, size_t at)
{
	body->is_inside = false;
	body->size += 2;
	at = put(out, at, '\r');
	return put(out, at, '\n');
}

size_t
qp_smtp_body_feed(qp_smtp_body *body, const char *bytes, size_t length, char *out)
{
	size_t at = 0;

	for (size_t i = 0; i < length; i++) {
		char letter = bytes[i];
		bool is_second_half = letter == '\n' && body->was_cr;
		body->was_cr = letter == '\r';
		if (is_second_half)
			continue;
		if (letter == '\r' || letter == '\n') {
			at = end_line(body, out, at);
			continue;
		}
		if (letter == '.' && !body->is_inside)
			at = put(out, at, '.');
		at = put(out, at, letter);
		body->is_inside = true;
		body->has_8bit = body->has_8bit || (unsigned char)letter >= 0x80;
		body->size++;
	}
	return at;
}

size_t
qp_smtp_body_end(qp_smtp_body *body, char out[QP_SMTP_BODY_END])
{
	size_t at = 0;

	if (body->is_inside)
		at = end_line(body, out, at);
	memcpy(out + at, ".\r\n", 3);
	return at + 3;
}
