/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * textfile: pipes are welcome (a shell's <(...) is one), files without an end are not.
 */
#include "textfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figure.h"
#include "say.h"

static int
unreadable(const char *option, const char *path, int cause)
{
	return say_bad("%s: cannot read %s: %s", option, path, strerror(cause));
}

static int
read_all(FILE *in, const char *option, const char *path, size_t most, char **out)
{
	char *text = malloc(most + 1);
	if (text == NULL)
		return unreadable(option, path, ENOMEM);
	errno = 0;
	size_t length = fread(text, 1, most + 1, in);
	int code = EXIT_OK;
	if (ferror(in))
		code = unreadable(option, path, errno);
	else if (length > most)
		code = say_bad(
		    "%s: %s is longer than %s bytes", option, path, figure_count(most).text);
	else if (memchr(text, '\0', length) != NULL)
		code = say_bad("%s: %s is no text: there is a NUL byte in it", option, path);
	if (code != EXIT_OK) {
		free(text);
		return code;
	}
	text[length] = '\0';
	*out = text;
	return EXIT_OK;
}

int
textfile_read(const char *option, const char *path, size_t most, char **out)
{
	FILE *in = fopen(path, "re");
	if (in == NULL)
		return unreadable(option, path, errno);
	int code = read_all(in, option, path, most, out);
	fclose(in);
	return code;
}
