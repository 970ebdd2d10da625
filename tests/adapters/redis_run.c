/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_run: run a command beside a real Redis of its own, and end with its status.  Examples, the command's
 * tests and consumers come in.  REDIS_URL leads to the server, REDIS_SOCKET names its Unix socket.  It never
 * looks at what the command says.
 *
 *     redis_run COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "redis_server.h"

/* As a shell tells it: the exit status, or 128 and the signal. */
static int
run(char **command)
{
	pid_t pid;
	int status, error = posix_spawnp(&pid, command[0], NULL, NULL, command, environ);

	if (error != 0) {
		(void)fprintf(stderr, "redis_run: %s: %s\n", command[0], strerror(error));
		return 127;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 126;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
main(int argc, char **argv)
{
	redis_server *server;
	int status = 126;

	if (argc < 2) {
		(void)fprintf(stderr, "redis_run: it wants a command to run\n");
		return 2;
	}
	server = redis_server_start(NULL);
	if (setenv("REDIS_URL", redis_server_url(server), 1) == 0 &&
	    setenv("REDIS_SOCKET", redis_server_socket(server), 1) == 0)
		status = run(argv + 1);
	redis_server_end(server);
	return status;
}
