/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_keep: see the header.
 */
#include "pg_keep.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct pg_keep {
	pthread_mutex_t mutex; /* one wish at a time */
	int socket;
	pid_t keeper;
	char folder[96];
};

/* ---- the keeper ---- */

static const char *
keeper_program(void)
{
	const char *other = getenv("QUEUEPOOL_PG_KEEPER");

	return other != NULL ? other : PG_KEEPER;
}

/* Short: a socket's path ends at 107 bytes. */
static const char *
parent_folder(void)
{
	const char *where = getenv("TMPDIR");

	return where != NULL && where[0] == '/' && strlen(where) < 48 ? where : "/tmp";
}

static void
spawn_keeper(pg_keep *k, int its_end, int end_signal)
{
	char self[16], number[16], program[512], parent[64];
	char *argv[] = {program, self, parent, number, NULL};
	posix_spawn_file_actions_t actions;
	int error;

	(void)snprintf(program, sizeof program, "%s", keeper_program());
	(void)snprintf(parent, sizeof parent, "%s", parent_folder());
	(void)snprintf(self, sizeof self, "%d", (int)getpid());
	(void)snprintf(number, sizeof number, "%d", end_signal);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, its_end, 3), 0);
	error = posix_spawn(&k->keeper, program, &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(its_end);
	if (error != 0)
		fail_msg("the keeper of servers does not start: %s: %s", program, strerror(error));
}

