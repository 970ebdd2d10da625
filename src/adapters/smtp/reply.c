/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reply: a line is three digits, then a blank or the end (the last line) or a hyphen (one more
 * follows), then words, then LF with or without a CR before it.  All lines have the same code.
 */
#include "reply.h"

#include <string.h>
#include <strings.h>

void
qp_smtp_reply_begin(qp_smtp_reply *reply)
{
	memset(reply, 0, sizeof *reply);
	reply->heard = QP_SMTP_MORE;
}

static void
add(qp_smtp_reply *reply, char letter)
{
	if (reply->length + 1 >= sizeof reply->text)
		return;
	reply->text[reply->length++] = letter;
	reply->text[reply->length] = '\0';
}

/* Words of two lines stay apart. */
static void
add_word(qp_smtp_reply *reply, char letter)
{
	if (reply->column == 4 && reply->length > 0)
		add(reply, ' ');
	add(reply, letter >= ' ' && letter <= '~' ? letter : '?');
}

static qp_smtp_heard
take_digit(qp_smtp_reply *reply, char letter)
{
	if (letter < (reply->column == 0 ? '2' : '0') || letter > (reply->column == 0 ? '5' : '9'))
		return QP_SMTP_NONSENSE;
	reply->this_code = (reply->column == 0 ? 0 : reply->this_code * 10) + (letter - '0');
	if (reply->column < 2)
		return QP_SMTP_MORE;
	if (reply->code == 0)
		reply->code = reply->this_code;
	return reply->code == reply->this_code ? QP_SMTP_MORE : QP_SMTP_NONSENSE;
}

static qp_smtp_heard
end_line(qp_smtp_reply *reply)
{
	if (reply->column < 3)
		return QP_SMTP_NONSENSE;
	if (reply->column == 3 || reply->is_last)
		return QP_SMTP_WHOLE;
	reply->column = 0;
	reply->has_cr = false;
	return QP_SMTP_MORE;
}

static qp_smtp_heard
take(qp_smtp_reply *reply, char letter)
{
	qp_smtp_heard heard = QP_SMTP_MORE;

	if (letter == '\n')
		return end_line(reply);
	if (reply->has_cr) /* a CR within a line */
		return QP_SMTP_NONSENSE;
	if (letter == '\r') {
		reply->has_cr = true;
		return QP_SMTP_MORE;
	}
	if (reply->column < 3)
		heard = take_digit(reply, letter);
	else if (reply->column == 3 && letter != ' ' && letter != '-')
		heard = QP_SMTP_NONSENSE;
	else if (reply->column == 3)
		reply->is_last = letter == ' ';
	else
		add_word(reply, letter);
	reply->column++;
	return heard;
}

size_t
qp_smtp_reply_feed(qp_smtp_reply *reply, const char *bytes, size_t length)
{
	size_t at = 0;

	while (at < length && reply->heard == QP_SMTP_MORE) {
		if (++reply->total > QP_SMTP_REPLY_MOST)
			reply->heard = QP_SMTP_NONSENSE;
		else
			reply->heard = take(reply, bytes[at]);
		at++;
	}
	return at;
}

/* ---- what is offered ---- */

static bool
is_word(const char *line, size_t length, const char *word)
{
	size_t size = strlen(word);

	return length >= size && strncasecmp(line, word, size) == 0 &&
	       (length == size || line[size] == ' ');
}

/* A number too large for us is as good as none. */
static uint64_t
number(const char *text, size_t length)
{
	uint64_t value = 0;

	for (size_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
		unsigned digit = (unsigned)(text[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return 0;
		value = value * 10 + digit;
	}
	return value;
}

void
qp_smtp_offers_line(qp_smtp_offers *offers, const char *line, size_t length)
{
	if (is_word(line, length, "8BITMIME"))
		offers->eight_bit = true;
	if (!is_word(line, length, "SIZE"))
		return;
	offers->size = true;
	offers->size_most = length > 5 ? number(line + 5, length - 5) : 0;
}
