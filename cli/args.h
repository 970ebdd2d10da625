/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * args: the words after a command.  Each function takes one option's text, and either fills its value or
 * says in one line which option, which text, and which range.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <getopt.h>
#include <stdint.h>

#include <queuepool.h>

/* Options without a letter are numbered from here. */
#define ARGS_LONG_ONLY 256

/* All return EXIT_OK or, having said it, EXIT_BAD. */
int args_number(const char *option, const char *text, uint64_t least, uint64_t most, uint64_t *out);
int args_u32(const char *option, const char *text, uint32_t least, uint32_t most, uint32_t *out);
/* bare: see duration_parse */
struct args_range {
	qpool_nsec least, most;
	const char *words; /* "1ms to 24h" */
};
int args_duration(const char *option, const char *text, qpool_nsec bare,
    const struct args_range *range, qpool_nsec *out);
/* One of the words, NULL after the last; *out is the text itself. */
int args_choice(const char *option, const char *text, const char *const *words, const char **out);
/* For what getopt_long answers with ':' or '?'. */
int args_bad_option(int answer, char **argv, const char *command);
/* Too many words: names the first that is left. */
int args_trailing(char **argv, const char *command);

#endif
