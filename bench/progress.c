/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * progress: on stderr, so that stdout stays the table.  Written over with blanks, not with codes: any
 * terminal can do that.
 */
#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { WIDTH = 72 };

void
progress_show(const char *format, ...)
{
	char line[WIDTH + 1];
	va_list arguments;

	if (isatty(STDERR_FILENO) == 0)
		return;
	va_start(arguments, format);
	(void)vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	(void)fprintf(stderr, "\r%-*s", WIDTH, line);
	(void)fflush(stderr);
}

void
progress_clear(void)
{
	progress_show("%s", "");
	if (isatty(STDERR_FILENO) != 0)
		(void)fputs("\r", stderr);
}
