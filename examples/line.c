/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line: every wait is a poll with what is left until the deadline.
 */
#include "line.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t
line_deadline(int64_t budget_ns)
{
	int64_t now = now_ns();

	return budget_ns < INT64_MAX - now ? now + budget_ns : INT64_MAX;
}

/* Milliseconds for poll: rounded up, as rounded down would spin through the last one. */
static int
left_ms(int64_t deadline)
{
	int64_t left = deadline - now_ns();

	if (left <= 0)
		return 0;
	return left / 1000000 < INT_MAX ? (int)(left / 1000000) + 1 : INT_MAX;
}

/* Until there is something to do: 0, or an errno.  A signal does not start the time again. */
static int
wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd one = {.fd = fd, .events = events};

	for (;;) {
		int ms = left_ms(deadline);
		int found = poll(&one, 1, ms);

		if (found > 0)
			return 0;
		if (found < 0 && errno != EINTR)
			return errno;
		if (ms == 0)
			return ETIMEDOUT;
	}
}

static int
dial(line *l, const struct sockaddr_in *at, int64_t deadline)
{
	socklen_t size = sizeof(int);
	int err;

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return errno;
	if (connect(l->fd, (const struct sockaddr *)at, sizeof *at) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	err = wait_for(l->fd, POLLOUT, deadline);
	if (err == 0 && getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &size) != 0)
		err = errno;
	return err;
}

static int
send_all(int fd, const char *text, size_t size, int64_t deadline)
{
	while (size > 0) {
		int err = wait_for(fd, POLLOUT, deadline);
		ssize_t sent = err == 0 ? send(fd, text, size, MSG_NOSIGNAL) : 0;

		if (err != 0)
			return err;
		if (sent < 0 && errno != EAGAIN)
			return errno;
		if (sent > 0) {
			text += sent;
			size -= (size_t)sent;
		}
	}
	return 0;
}

/* Up to the first newline, which becomes the end of the text; nothing may stand after it. */
static int
receive_line(int fd, char *text, int64_t deadline)
{
	size_t got = 0;
	char *end = NULL;

	while (end == NULL) {
		int err = got < LINE_ROOM ? wait_for(fd, POLLIN, deadline) : EMSGSIZE;
		ssize_t more = err == 0 ? recv(fd, text + got, LINE_ROOM - got, 0) : 0;

		if (err != 0)
			return err;
		if (more == 0)
			return ECONNRESET;
		if (more < 0 && errno != EAGAIN)
			return errno;
		got += more > 0 ? (size_t)more : 0;
		end = memchr(text, '\n', got);
	}
	*end = '\0';
	return end + 1 == text + got ? 0 : EPROTO;
}

static bool
is_answer(const char *text)
{
	return isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[1]) &&
	       isdigit((unsigned char)text[2]) && text[3] == ' ';
}

int
line_talk(line *l, const char *say, int64_t deadline, char answer[LINE_ROOM])
{
	char text[LINE_ROOM];
	int size = snprintf(text, sizeof text, "%s\n", say), err;

	answer[0] = '\0';
	if (size >= LINE_ROOM || strpbrk(say, "\r\n") != NULL) /* two questions in one? */
		return EINVAL;
	if (l->broken)
		return ENOTCONN;
	l->broken = true; /* until the whole answer is here */
	l->clean = false;
	err = send_all(l->fd, text, (size_t)size, deadline);
	if (err == 0)
		err = receive_line(l->fd, answer, deadline);
	if (err == 0 && !is_answer(answer))
		err = EPROTO;
	if (err != 0)
		return err;
	l->broken = strncmp(answer, "421", 3) == 0; /* it is about to hang up */
	l->clean = strcmp(say, "RSET") == 0;
	return answer[0] == '2' ? 0 : EACCES;
}

int
line_open(
    line **out, const line_source *to, const char *name, int64_t deadline, char answer[LINE_ROOM])
{
	char hello[LINE_ROOM];
	int size = snprintf(hello, sizeof hello, "HELLO %s %s", to->password, name), err;
	line *l = calloc(1, sizeof *l);

	answer[0] = '\0';
	if (l == NULL)
		return ENOMEM;
	l->fd = -1;
	err = size < LINE_ROOM && strchr(to->password, ' ') == NULL ? 0 : EINVAL;
	if (err == 0)
		err = dial(l, &to->at, deadline);
	if (err == 0)
		err = line_talk(l, hello, deadline, answer);
	if (err != 0) {
		line_drop(l);
		return err;
	}
	l->number = strtoul(answer + 4, NULL, 10);
	l->clean = true;
	*out = l;
	return 0;
}

int
line_look(const line *l)
{
	char byte;
	ssize_t there = recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (l->broken)
		return ENOTCONN;
	if (there < 0)
		return errno == EAGAIN ? 0 : errno;
	return there == 0 ? ECONNRESET : EPROTO; /* hung up; or spoke without being asked */
}

void
line_close(line *l)
{
	if (!l->broken)
		(void)send(l->fd, "QUIT\n", 5, MSG_NOSIGNAL | MSG_DONTWAIT);
	line_drop(l);
}

void
line_drop(line *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	free(l);
}
