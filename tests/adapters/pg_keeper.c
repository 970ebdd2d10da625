/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_keeper: the parent of one server that a test started, and of its folder.  A program of its own, so that
 * it outlives a test that crashed or was killed; it then ends the server and removes the folder.  The test
 * comes in over a socket, one packet a wish (pg_keep.h).  It never knows what it is that it keeps, and
 * never stays when the test is gone.
 *
 * pg_keeper TEST-PID PARENT-FOLDER END-SIGNAL, with the socket as descriptor 3.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pg_keep.h"

enum {
	SOCKET = 3,
	PATIENCE = 60000,   /* ms for a server that was asked to stop */
	LAST_WORDS = 10000, /* ms for one that is ended with its test */
};

static int test; /* pidfd of the test */
static char folder[96];
static int end_signal;
static pid_t server; /* or 0; not reaped before it is forgotten, so that the number stays its own */
static bool switches; /* root starts: servers refuse to run as root */
static uid_t uid;
static gid_t gid;

static int
pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0U);

	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static void __attribute__((format(printf, 1, 2))) reply(const char *format, ...)
{
	char text[PG_KEEP_PACKET];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text, sizeof text, format, list);
	va_end(list);
	(void)send(SOCKET, text, strlen(text) + 1, MSG_NOSIGNAL);
}

/* ---- children ---- */

static pid_t
spawn(char *const argv[])
{
	sigset_t none;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (switches && (setgroups(1, &gid) != 0 || setgid(gid) != 0 || setuid(uid) != 0))
		_exit(126);
	/* After the switch, which would clear it: should even the keeper be killed, the server stops. */
	(void)prctl(PR_SET_PDEATHSIG, end_signal);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (argv[0] != NULL)
		(void)execv(argv[0], argv);
	(void)fprintf(
	    stderr, "%s: %s\n", argv[0] != NULL ? argv[0] : "no command", strerror(errno));
	_exit(127);
}

/* Until the child has ended, or the time is over; the test's end makes it short if `watchful`. */
static bool
ends_within(pid_t pid, int ms, bool watchful)
{
	struct pollfd both[2] = {
	    {.fd = pidfd(pid), .events = POLLIN}, {.fd = watchful ? test : -1, .events = POLLIN}};

	while (poll(both, 2, ms) < 0 && errno == EINTR)
		;
	(void)close(both[0].fd);
	return (both[0].revents & POLLIN) != 0;
}

