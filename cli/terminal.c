/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * terminal: asked of the system each time, as a window may be resized; nothing is cached.
 */
#include "terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool
terminal_live(FILE *stream)
{
	const char *term = getenv("TERM");
	return isatty(fileno(stream)) && term != NULL && term[0] != '\0' &&
	       strcmp(term, "dumb") != 0;
}

const char *
terminal_paint(FILE *stream, enum terminal_paint paint)
{
	static const char *const codes[] = {
	    "\033[0m", "\033[1m", "\033[2m", "\033[32m", "\033[1;31m"};
	const char *refused = getenv("NO_COLOR");
	if ((refused != NULL && refused[0] != '\0') || !terminal_live(stream))
		return "";
	return codes[paint];
}

unsigned
terminal_columns(FILE *stream)
{
	struct winsize size;
	if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

bool
terminal_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
