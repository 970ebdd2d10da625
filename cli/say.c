/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * say: one line for what went wrong, one for what to do.  Each line is put together first and written
 * by one call, so that lines of two threads or two programs do not mix.
 */
#include "say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"
#include "stop.h"

void
say_clean(char *text)
{
	for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
		if (*at < 0x20 || *at == 0x7f)
			*at = *at == '\n' || *at == '\t' ? ' ' : '?';
	}
}

static void
line(const char *lead, const char *format, va_list args)
{
	char text[1024];
	int length = vsnprintf(text, sizeof text, format, args);
	if (length >= (int)sizeof text)
		memcpy(text + sizeof text - 4, "...", 4);
	say_clean(text);
	stop_settle();
	progress_clear();
	fprintf(stderr, "%s%s\n", lead, text);
}

int
say_bad(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	line("queuepool: ", format, args);
	va_end(args);
	return EXIT_BAD;
}

int
say_failed(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	line("queuepool: ", format, args);
	va_end(args);
	return EXIT_FAILED;
}

void
say_try(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	line("  try: ", format, args);
	va_end(args);
}

int
say_goodbye(int exit_code)
{
	stop_settle();
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	int cause = errno;
	int failed = cause ? say_failed("cannot write to standard output: %s", strerror(cause))
	                   : say_failed("cannot write to standard output");
	return exit_code == EXIT_OK ? failed : exit_code;
}
