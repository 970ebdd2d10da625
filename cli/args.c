/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * args: digits only.  "+5", " 5", "5k" and "0x5" are refused, rather than read as something near.
 */
#include "args.h"

#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "figure.h"
#include "say.h"

static bool
whole_number(const char *text, uint64_t *out)
{
	uint64_t total = 0;
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		/* too large stays too large for every range there is */
		if (__builtin_mul_overflow(total, (uint64_t)10, &total) ||
		    __builtin_add_overflow(total, (uint64_t)(*text - '0'), &total))
			total = UINT64_MAX / 10;
	}
	*out = total;
	return true;
}

int
args_number(const char *option, const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	uint64_t value;
	if (!whole_number(text, &value))
		return say_bad("%s \"%s\" is no whole number; it must be %s to %s", option, text,
		    figure_count(least).text, figure_count(most).text);
	if (value < least || value > most)
		return say_bad("%s %s is out of range; it must be %s to %s", option, text,
		    figure_count(least).text, figure_count(most).text);
	*out = value;
	return EXIT_OK;
}

int
args_u32(const char *option, const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
	uint64_t value = 0;
	int code = args_number(option, text, least, most, &value);
	if (code == EXIT_OK)
		*out = (uint32_t)value;
	return code;
}

int
args_duration(const char *option, const char *text, qpool_nsec bare, const struct args_range *range,
    qpool_nsec *out)
{
	const char *wrong;
	qpool_nsec value;
	if (!duration_parse(text, bare, &value, &wrong))
		return say_bad("%s \"%s\" %s", option, text, wrong);
	if (value < range->least || value > range->most)
		return say_bad("%s %s is out of range; it must be %s", option, text, range->words);
	*out = value;
	return EXIT_OK;
}

/* "none, smart or full" */
static void
list_words(const char *const *words, char *out, size_t room)
{
	size_t at = 0;
	for (size_t i = 0; words[i] != NULL && at < room; i++) {
		const char *joint = i == 0 ? "" : words[i + 1] != NULL ? ", " : " or ";
		at += (size_t)snprintf(out + at, room - at, "%s%s", joint, words[i]);
	}
}

int
args_choice(const char *option, const char *text, const char *const *words, const char **out)
{
	char list[80];
	for (size_t i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0) {
			*out = text;
			return EXIT_OK;
		}
	}
	list_words(words, list, sizeof list);
	return say_bad("%s \"%s\" is not known; it must be %s", option, text, list);
}

int
args_bad_option(int answer, char **argv, const char *command)
{
	const char *word = argv[optind - 1];
	int name = (int)strcspn(word, "=");
	if (answer == ':')
		say_bad("%s: %s needs a value", command, word);
	else if (optopt == 0)
		say_bad("%s: there is no option %.*s, or it is cut too short", command, name, word);
	else if (strncmp(word, "--", 2) == 0)
		say_bad("%s: %.*s takes no value", command, name, word);
	else
		say_bad("%s: there is no option -%c", command, optopt);
	say_try("queuepool help %s", command);
	return EXIT_BAD;
}

int
args_trailing(char **argv, const char *command)
{
	say_bad("%s: \"%s\" is one word too many", command, argv[optind]);
	say_try("queuepool help %s", command);
	return EXIT_BAD;
}
