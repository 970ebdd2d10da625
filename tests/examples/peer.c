/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer: connections are shut down, not closed, until the end, so that no thread meets a descriptor that has
 * become somebody else's.
 */
#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 64, LINES = 256 };

typedef struct connection {
	peer *of;
	int fd;
	pthread_t thread;
} connection;

struct peer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct sockaddr_in at;
	int fd;
	const char *const *script;
	unsigned count, gone, lines;
	connection connections[CONNECTIONS];
	char *heard[LINES];
};

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	abort();
}

static int
listen_at(struct sockaddr_in *at, int backlog)
{
	socklen_t size = sizeof *at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(at, 0, sizeof *at);
	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && bind(fd, (struct sockaddr *)at, sizeof *at) == 0, "bind");
	must(listen(fd, backlog) == 0, "listen");
	must(getsockname(fd, (struct sockaddr *)at, &size) == 0, "getsockname");
	return fd;
}

/* Until the other side has gone, or we were told to hang up. */
static bool
send_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		text += sent;
		size -= (size_t)sent;
	}
	return true;
}

static bool
perform(int fd, const char *piece)
{
	struct pollfd one = {.fd = fd, .events = 0};

	if (strcmp(piece, PEER_SILENT) == 0)
		return true;
	if (strcmp(piece, PEER_HANG_UP) == 0)
		return false;
	if (strcmp(piece, PEER_FLOOD) == 0)
		while (send_all(fd, "xxxxxxxxxxxxxxxx", 16))
			continue;
	if (strcmp(piece, PEER_DRIP) == 0) /* slowness is what is tested; nobody waits for it */
		while (poll(&one, 1, 5) == 0 && send_all(fd, "2", 1))
			continue;
	return send_all(fd, piece, strlen(piece));
}

/* Keep the line, and say which piece of the script is the answer. */
static const char *
note(peer *p, const char *line)
{
	const char *piece = NULL;

	(void)pthread_mutex_lock(&p->lock);
	must(p->lines < LINES, "too many lines");
	p->heard[p->lines++] = strdup(line);
	for (unsigned i = 0; i < p->lines && p->script[i] != NULL; i++)
		piece = p->script[i];
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
	return piece;
}

static void *
converse(void *argument)
{
	connection *c = argument;
	char line[2048];
	size_t size = 0;
	bool goes_on = true;

	while (goes_on && size < sizeof line - 1 && recv(c->fd, line + size, 1, 0) == 1) {
		if (line[size++] != '\n')
			continue;
		line[size - 1] = '\0';
		size = 0;
		goes_on = perform(c->fd, note(c->of, line));
	}
	(void)shutdown(c->fd, SHUT_RDWR);
	(void)pthread_mutex_lock(&c->of->lock);
	c->of->gone++;
	(void)pthread_cond_broadcast(&c->of->changed);
	(void)pthread_mutex_unlock(&c->of->lock);
	return NULL;
}

static void *
welcome(void *argument)
{
	peer *p = argument;
	int fd;

	while ((fd = accept(p->fd, NULL, NULL)) >= 0) {
		connection *c = &p->connections[p->count];

		must(p->count < CONNECTIONS, "too many connections");
		*c = (connection){.of = p, .fd = fd};
		/* Counted before it can answer: who was answered may speak to it by peer_say. */
		(void)pthread_mutex_lock(&p->lock);
		must(pthread_create(&c->thread, NULL, converse, c) == 0, "thread");
		p->count++;
		(void)pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

peer *
peer_new(const char *const *script)
{
	peer *p = calloc(1, sizeof *p);

	must(p != NULL, "memory");
	p->script = script;
	p->fd = listen_at(&p->at, CONNECTIONS);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->changed, NULL);
	must(pthread_create(&p->thread, NULL, welcome, p) == 0, "thread");
	return p;
}

struct sockaddr_in
peer_address(const peer *p)
{
	return p->at;
}

unsigned
peer_lines(peer *p)
{
	unsigned lines;

	(void)pthread_mutex_lock(&p->lock);
	lines = p->lines;
	(void)pthread_mutex_unlock(&p->lock);
	return lines;
}

const char *
peer_heard(peer *p, unsigned number)
{
	const char *line;

	(void)pthread_mutex_lock(&p->lock);
	while (p->lines <= number)
		(void)pthread_cond_wait(&p->changed, &p->lock);
	line = p->heard[number];
	(void)pthread_mutex_unlock(&p->lock);
	return line;
}

void
peer_say(peer *p, const char *text)
{
	(void)pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < p->count; i++) {
		if (text != NULL)
			(void)send_all(p->connections[i].fd, text, strlen(text));
		else
			(void)shutdown(p->connections[i].fd, SHUT_RDWR);
	}
	(void)pthread_mutex_unlock(&p->lock);
}

void
peer_await_gone(peer *p)
{
	(void)pthread_mutex_lock(&p->lock);
	while (p->gone < p->count)
		(void)pthread_cond_wait(&p->changed, &p->lock);
	(void)pthread_mutex_unlock(&p->lock);
}

void
peer_end(peer *p)
{
	(void)shutdown(p->fd, SHUT_RDWR); /* ends its accept */
	(void)pthread_join(p->thread, NULL);
	peer_say(p, NULL);
	for (unsigned i = 0; i < p->count; i++) {
		(void)pthread_join(p->connections[i].thread, NULL);
		(void)close(p->connections[i].fd);
	}
	for (unsigned i = 0; i < p->lines; i++)
		free(p->heard[i]);
	(void)close(p->fd);
	(void)pthread_cond_destroy(&p->changed);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

struct sockaddr_in
nobody(void)
{
	struct sockaddr_in at;

	(void)close(listen_at(&at, 1));
	return at;
}

/* With nobody to accept them, a few connections are all that the kernel takes for a backlog of 0. */
struct sockaddr_in
full_house(int fds[16])
{
	struct sockaddr_in at;

	fds[0] = listen_at(&at, 0);
	for (int i = 1; i < 16; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		must(fds[i] >= 0, "socket");
		must(
		    connect(fds[i], (struct sockaddr *)&at, sizeof at) == 0 || errno == EINPROGRESS,
		    "connect");
	}
	return at;
}
