/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * outfile: a file that is there whole or not at all: written under another name beside its own, then
 * renamed.  What cannot be replaced so (a pipe, /dev/null) is written to directly.
 */
#ifndef CLI_OUTFILE_H
#define CLI_OUTFILE_H

#include <stdbool.h>

/* Before the work: could it be written?  EXIT_OK, or EXIT_BAD and the line is said, naming `option`. */
int outfile_inspect(const char *option, const char *path);
/* After it.  EXIT_OK, or EXIT_FAILED and said; an older file of that name is then untouched. */
int outfile_write(const char *option, const char *path, const char *text);

#endif
