/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: how a message is put together: the server's name, what failed, its words, its code.
 */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

static void
clean(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void
qp_smtp_fault_hide(const qp_smtp_source *source, char *text)
{
	qp_smtp_secrets_hide(&source->secrets, text);
	clean(text);
}

qpool_err
qp_smtp_fault_say(qpool_error *error, qpool_err code, const char *format, ...)
{
	va_list list;

	if (error == NULL)
		return code;
	memset(error, 0, sizeof *error);
	error->code = code;
	va_start(list, format);
	(void)vsnprintf(error->message, sizeof error->message, format, list);
	va_end(list);
	clean(error->message);
	return code;
}

qpool_err
qp_smtp_fault_at(
    const qp_smtp_source *source, qpool_error *error, qpool_err code, const char *format, ...)
{
	qpool_error said;
	va_list list;

	va_start(list, format);
	(void)vsnprintf(said.message, sizeof said.message, format, list);
	va_end(list);
	return qp_smtp_fault_say(error, code, "smtp %s: %s", source->shown, said.message);
}

void
qp_smtp_fault_words(
    const qp_smtp_source *source, const qp_smtp_reply *reply, char out[sizeof reply->text])
{
	memcpy(out, reply->text, sizeof reply->text);
	qp_smtp_fault_hide(source, out);
	if (!qp_smtp_secrets_left(&source->secrets, out))
		return;
	memset(out, 0, sizeof reply->text);
	memcpy(out, "(withheld)", sizeof "(withheld)");
}

qpool_err
qp_smtp_fault_reply(const qp_smtp_source *source, qpool_error *error, qpool_err code,
    const char *what, const qp_smtp_reply *reply)
{
	char text[sizeof reply->text];

	qp_smtp_fault_words(source, reply, text);
	(void)qp_smtp_fault_at(
	    source, error, code, "%s: the server says %d %.120s", what, reply->code, text);
	if (error != NULL)
		(void)snprintf(error->native, sizeof error->native, "%d", reply->code);
	return code;
}
