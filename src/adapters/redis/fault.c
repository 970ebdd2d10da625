/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: a server may say anything, and some repeat what they were sent: its words are cut before
 * the arguments that it quotes, and every copy of the password is taken out before a message is cut
 * to its length, which could leave half of one.
 */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

enum { ROOM = 1024, WORDS = 512 };

static bool
is_tail(char letter)
{
	return ((unsigned char)letter & 0xc0) == 0x80;
}

/* How many bytes the UTF-8 character here has; 0: it is none. */
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
		if (!is_tail(text[i]))
			return 0;
	return length;
}

static void
write_message(qpool_error *error, const char *text)
{
	char *to = error->message;
	const char *end = to + sizeof error->message - 1;

	while (*text != '\0') {
		size_t length = character(text);
		bool bad = length == 0 || (unsigned char)*text < ' ' || *text == 0x7f;
		if (to + (bad ? 1 : length) > end)
			break;
		if (bad) {
			*to++ = '?';
			text++;
			continue;
		}
		memcpy(to, text, length);
		to += length;
		text += length;
	}
	*to = '\0';
}

static void
fill(qpool_error *error, qpool_err code, int sys_errno, const char *text)
{
	memset(error, 0, sizeof *error);
	error->code = code;
	error->sys_errno = sys_errno;
	write_message(error, text);
}

qpool_err
qp_redis_fault_say(qpool_error *error, qpool_err code, const char *format, ...)
{
	char text[ROOM];
	va_list arguments;

	if (error == NULL)
		return code;
	va_start(arguments, format);
	if (vsnprintf(text, sizeof text, format, arguments) < 0)
		text[0] = '\0';
	va_end(arguments);
	fill(error, code, 0, text);
	return code;
}

qpool_err
qp_redis_fault_system(qpool_error *error, qpool_err code, int sys_errno, const char *format, ...)
{
	char text[ROOM];
	va_list arguments;

	if (error == NULL)
		return code;
	va_start(arguments, format);
	if (vsnprintf(text, sizeof text, format, arguments) < 0)
		text[0] = '\0';
	va_end(arguments);
	fill(error, code, sys_errno, text);
	return code;
}

/* In place: each `secret` becomes stars, never longer than it was. */
static void
blot(char *text, const char *secret)
{
	size_t length = secret == NULL ? 0 : strlen(secret);

	if (length == 0)
		return;
	for (char *at = strstr(text, secret); at != NULL; at = strstr(at, secret)) {
		size_t stars = length < 4 ? length : 4;
		memset(at, '*', stars);
		memmove(at + stars, at + length, strlen(at + length) + 1);
		at += stars;
	}
}

/* Of a text that was cut off, the end may be a beginning of the secret. */
static void
cut_beginning(char *text, const char *secret)
{
	size_t length = strlen(text), part = secret == NULL ? 0 : strlen(secret);

	if (part > length)
		part = length;
	while (part > 0 && strncmp(text + length - part, secret, part) != 0)
		part--;
	text[length - part] = '\0';
}

/* What may be shown of a server's error. */
static void
copy_words(char out[WORDS], const redisReply *reply, const char *secret)
{
	static const char quoted[] = ", with args beginning with";
	size_t length = reply->len < WORDS - 1 ? reply->len : WORDS - 1;
	char *args;

	for (size_t i = 0; i < length; i++)
		out[i] = reply->str[i] == '\0' ? '?' : reply->str[i];
	out[length] = '\0';
	if (length > 0 && out[length - 1] == '.') /* a hint may follow */
		out[length - 1] = '\0';
	args = strstr(out, quoted);
	if (args != NULL)
		*args = '\0';
	blot(out, secret);
	if (args == NULL && length < reply->len)
		cut_beginning(out, secret);
}

static void
write_native(qpool_error *error, const char *words)
{
	size_t length = strcspn(words, " ,.:;");

	if (length >= sizeof error->native)
		length = sizeof error->native - 1;
	for (size_t i = 0; i < length; i++)
		if (words[i] < '!' || words[i] > '~')
			length = i;
	memcpy(error->native, words, length);
	error->native[length] = '\0';
}

qpool_err
qp_redis_fault_answer(qpool_error *error, qpool_err code, const qp_redis_source *source,
    const char *what, const redisReply *reply, const char *hint)
{
	char words[WORDS];

	if (error == NULL)
		return code;
	copy_words(words, reply, source->password);
	(void)qp_redis_fault_say(error, code, "redis %s: %s: %.150s%s%s", source->shown, what,
	    words, hint[0] == '\0' ? "" : "; ", hint);
	write_native(error, words);
	return code;
}

qpool_err
qp_redis_fault_context(qpool_error *error, qpool_err code, const qp_redis_source *source,
    const char *what, const redisContext *context)
{
	char words[sizeof context->errstr];

	(void)snprintf(words, sizeof words, "%s", context->errstr);
	blot(words, source->password);
	return qp_redis_fault_say(error, code, "redis %s: %s: %s", source->shown, what,
	    words[0] == '\0' ? "the connection is lost" : words);
}
