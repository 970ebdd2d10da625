/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rivals: one line down, one line of JSON up.  Of the answer only numbers by the keys of the workload's metrics are
 * read, and "error".
 */
#include "rivals.h"

#include "fail.h"
#include "timing.h"
#include "work.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RIVALS = 24, ANSWER = 2048 };

/* What starting and warming up may take on top of a sample, and a sample's last waits. */
#define PATIENCE_NS (60 * TIMING_SEC)

rival rivals[MOST_RIVALS];
unsigned rival_count;

static void
copy(char *out, size_t room, const char *text)
{
	(void)snprintf(out, room, "%s", text);
}

/* name, title, workloads, and the words of the command or "!" and the reason; tabs between. */
static bool
read_line(rival *one)
{
	char *rest = one->line, *field[3 + RIVAL_WORDS] = {0};
	unsigned count = 0;

	while (rest != NULL && count < 3 + RIVAL_WORDS - 1)
		field[count++] = strsep(&rest, "\t");
	if (rest != NULL || count < 4)
		return false;
	copy(one->name, sizeof one->name, field[0]);
	copy(one->title, sizeof one->title, field[1]);
	copy(one->works, sizeof one->works, field[2]);
	if (strcmp(field[3], "!") == 0)
		copy(one->why, sizeof one->why, count > 4 ? field[4] : "not here");
	for (unsigned i = 3; i < count; i++)
		one->words[i - 3] = field[i];
	return true;
}

void
rivals_read(const char *path)
{
	FILE *file = fopen(path, "re");

	if (file == NULL)
		fail("--rivals %s: %s; make bench-rivals writes it", path, strerror(errno));
	while (rival_count < MOST_RIVALS) {
		rival *one = &rivals[rival_count];

		if (fgets(one->line, sizeof one->line, file) == NULL)
			break;
		one->line[strcspn(one->line, "\n")] = '\0';
		if (one->line[0] == '\0')
			continue;
		if (!read_line(one))
			fail("--rivals %s: this is no rival: %.60s", path, one->line);
		rival_count++;
	}
	(void)fclose(file);
}

bool
rival_takes_part(const rival *one, const work_kind *kind)
{
	size_t length = strlen(kind->id);

	for (const char *at = one->works; *at != '\0';) {
		size_t word = strcspn(at, ",");

		if (word == length && strncmp(at, kind->id, length) == 0)
			return true;
		at += word + (at[word] == ',');
	}
	return false;
}

__attribute__((format(printf, 2, 3))) static void
give_up(rival *one, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(one->why, sizeof one->why, format, arguments);
	va_end(arguments);
	child_end(&one->process);
}

/* "key": 12.5 */
static double
number_at(const char *answer, const char *key)
{
	char quoted[64], *end;
	const char *at;
	double value;

	(void)snprintf(quoted, sizeof quoted, "\"%s\":", key);
	at = strstr(answer, quoted);
	if (at == NULL)
		return NAN;
	at += strlen(quoted);
	value = strtod(at, &end);
	return end == at ? NAN : value;
}

/* False: `why` says why. */
static bool
ask(rival *one, const work_kind *kind, const work_timing *timing, char *answer)
{
	char line[160];
	const char *error;

	if (one->why[0] != '\0')
		return false;
	if (one->process.pid == 0 && !child_start(&one->process, one->words)) {
		give_up(one, "%s: %s", one->words[0], strerror(errno));
		return false;
	}
	(void)snprintf(line, sizeof line, "%s %u %u %" PRId64 " %" PRId64, kind->id, kind->threads,
	    kind->capacity, timing->ramp_ns, timing->open_ns);
	if (!child_ask(&one->process, line, answer, ANSWER,
		PATIENCE_NS + timing->ramp_ns + timing->open_ns)) {
		give_up(one, "it ended, or did not answer: its words are above");
		return false;
	}
	error = strstr(answer, "\"error\": \"");
	if (error != NULL) {
		error += strlen("\"error\": \"");
		give_up(one, "%.*s", (int)strcspn(error, "\""), error);
		return false;
	}
	return true;
}

void
rival_measure(rival *one, const work_kind *kind, const work_timing *timing, double *out)
{
	static char answer[ANSWER];
	bool is_there = ask(one, kind, timing, answer);

	for (unsigned i = 0; i < WORK_METRICS; i++)
		out[i] = NAN;
	for (unsigned i = 0; is_there && i < work_metric_count(kind); i++)
		out[i] = number_at(answer, kind->metrics[i].key);
}

int64_t
rivals_cpu_ns(void)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < rival_count; i++)
		sum += child_cpu_ns(&rivals[i].process);
	return sum;
}

void
rivals_end(void)
{
	for (unsigned i = 0; i < rival_count; i++)
		child_end(&rivals[i].process);
}
