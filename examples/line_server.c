/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line_server: all that it knows is its thread's own; others ask it through a pair of sockets, so there is
 * no lock.  Its control comes last in each round, so that what was sent before it was heard before it.
 */
#include "line_server.h"

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTROL, DOOR, FIRST, PLACES = 64 };

typedef struct session {
	unsigned number; /* 0: no HELLO yet */
	char name[256], text[256];
	char heard[LINE_ROOM]; /* up to a newline that has not come yet */
	size_t size;
} session;

struct line_server {
	pthread_t thread;
	int asking;
	struct sockaddr_in at;
	char password[64];
	unsigned most, hellos, quits;
	struct pollfd watched[PLACES];
	session sessions[PLACES]; /* [i] is the one of watched[i] */
};

static unsigned
count_sessions(const line_server *s)
{
	unsigned found = 0;

	for (int i = FIRST; i < PLACES; i++)
		found += s->watched[i].fd >= 0 && s->sessions[i].number != 0;
	return found;
}

/* Returns when the other side's kernel knows: that makes the examples say the same each time. */
static void
hang_up(line_server *s, int i)
{
	const struct linger until_known = {.l_onoff = 1, .l_linger = 5};

	(void)setsockopt(s->watched[i].fd, SOL_SOCKET, SO_LINGER, &until_known, sizeof until_known);
	(void)shutdown(s->watched[i].fd, SHUT_RDWR);
	(void)close(s->watched[i].fd);
	s->watched[i].fd = -1;
}

static void
welcome(line_server *s)
{
	int fd = accept(s->watched[DOOR].fd, NULL, NULL);

	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (int i = FIRST; i < PLACES && fd >= 0; i++) {
		if (s->watched[i].fd >= 0)
			continue;
		s->watched[i] = (struct pollfd){.fd = fd, .events = POLLIN};
		s->sessions[i] = (session){.number = 0};
		return;
	}
	if (fd >= 0)
		(void)close(fd);
}

/* What it says to HELLO; false: it goes no further with this one. */
static bool
answer_hello(line_server *s, session *c, const char *who, char text[LINE_ROOM])
{
	size_t size = strlen(s->password);

	if (strncmp(who, s->password, size) != 0 || who[size] != ' ') {
		(void)snprintf(text, LINE_ROOM, "535 wrong password");
		return false;
	}
	if (count_sessions(s) >= s->most) {
		(void)snprintf(text, LINE_ROOM, "421 %u sessions are enough", s->most);
		return false;
	}
	c->number = ++s->hellos;
	(void)snprintf(c->name, sizeof c->name, "%s", who + size + 1);
	(void)snprintf(text, LINE_ROOM, "250 %u is your number", c->number);
	return true;
}

static bool
answer(line_server *s, session *c, const char *say, char text[LINE_ROOM])
{
	(void)snprintf(text, LINE_ROOM, "250 done");
	if (strncmp(say, "HELLO ", 6) == 0)
		return answer_hello(s, c, say + 6, text);
	if (strcmp(say, "QUIT") == 0)
		s->quits++;
	else if (c->number == 0)
		(void)snprintf(text, LINE_ROOM, "503 say HELLO first");
	else if (strcmp(say, "RSET") == 0)
		c->text[0] = '\0';
	else if (strncmp(say, "SET ", 4) == 0)
		(void)snprintf(c->text, sizeof c->text, "%s", say + 4);
	else if (strcmp(say, "GET") == 0)
		(void)snprintf(text, LINE_ROOM, "250 '%s'", c->text);
	else if (strcmp(say, "NUMBER") == 0)
		(void)snprintf(text, LINE_ROOM, "250 %u", c->number);
	else if (strcmp(say, "WHO") == 0)
		(void)snprintf(text, LINE_ROOM, "250 %s", c->name);
	else if (strcmp(say, "NOOP") != 0)
		(void)snprintf(text, LINE_ROOM, "500 no such word");
	return strcmp(say, "QUIT") != 0;
}

