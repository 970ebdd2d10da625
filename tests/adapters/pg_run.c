/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_run: run a command beside a real PostgreSQL of its own, and end with its status.  Examples and
 * consumers come in.  libpq's variables lead to the server, PGHOST and its kin, and DATABASE_URL
 * says the same in one word.  It never looks at what the command says.
 *
 *     pg_run COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pg_server.h"

static int
lead_to(const pg_server *server)
{
	char port[16];

	(void)snprintf(port, sizeof port, "%d", pg_server_port(server));
	return setenv("PGHOST", pg_server_socket_dir(server), 1) | setenv("PGPORT", port, 1) |
	       setenv("PGUSER", "postgres", 1) | setenv("PGDATABASE", "postgres", 1) |
	       setenv("DATABASE_URL", pg_server_uri(server), 1);
}

/* As a shell tells it: the exit status, or 128 and the signal. */
static int
run(char **command)
{
	pid_t pid;
	int status, error = posix_spawnp(&pid, command[0], NULL, NULL, command, environ);

	if (error != 0) {
		(void)fprintf(stderr, "pg_run: %s: %s\n", command[0], strerror(error));
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
	pg_server *server;
	int status = 126;

	if (argc < 2) {
		(void)fprintf(stderr, "pg_run: it wants a command to run\n");
		return 2;
	}
	server = pg_server_start(NULL);
	if (lead_to(server) == 0)
		status = run(argv + 1);
	pg_server_end(server);
	return status;
}
