/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child: two pipes and posix_spawn.  All our descriptors close at exec, or a child would hold another's
 * stdin open.
 */
#include "child.h"

#include "timing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { END_TRIES = 200 }; /* of 10 ms */

static int
spawn(child *one, char *const *words, int in, int out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int error;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGPIPE);
	(void)posix_spawnattr_setsigdefault(&attributes, &defaults);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	error = posix_spawnp(&one->pid, words[0], &actions, &attributes, words, environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return error;
}

bool
child_start(child *one, char *const *words)
{
	int down[2] = {-1, -1}, up[2] = {-1, -1};
	int error = 0;

	memset(one, 0, sizeof *one);
	(void)signal(SIGPIPE, SIG_IGN); /* it may end before it was asked */
	if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0)
		error = errno;
	if (error == 0)
		error = spawn(one, words, down[0], up[1]);
	if (down[0] >= 0)
		(void)close(down[0]);
	if (up[1] >= 0)
		(void)close(up[1]);
	if (error == 0) {
		one->to = fdopen(down[1], "w");
		one->from = fdopen(up[0], "r");
		return true;
	}
	if (down[1] >= 0)
		(void)close(down[1]);
	if (up[0] >= 0)
		(void)close(up[0]);
	one->pid = 0;
	errno = error;
	return false;
}

bool
child_ask(child *one, const char *line, char *answer, int room, int64_t patience_ns)
{
	struct pollfd ready = {.fd = fileno(one->from), .events = POLLIN};

	if (fprintf(one->to, "%s\n", line) < 0 || fflush(one->to) != 0)
		return false;
	if (poll(&ready, 1, (int)(patience_ns / TIMING_MSEC)) != 1)
		return false;
	return fgets(answer, room, one->from) != NULL && strchr(answer, '\n') != NULL;
}

void
child_end(child *one)
{
	int tries = 0;

	if (one->pid == 0)
		return;
	(void)fclose(one->to);
	while (waitpid(one->pid, NULL, WNOHANG) == 0) {
		if (++tries > END_TRIES)
			(void)kill(one->pid, SIGKILL);
		timing_sleep(10 * TIMING_MSEC);
	}
	(void)fclose(one->from);
	one->pid = 0;
}

int64_t
child_cpu_ns(const child *one)
{
	clockid_t clock;

	if (one->pid == 0 || clock_getcpuclockid(one->pid, &clock) != 0)
		return 0;
	return timing_read(clock);
}