/* Whatever came; false: this session is over. */
static bool
serve(line_server *s, int fd, session *c)
{
	char text[LINE_ROOM], *end;
	ssize_t more = recv(fd, c->heard + c->size, sizeof c->heard - c->size, 0);
	bool goes_on = more > 0;

	c->size += more > 0 ? (size_t)more : 0;
	while (goes_on && (end = memchr(c->heard, '\n', c->size)) != NULL) {
		*end = '\0';
		goes_on = answer(s, c, c->heard, text);
		(void)send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_MORE);
		(void)send(fd, "\n", 1, MSG_NOSIGNAL);
		c->size -= (size_t)(end + 1 - c->heard);
		memmove(c->heard, end + 1, c->size);
	}
	return goes_on && c->size < sizeof c->heard;
}

/* One letter in, one answer out. */
static bool
obey(line_server *s)
{
	line_server_counts counts = {count_sessions(s), s->hellos, s->quits};
	char letter = 's';

	(void)recv(s->watched[CONTROL].fd, &letter, 1, 0);
	for (int i = FIRST; i < PLACES && letter != 'c'; i++)
		if (s->watched[i].fd >= 0)
			hang_up(s, i);
	(void)send(s->watched[CONTROL].fd, &counts, sizeof counts, MSG_NOSIGNAL);
	return letter != 's';
}

static void *
run(void *argument)
{
	line_server *s = argument;

	for (;;) {
		if (poll(s->watched, PLACES, -1) < 0)
			continue;
		for (int i = FIRST; i < PLACES; i++)
			if (s->watched[i].fd >= 0 && s->watched[i].revents != 0 &&
			    !serve(s, s->watched[i].fd, &s->sessions[i]))
				hang_up(s, i);
		if (s->watched[DOOR].revents != 0)
			welcome(s);
		if (s->watched[CONTROL].revents != 0 && !obey(s))
			return NULL;
	}
}

/* On a free port of this machine only. */
static int
listen_somewhere(struct sockaddr_in *at)
{
	socklen_t size = sizeof *at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET};
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof *at) != 0 || listen(fd, PLACES) != 0 ||
	    getsockname(fd, (struct sockaddr *)at, &size) != 0)
		err(1, "no port for the line server");
	return fd;
}

line_server *
line_server_start(const char *password, unsigned most)
{
	line_server *s = calloc(1, sizeof *s);
	sigset_t all, before;
	int pair[2];

	if (s == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		err(1, "no line server");
	for (int i = 0; i < PLACES; i++)
		s->watched[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	s->watched[CONTROL].fd = pair[0];
	s->watched[DOOR].fd = listen_somewhere(&s->at);
	s->asking = pair[1];
	s->most = most;
	(void)snprintf(s->password, sizeof s->password, "%s", password);
	(void)sigfillset(&all); /* the program's signals are for its own threads */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&s->thread, NULL, run, s) != 0)
		errx(1, "no thread for the line server");
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return s;
}

struct sockaddr_in
line_server_address(const line_server *s)
{
	return s->at;
}

static line_server_counts
tell(line_server *s, char letter)
{
	line_server_counts counts = {0};

	if (send(s->asking, &letter, 1, MSG_NOSIGNAL) != 1 ||
	    recv(s->asking, &counts, sizeof counts, 0) != sizeof counts)
		err(1, "the line server does not answer");
	return counts;
}

void
line_server_hang_up(line_server *s)
{
	(void)tell(s, 'h');
}

line_server_counts
line_server_count(line_server *s)
{
	return tell(s, 'c');
}

void
line_server_stop(line_server *s)
{
	(void)tell(s, 's');
	(void)pthread_join(s->thread, NULL);
	(void)close(s->watched[CONTROL].fd);
	(void)close(s->watched[DOOR].fd);
	(void)close(s->asking);
	free(s);
}