/* The exit status, -1 when it had to be killed. */
static int
reap(pid_t pid, int ms, bool watchful)
{
	bool ended = pid > 0 && ends_within(pid, ms, watchful);
	int status = 0;

	if (pid <= 0)
		return -1;
	if (!ended)
		(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Children that lost their parent are ours.  One pass; false: there were none. */
static bool
kill_orphans(void)
{
	char path[64];
	FILE *list;
	int pid;
	bool any = false;

	(void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	list = fopen(path, "re");
	while (list != NULL && fscanf(list, "%d", &pid) == 1 && pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		any = true;
	}
	if (list != NULL)
		(void)fclose(list);
	return any;
}

static void
forget_server(void)
{
	(void)waitpid(server, NULL, 0);
	server = 0;
	while (kill_orphans())
		;
}

static bool
server_lives(void)
{
	if (server != 0 && ends_within(server, 0, false))
		forget_server();
	return server != 0;
}

/* ---- the end ---- */

static int
remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
	(void)about;
	(void)type;
	(void)where;
	return remove(path);
}

/* A killed PostgreSQL leaves its SysV segment behind; its number is on the lock file's seventh line. */
static void
remove_segment(void)
{
	char path[sizeof folder + 24], line[256];
	unsigned long key;
	FILE *file;
	int id;

	(void)snprintf(path, sizeof path, "%s/data/postmaster.pid", folder);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	for (int i = 0; i < 7 && fgets(line, sizeof line, file) != NULL; i++)
		if (i == 6 && sscanf(line, "%lu %d", &key, &id) == 2)
			(void)shmctl(id, IPC_RMID, NULL);
	(void)fclose(file);
}

static void
clean_up(void)
{
	if (server_lives()) {
		(void)kill(server, end_signal);
		(void)kill(server, SIGCONT); /* a stopped one would sit it out */
		if (!ends_within(server, LAST_WORDS, false))
			(void)kill(server, SIGKILL);
		forget_server();
	}
	while (kill_orphans())
		;
	remove_segment();
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- wishes ---- */

/* The strings of a packet after its first byte. */
static void
split(char *packet, size_t length, char *argv[PG_KEEP_WORDS + 1])
{
	size_t count = 0;

	for (char *at = packet + 1; at < packet + length && count < PG_KEEP_WORDS;
	     at += strlen(at) + 1)
		argv[count++] = at;
	argv[count] = NULL;
}

static void
launch(char *const argv[])
{
	if (server_lives()) {
		reply("-1");
		return;
	}
	while (kill_orphans())
		; /* of a server that was killed: they would keep its successor from starting */
	server = spawn(argv);
	if (server < 0)
		server = 0;
	reply("%d", (int)server);
}

static void
stop(int number)
{
	bool ended;

	if (server_lives()) {
		(void)kill(server, number);
		ended = ends_within(server, PATIENCE, true);
		if (ended)
			forget_server();
		reply(ended ? "0" : "-1");
	} else {
		reply("0");
	}
}

static void
serve(char *packet, size_t length)
{
	char *argv[PG_KEEP_WORDS + 1];
	int number;

	split(packet, length, argv);
	number = argv[0] == NULL ? 0 : atoi(argv[0]);
	switch (packet[0]) {
	case PG_KEEP_RUN:
		reply("%d", reap(spawn(argv), PATIENCE, true));
		break;
	case PG_KEEP_LAUNCH:
		launch(argv);
		break;
	case PG_KEEP_ALIVE:
		reply("%d", server_lives());
		break;
	case PG_KEEP_SIGNAL:
		reply("%d", server_lives() ? kill(server, number) : -1);
		break;
	case PG_KEEP_STOP:
		stop(number);
		break;
	default:
		clean_up();
		reply("0");
		exit(0);
	}
}

/* ---- the beginning ---- */

static void
choose_user(void)
{
	const struct passwd *who;

	switches = geteuid() == 0;
	if (!switches)
		return;
	/* cppcheck-suppress getpwnamCalled ; there is one thread */
	who = getpwnam("postgres");
	if (who == NULL)
		/* cppcheck-suppress getpwnamCalled ; there is one thread */
		who = getpwnam("nobody");
	uid = who != NULL ? who->pw_uid : 65534;
	gid = who != NULL ? who->pw_gid : 65534;
}

static bool
make_folder(const char *parent)
{
	int log, nothing;

	(void)umask(022);
	(void)snprintf(folder, sizeof folder, "%s/qpg-XXXXXX", parent);
	if (mkdtemp(folder) == NULL || chdir(folder) != 0)
		return false;
	nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	/* The test's own output is let go: who reads it waits for its end. */
	return log >= 0 && chmod(folder, 0755) == 0 && dup2(nothing, 0) == 0 && dup2(log, 1) == 1 &&
	       dup2(log, 2) == 2 && (!switches || chown(folder, uid, gid) == 0);
}

/* What the caller's terminal, environment and descriptors would do to a server is kept from it. */
static void
stand_alone(void)
{
	sigset_t most;

	(void)setsid();
	(void)sigfillset(&most);
	(void)sigprocmask(SIG_SETMASK, &most, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)syscall(SYS_close_range, SOCKET + 1U, ~0U, 0U);
	(void)fcntl(SOCKET, F_SETFD, FD_CLOEXEC);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)clearenv();
	(void)setenv("LC_ALL", "C", 1);
	(void)setenv("PATH", "/usr/bin:/bin", 1);
}

static void
keep(void)
{
	static char packet[PG_KEEP_PACKET];
	struct pollfd both[2] = {{.fd = SOCKET, .events = POLLIN}, {.fd = test, .events = POLLIN}};
	ssize_t length;

	for (;;) {
		if (poll(both, 2, -1) < 0)
			continue;
		if (both[1].revents != 0)
			return;
		length = recv(SOCKET, packet, sizeof packet - 1, 0);
		if (length <= 0)
			return;
		packet[length] = '\0';
		serve(packet, (size_t)length);
	}
}

int
main(int argc, char **argv)
{
	pid_t parent;

	if (argc != 4)
		return 2;
	stand_alone();
	parent = atoi(argv[1]);
	end_signal = atoi(argv[3]);
	test = pidfd(parent);
	if (getppid() != parent)
		return 0; /* gone already */
	choose_user();
	if (test < 0 || !make_folder(argv[2])) {
		reply("-cannot keep a server in %s: %s", argv[2], strerror(errno));
		if (folder[0] != '\0')
			(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
		return 1;
	}
	reply("+%s", folder);
	keep();
	clean_up();
	return 0;
}
