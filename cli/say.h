/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * say: what the command tells a person on stderr, and the exit codes.  Everyone comes in.  It never
 * lets a control character of an argument or a database's message through to the terminal, nor says anything
 * while a second signal kills the program.
 */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include <stddef.h>

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* a good request failed while it ran, or a proof did */
	EXIT_BAD = 2,    /* what was asked for is wrong; nothing was done */
};

#define SAY_FORMAT(at) __attribute__((format(printf, at, (at) + 1)))

/* "queuepool: ..." as one line; the value is the exit code. */
int say_bad(const char *format, ...) SAY_FORMAT(1);
int say_failed(const char *format, ...) SAY_FORMAT(1);
/* The second line: what to do about it. */
void say_try(const char *format, ...) SAY_FORMAT(1);
/* Make text of unknown origin safe to print on one line. */
void say_clean(char *text);
/* Flush stdout; a failure to write it becomes EXIT_FAILED, with a line. */
int say_goodbye(int exit_code);

#endif
