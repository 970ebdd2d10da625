/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cell: fork, run, look how it ended.  The parent stays single-threaded, so the child may do what it likes.
 */
#include "cell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

static const char *running = "";
static const char *note_text = "";
static long long note_number;
static unsigned limit = CELL_SECONDS;

void
cell_note(const char *text, long long number)
{
	note_text = text;
	note_number = number;
}

void
cell_broken(const char *file, int line, const char *format, ...)
{
	char what[400];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	fprintf(stderr, "%s:%d: in '%s' (%s %lld): must hold: %s\n", file, line, running, note_text,
	    note_number, what);
	abort();
}

void
cell_same(const char *file, int line, const char *what, long long is, long long should_be)
{
	if (is != should_be)
		cell_broken(file, line, "%s is %lld, not %lld", what, is, should_be);
}

void
cells_add(cells *to, void (*run)(const void *, const void *), const void *first, const void *second,
    const char *format, ...)
{
	va_list arguments;
	cell *added;

	if (to->count == to->room) {
		to->room = to->room == 0 ? 64 : to->room * 2;
		to->all = realloc(to->all, to->room * sizeof *to->all);
		if (to->all == NULL)
			abort();
	}
	added = &to->all[to->count++];
	memset(added, 0, sizeof *added);
	va_start(arguments, format);
	(void)vsnprintf(added->name, sizeof added->name, format, arguments);
	va_end(arguments);
	added->run = run;
	added->first = first;
	added->second = second;
}

/* QPOOL_CELL_SECONDS makes who searches a hang wait less. */
static unsigned
seconds_of_a_cell(void)
{
	const char *wish = getenv("QPOOL_CELL_SECONDS");
	int seconds = wish != NULL ? atoi(wish) : 0;

	return seconds > 0 ? (unsigned)seconds : limit;
}

void
cells_limit(unsigned seconds)
{
	limit = seconds;
}

/* What a handler may do: say which cell it was, and die of the signal. */
static void
hung(int signal)
{
	static const char words[] = ": hangs\n";

	(void)signal;
	(void)!write(STDERR_FILENO, running, strlen(running));
	(void)!write(STDERR_FILENO, words, sizeof words - 1);
	abort();
}

static void
in_child(void **state)
{
	const cell *c = *state;
	int status = 0;
	pid_t child;

	(void)fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		running = c->name;
		(void)signal(SIGALRM, hung);
		/* cmocka's own handlers would jump back into this copy of the test. */
		(void)signal(SIGABRT, SIG_DFL);
		(void)signal(SIGSEGV, SIG_DFL);
		(void)alarm(seconds_of_a_cell());
		c->run(c->first, c->second);
		exit(0); /* not _exit: a leak is looked for on the way out */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		fail_msg("died of signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		fail_msg("exit code %d", WEXITSTATUS(status));
}

static struct CMUnitTest *
tests_of(const cells *which)
{
	struct CMUnitTest *tests = calloc(which->count + 1, sizeof *tests);

	if (tests == NULL)
		abort();
	for (size_t i = 0; i < which->count; i++) {
		tests[i].name = which->all[i].name;
		tests[i].test_func = in_child;
		tests[i].initial_state = &which->all[i];
	}
	return tests;
}

static size_t
keep_named(cells *which, const char *part)
{
	size_t kept = 0;

	for (size_t i = 0; i < which->count; i++)
		if (strstr(which->all[i].name, part) != NULL)
			which->all[kept++] = which->all[i];
	return kept;
}

int
cells_run(cells *which, const char *group, int argc, char **argv)
{
	struct CMUnitTest *tests;
	int failed;

	if (argc > 1)
		which->count = keep_named(which, argv[1]);
	if (which->count == 0) {
		fprintf(stderr, "%s: no cell is named '%s'\n", group, argc > 1 ? argv[1] : "");
		return 1;
	}
	tests = tests_of(which);
	failed = _cmocka_run_group_tests(group, tests, which->count, NULL, NULL);
	free(tests);
	free(which->all);
	return failed != 0;
}
