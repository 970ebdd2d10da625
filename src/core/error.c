/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error: the names and sentences of the one table in the public header.
 */
#include "core/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* A sentence that was cut may end inside a UTF-8 character: drop the stump. */
static void
trim_utf8(char *text, size_t length)
{
	size_t at = length, tail = 0, whole;
	unsigned char lead;

	while (at > 0 && tail < 3 && ((unsigned char)text[at - 1] & 0xc0) == 0x80) {
		at--;
		tail++;
	}
	lead = at > 0 ? (unsigned char)text[at - 1] : 0;
	whole = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
	if (tail < whole)
		text[at - 1] = '\0';
}

static void
append(qpool_error *error, size_t at, const char *format, va_list arguments)
{
	size_t room = sizeof error->message - at;
	int length = vsnprintf(error->message + at, room, format, arguments);

	if (length < 0)
		error->message[at] = '\0';
	else if ((size_t)length >= room)
		trim_utf8(error->message, sizeof error->message - 1);
}

qpool_err
qp_error_set(qpool_error *error, qpool_err code, const char *format, ...)
{
	va_list arguments;

	if (error == NULL)
		return code;
	memset(error, 0, sizeof *error);
	error->code = code;
	va_start(arguments, format);
	append(error, 0, format, arguments);
	va_end(arguments);
	return code;
}

void
qp_error_add(qpool_error *error, const char *format, ...)
{
	va_list arguments;

	if (error == NULL)
		return;
	va_start(arguments, format);
	append(error, strnlen(error->message, sizeof error->message - 1), format, arguments);
	va_end(arguments);
}

void
qp_error_trim(char *text, size_t most)
{
	if (strnlen(text, most + 1) <= most)
		return;
	text[most] = '\0';
	trim_utf8(text, most);
}

void
qp_error_cut(qpool_error *error, size_t most)
{
	if (most < sizeof error->message)
		qp_error_trim(error->message, most);
}

qp_span_text
qp_error_span(int64_t span_ns)
{
	static const struct {
		int64_t unit_ns;
		const char *name;
	} units[] = {{3600000000000, "h"}, {60000000000, "min"}, {1000000000, "s"}, {1000000, "ms"},
	    {1000, "us"}};
	qp_span_text out;

	if (span_ns == QPOOL_FOREVER) {
		(void)snprintf(out.text, sizeof out.text, "for ever");
		return out;
	}
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (span_ns >= units[i].unit_ns) {
			double value = (double)span_ns / (double)units[i].unit_ns;
			(void)snprintf(out.text, sizeof out.text, "%.3g %s", value, units[i].name);
			return out;
		}
	(void)snprintf(out.text, sizeof out.text, "%" PRId64 " ns", span_ns);
	return out;
}

bool
qp_error_is_known(qpool_err code)
{
	switch (code) {
#define CASE(id, value, name, text) case id:
		QPOOL_ERRORS(CASE)
#undef CASE
		return true;
	case QPOOL_ERR_FORCE_INT_:
		break;
	}
	return false;
}

const char *
qpool_err_name(qpool_err err)
{
	switch (err) {
#define CASE(id, value, name, text) \
	case id:                    \
		return name;
		QPOOL_ERRORS(CASE)
#undef CASE
	case QPOOL_ERR_FORCE_INT_:
		break;
	}
	return "E?";
}

const char *
qpool_err_text(qpool_err err)
{
	switch (err) {
#define CASE(id, value, name, text) \
	case id:                    \
		return text;
		QPOOL_ERRORS(CASE)
#undef CASE
	case QPOOL_ERR_FORCE_INT_:
		break;
	}
	return "an error this version does not know";
}

const char *
qpool_why_name(qpool_why why)
{
	switch (why) {
	case QPOOL_WHY_IDLE:
		return "max idle";
	case QPOOL_WHY_AGE:
		return "max age";
	case QPOOL_WHY_USES:
		return "max uses";
	case QPOOL_WHY_DISCARDED:
		return "discarded";
	case QPOOL_WHY_CHECK:
		return "check failed";
	case QPOOL_WHY_RESET:
		return "reset failed";
	case QPOOL_WHY_RENEWED:
		return "renewed";
	case QPOOL_WHY_SHRUNK:
		return "shrunk";
	case QPOOL_WHY_CLOSED:
		return "pool closed";
	case QPOOL_WHY_FORCE_INT_:
		break;
	}
	return "?";
}
