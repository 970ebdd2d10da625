/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_fake: one thread, one connection at a time.  While a body comes, no line is answered before its end.
 */
#include "smtp_fake.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { HEARD_MOST = 1 << 20 };

struct smtp_fake {
	int listener, port, stop, drop;
	pthread_t thread;
	pthread_mutex_t mutex; /* over all below */
	pthread_cond_t change;
	smtp_script script;
	bool is_busy;
	unsigned mails, quits, connections;
	size_t length;
	char heard[HEARD_MOST + 1];
};

/* Of one connection. */
typedef struct talk {
	smtp_fake *fake;
	smtp_script script;
	int fd;
	size_t said, at, line; /* bytes said; bytes looked at; where the line at hand begins */
	size_t next;           /* answer */
	bool is_body;
} talk;

/* false: it is over. */
static bool
say(talk *t, const char *text)
{
	size_t length = strlen(text), left = t->script.cut_out - t->said;
	size_t step = t->script.is_slow ? 1 : length;

	if (t->script.cut_out != SMTP_FAKE_ALL && length > left)
		length = left;
	for (size_t at = 0; at < length; at += step)
		if (send(t->fd, text + at, step < length - at ? step : length - at, MSG_NOSIGNAL) <
		    0)
			return false;
	t->said += length;
	return t->script.cut_out == SMTP_FAKE_ALL || t->said < t->script.cut_out;
}

static bool
answer(talk *t)
{
	const char *text = t->script.says[t->next];

	if (text == NULL)
		return true;
	t->next++;
	t->is_body = strncmp(text, "354", 3) == 0;
	return say(t, text);
}

static bool
take_line(talk *t, const char *line, size_t length)
{
	bool is_end = length == 3 && line[0] == '.';

	pthread_mutex_lock(&t->fake->mutex);
	t->fake->quits += length == 6 && memcmp(line, "QUIT\r\n", 6) == 0;
	pthread_mutex_unlock(&t->fake->mutex);
	if (t->is_body && !is_end)
		return true;
	pthread_mutex_lock(&t->fake->mutex);
	t->fake->mails += t->is_body;
	pthread_mutex_unlock(&t->fake->mutex);
	t->is_body = false;
	return answer(t);
}

static bool
take_lines(talk *t)
{
	smtp_fake *f = t->fake;

	for (; t->at < f->length; t->at++) {
		if (f->heard[t->at] != '\n')
			continue;
		if (!take_line(t, f->heard + t->line, t->at + 1 - t->line))
			return false;
		t->line = t->at + 1;
	}
	return true;
}

/* false: the other one hung up, or enough was heard, or all is over. */
static bool
hear(talk *t)
{
	struct pollfd both[2] = {
	    {.fd = t->fd, .events = POLLIN}, {.fd = t->fake->stop, .events = POLLIN}};
	smtp_fake *f = t->fake;
	size_t room = HEARD_MOST - f->length;
	ssize_t got;

	if (t->script.cut_in != SMTP_FAKE_ALL && room > t->script.cut_in - f->length)
		room = t->script.cut_in - f->length;
	if (t->script.is_deaf && t->is_body)
		both[0].fd = f->drop;
	if (room == 0 || poll(both, 2, -1) < 0 || both[1].revents != 0)
		return false;
	if (both[0].fd != t->fd) {
		(void)eventfd_read(t->fake->drop, &(eventfd_t){0});
		return false;
	}
	got = recv(t->fd, f->heard + f->length, room, 0);
	if (got <= 0)
		return false;
	f->length += (size_t)got;
	return true;
}

static void
serve(smtp_fake *f, int fd)
{
	talk t = {.fake = f, .fd = fd};
	int yes = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	pthread_mutex_lock(&f->mutex);
	t.script = f->script;
	f->connections++;
	f->length = 0;
	pthread_mutex_unlock(&f->mutex);
	if (answer(&t))
		while (hear(&t) && take_lines(&t))
			;
	f->heard[f->length] = '\0';
	(void)close(fd);
}

static void *
run(void *arg)
{
	smtp_fake *f = arg;
	struct pollfd both[2] = {
	    {.fd = f->listener, .events = POLLIN}, {.fd = f->stop, .events = POLLIN}};

	while (poll(both, 2, -1) >= 0 && both[1].revents == 0) {
		/* cppcheck-suppress nullPointer ; nobody asks who it is */
		int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			serve(f, fd);
		pthread_mutex_lock(&f->mutex);
		f->is_busy = false;
		pthread_cond_broadcast(&f->change);
		pthread_mutex_unlock(&f->mutex);
	}
	return NULL;
}

smtp_fake *
smtp_fake_start(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof at;
	smtp_fake *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	f->stop = eventfd(0, EFD_CLOEXEC);
	f->drop = eventfd(0, EFD_CLOEXEC);
	assert_true(f->listener >= 0 && f->stop >= 0 && f->drop >= 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(f->listener, 8), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &size), 0);
	f->port = ntohs(at.sin_port);
	assert_int_equal(pthread_mutex_init(&f->mutex, NULL), 0);
	assert_int_equal(pthread_cond_init(&f->change, NULL), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
	return f;
}

void
smtp_fake_end(smtp_fake *f)
{
	(void)eventfd_write(f->stop, 1);
	(void)pthread_join(f->thread, NULL);
	(void)close(f->listener);
	(void)close(f->stop);
	(void)close(f->drop);
	(void)pthread_cond_destroy(&f->change);
	(void)pthread_mutex_destroy(&f->mutex);
	free(f);
}

int
smtp_fake_port(const smtp_fake *f)
{
	return f->port;
}

void
smtp_fake_script(smtp_fake *f, smtp_script script)
{
	pthread_mutex_lock(&f->mutex);
	f->script = script;
	f->is_busy = true;
	pthread_mutex_unlock(&f->mutex);
}

const char *
smtp_fake_heard(smtp_fake *f)
{
	pthread_mutex_lock(&f->mutex);
	while (f->is_busy)
		pthread_cond_wait(&f->change, &f->mutex);
	pthread_mutex_unlock(&f->mutex);
	return f->heard;
}

void
smtp_fake_drop(smtp_fake *f)
{
	(void)eventfd_write(f->drop, 1);
}

unsigned
smtp_fake_mails(smtp_fake *f)
{
	unsigned mails;

	pthread_mutex_lock(&f->mutex);
	mails = f->mails;
	pthread_mutex_unlock(&f->mutex);
	return mails;
}

unsigned
smtp_fake_quits(smtp_fake *f)
{
	unsigned quits;

	pthread_mutex_lock(&f->mutex);
	quits = f->quits;
	pthread_mutex_unlock(&f->mutex);
	return quits;
}

unsigned
smtp_fake_connections(smtp_fake *f)
{
	unsigned connections;

	pthread_mutex_lock(&f->mutex);
	connections = f->connections;
	pthread_mutex_unlock(&f->mutex);
	return connections;
}
