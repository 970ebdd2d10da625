/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fail: see fail.h.  _Exit, because other threads may still be inside a pool.
 */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
fail(const char *format, ...)
{
	char sentence[512];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	(void)fprintf(stderr, "bench: %s\n", sentence);
	(void)fflush(stdout);
	_Exit(EXIT_FAILED);
}