pg_keep *
pg_keep_start(int end_signal)
{
	pg_keep *k = calloc(1, sizeof *k);
	char answer[PG_KEEP_PACKET] = "-the keeper of servers ended at once";
	int ends[2];

	assert_non_null(k);
	assert_int_equal(pthread_mutex_init(&k->mutex, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	k->socket = ends[0];
	spawn_keeper(k, ends[1], end_signal);
	(void)recv(k->socket, answer, sizeof answer - 1, 0);
	if (answer[0] != '+')
		fail_msg("%s", answer + 1);
	(void)snprintf(k->folder, sizeof k->folder, "%.*s", (int)sizeof k->folder - 1, answer + 1);
	return k;
}

const char *
pg_keep_folder(const pg_keep *k)
{
	return k->folder;
}

/* Send one packet, and the number that came back. */
static int
ask(pg_keep *k, char verb, const char *const argv[])
{
	char packet[PG_KEEP_PACKET] = {verb}, answer[PG_KEEP_PACKET] = "";
	size_t length = 1;
	ssize_t got;

	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
		assert_true(i < PG_KEEP_WORDS && length + strlen(argv[i]) + 1 < sizeof packet);
		memcpy(packet + length, argv[i], strlen(argv[i]) + 1);
		length += strlen(argv[i]) + 1;
	}
	pthread_mutex_lock(&k->mutex);
	got = send(k->socket, packet, length, MSG_NOSIGNAL);
	do
		got = got < 0 ? got : recv(k->socket, answer, sizeof answer - 1, 0);
	while (got < 0 && errno == EINTR);
	pthread_mutex_unlock(&k->mutex);
	if (got <= 0)
		fail_msg("the keeper of servers is gone");
	return atoi(answer);
}

static int
ask_number(pg_keep *k, char verb, int number)
{
	char text[16];
	const char *const argv[] = {text, NULL};

	(void)snprintf(text, sizeof text, "%d", number);
	return ask(k, verb, argv);
}

void
pg_keep_end(pg_keep *k)
{
	(void)ask(k, PG_KEEP_END, NULL);
	(void)waitpid(k->keeper, NULL, 0);
	(void)close(k->socket);
	(void)pthread_mutex_destroy(&k->mutex);
	free(k);
}

/* ---- the server ---- */

void
pg_keep_run(pg_keep *k, const char *const argv[])
{
	int status = ask(k, PG_KEEP_RUN, argv);

	if (status == 0)
		return;
	pg_keep_log_tail(k);
	fail_msg("%s ended with %d", argv[0], status);
}

int
pg_keep_launch(pg_keep *k, const char *const argv[])
{
	int pid = ask(k, PG_KEEP_LAUNCH, argv);

	if (pid <= 0)
		fail_msg("%s is not started: %s", argv[0], pid < 0 ? "it runs" : "no process");
	return pid;
}

bool
pg_keep_alive(pg_keep *k)
{
	return ask(k, PG_KEEP_ALIVE, NULL) == 1;
}

void
pg_keep_signal(pg_keep *k, int number)
{
	if (ask_number(k, PG_KEEP_SIGNAL, number) != 0)
		fail_msg("signal %d to a server that does not run", number);
}

void
pg_keep_stop(pg_keep *k, int number)
{
	if (ask_number(k, PG_KEEP_STOP, number) == 0)
		return;
	pg_keep_log_tail(k);
	fail_msg("the server does not stop on signal %d", number);
}

/* ---- files ---- */

void
pg_keep_write(pg_keep *k, const char *name, const char *text)
{
	char path[256];
	struct stat about;
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/%s", k->folder, name);
	file = fopen(path, "ae");
	assert_non_null(file);
	assert_int_equal(stat(k->folder, &about), 0);
	if (geteuid() == 0)
		assert_int_equal(fchown(fileno(file), about.st_uid, about.st_gid), 0);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

void
pg_keep_log_tail(const pg_keep *k)
{
	char path[128], text[4097];
	size_t length;
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/log", k->folder);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fseek(file, -(long)(sizeof text - 1), SEEK_END) != 0)
		rewind(file);
	length = fread(text, 1, sizeof text - 1, file);
	text[length] = '\0';
	(void)fclose(file);
	print_error("---- the end of %s:\n%s----\n", path, text);
}

int
pg_keep_port(int *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* ---- programs ---- */

static bool
runs(const char *folder, const char *program, char path[256])
{
	(void)snprintf(path, 256, "%s/%s", folder, program);
	return access(path, X_OK) == 0;
}

static bool
in_pg_config(const char *program, char path[256])
{
	FILE *from = popen("pg_config --bindir 2>/dev/null", "re");
	char folder[200] = "";
	bool got = from != NULL && fgets(folder, sizeof folder, from) != NULL;

	if (from != NULL)
		(void)pclose(from);
	folder[strcspn(folder, "\n")] = '\0';
	return got && runs(folder, program, path);
}

static bool
in_versions(const char *program, char path[256])
{
	int newest = 0, version;
	glob_t found;
	char folder[200];

	if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) != 0)
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (sscanf(found.gl_pathv[i], "/usr/lib/postgresql/%d", &version) == 1 &&
		    version > newest && runs(found.gl_pathv[i], program, path))
			newest = version;
	globfree(&found);
	(void)snprintf(folder, sizeof folder, "/usr/lib/postgresql/%d/bin", newest);
	return newest > 0 && runs(folder, program, path);
}

/* Folders with colons between them. */
static bool
in_list(const char *list, const char *program, char path[256])
{
	char folders[4096], *rest = NULL;

	(void)snprintf(folders, sizeof folders, "%s", list == NULL ? "" : list);
	for (char *at = strtok_r(folders, ":", &rest); at != NULL; at = strtok_r(NULL, ":", &rest))
		if (runs(at, program, path))
			return true;
	return false;
}

void
pg_keep_find(const char *program, const char *package, char path[256])
{
	if (in_list(getenv("QUEUEPOOL_PG_BIN"), program, path) || in_pg_config(program, path) ||
	    in_versions(program, path) || in_list(getenv("PATH"), program, path) ||
	    in_list("/usr/sbin:/usr/local/sbin:/sbin", program, path))
		return;
	fail_msg("no program %s: install the package %s, or name its folder in QUEUEPOOL_PG_BIN",
	    program, package);
}
