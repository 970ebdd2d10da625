/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * textfile: a file of text, read whole, up to a limit.
 */
#ifndef CLI_TEXTFILE_H
#define CLI_TEXTFILE_H

#include <stddef.h>

/* EXIT_OK and *out, to free; or EXIT_BAD and the line is said, naming `option`. */
int textfile_read(const char *option, const char *path, size_t most, char **out);

#endif
