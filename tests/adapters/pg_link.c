/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_link: see the header.
 */
#include "pg_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- sockets ---- */

static struct sockaddr_un
unix_address(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	return at;
}

int
pg_socket_connect(const char *path)
{
	struct sockaddr_un at = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

int
pg_socket_listen_tcp(int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;

	at.sin_port = htons((uint16_t)port);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, SOMAXCONN) != 0)
		abort(); /* the port is ours: pg_keep_port */
	return fd;
}

int
pg_socket_listen_unix(const char *path)
{
	struct sockaddr_un at = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || chmod(path, 0777) != 0 ||
	    listen(fd, SOMAXCONN) != 0)
		abort();
	return fd;
}

void
pg_socket_close(int *fd)
{
	if (*fd < 0)
		return;
	/* A forked child may hold a copy of the descriptor. */
	(void)shutdown(*fd, SHUT_RDWR);
	(void)close(*fd);
	*fd = -1;
}

/* ---- one way ---- */

bool
pg_way_pending(const pg_way *w)
{
	return w->from < w->until;
}

void
pg_way_empty(pg_way *w)
{
	w->from = w->until = 0;
}

size_t
pg_way_fill(pg_way *w, int fd)
{
	ssize_t got = recv(fd, w->bytes, sizeof w->bytes, 0);

	if (got > 0) {
		w->from = 0;
		w->until = (size_t)got;
		return w->until;
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR))
		w->ended = true;
	return 0;
}

bool
pg_way_drain(pg_way *w, int fd)
{
	while (pg_way_pending(w)) {
		ssize_t put = send(fd, w->bytes + w->from, w->until - w->from, MSG_NOSIGNAL);

		if (put >= 0) {
			w->from += (size_t)put;
		} else if (errno != EINTR) {
			if (errno == EAGAIN)
				return true;
			pg_way_empty(w);
			return false;
		}
	}
	return true;
}
