/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace: keeps the steps, and has addr2line(1) name the lines of code when they are printed.
 */
#include "trace.h"

#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 20000u

typedef struct step {
	char actor[WORLD_NAME];
	char text[84];
	int64_t now_ns;
	const void *from;
	char place[72];
} step;

bool trace_on;
static step *steps;
static size_t count;
extern const char __executable_start[]; /* where the linker put the program */

static step *
add(void)
{
	const actor *self = world_self();
	step *s;

	if (steps == NULL)
		steps = calloc(MOST, sizeof *steps);
	if (steps == NULL || count == MOST)
		return NULL;
	s = &steps[count++];
	memset(s, 0, sizeof *s);
	(void)snprintf(s->actor, sizeof s->actor, "%s", self != NULL ? self->name : "");
	s->now_ns = world_now();
	return s;
}

void
trace_step(const char *what, const volatile void *object, uint64_t value, const void *from)
{
	step *s = world_is_muted() ? NULL : add();

	if (s == NULL)
		return;
	(void)snprintf(s->text, sizeof s->text, "%-16s ..%04x  = %" PRIx64, what,
	    (unsigned)((uintptr_t)object & 0xffff), value);
	s->from = from;
}

void
trace_add(const char *format, ...)
{
	step *s = add();
	char text[sizeof s->text];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (s != NULL)
		memcpy(s->text, text, sizeof text);
}

/* An answer is an address, then pairs of lines, function and place, from the innermost inlined
 * function outwards.  The first place that is no wrapper of an atomic is the one to show. */
static void
read_places(FILE *answers)
{
	char line[256], function[256] = "";
	size_t next = 0;
	step *s = NULL;
	bool is_function = true;

	while (fgets(line, sizeof line, answers) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0x", 2) == 0) {
			while (next < count && steps[next].from == NULL)
				next++;
			s = next < count ? &steps[next++] : NULL;
			is_function = true;
		} else if (is_function) {
			(void)snprintf(function, sizeof function, "%s", line);
			is_function = false;
		} else {
			if (s != NULL && s->place[0] == '\0' && strncmp(line, "atomic.h", 8) != 0)
				(void)snprintf(
				    s->place, sizeof s->place, "%.40s %.28s", function, line);
			is_function = true;
		}
	}
}

static void
name_places(void)
{
	FILE *asked = tmpfile(), *answers;
	char command[96];

	if (asked == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		if (steps[i].from != NULL)
			(void)fprintf(
			    asked, "0x%tx\n", (const char *)steps[i].from - 1 - __executable_start);
	(void)fflush(asked);
	(void)snprintf(command, sizeof command, "addr2line -a -f -s -i -e /proc/%d/exe </dev/fd/%d",
	    (int)getpid(), fileno(asked));
	answers = popen(command, "r");
	if (answers != NULL) {
		read_places(answers);
		(void)pclose(answers);
	}
	(void)fclose(asked);
}

void
trace_name(const void *place)
{
	char command[96];

	(void)snprintf(command, sizeof command, "addr2line -p -f -s -i -e /proc/%d/exe 0x%tx",
	    (int)getpid(), (const char *)place - 1 - __executable_start);
	(void)fflush(stdout);
	if (system(command) != 0)
		printf("%p\n", place);
}

void
trace_print(void)
{
	name_places();
	for (size_t i = 0; i < count; i++) {
		const step *s = &steps[i];
		printf("%5zu  %-8s %12.3f ms  %-46s %s\n", i, s->actor,
		    (double)(s->now_ns - WORLD_BEGAN_NS) / 1e6, s->text, s->place);
	}
	if (count == MOST)
		printf("(more than %u steps: the rest was not kept)\n", MOST);
	count = 0;
}
