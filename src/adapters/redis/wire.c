/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire: hiredis' own reading and writing know a timeout for each system call, which a server that
 * sends a byte at a time never meets, and write() without a word about SIGPIPE.  So the bytes are
 * carried here, and hiredis formats and parses.
 */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

enum { PIECE = 16 * 1024 };

int64_t
qp_redis_wire_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
qp_redis_wire_deadline(qpool_nsec budget)
{
	int64_t now;

	if (budget == QPOOL_FOREVER)
		return INT64_MAX;
	now = qp_redis_wire_now();
	return budget > INT64_MAX - now ? INT64_MAX : now + budget;
}

/* *revents may be NULL. */
static qp_redis_waited
wait_for(int fd, short events, int64_t deadline_ns, short *revents)
{
	struct pollfd look = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline_ns == INT64_MAX ? 0 : deadline_ns - qp_redis_wire_now();
		struct timespec span = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
		int count;

		if (left < 0)
			span = (struct timespec){0};
		count = ppoll(&look, 1, deadline_ns == INT64_MAX ? NULL : &span, NULL);
		if (count > 0 && revents != NULL)
			*revents = look.revents;
		if (count > 0)
			return (look.revents & POLLNVAL) != 0 ? QP_REDIS_BROKEN : QP_REDIS_READY;
		if (count == 0)
			return QP_REDIS_LATE;
		if (errno != EINTR)
			return QP_REDIS_BROKEN;
	}
}

qp_redis_waited
qp_redis_wire_wait(int fd, short events, int64_t deadline_ns)
{
	return wait_for(fd, events, deadline_ns, NULL);
}

void
qp_redis_wire_ruin(redisContext *context, int err, const char *words)
{
	if (context->err != 0)
		return;
	context->err = err;
	(void)snprintf(context->errstr, sizeof context->errstr, "%s", words);
}

static qp_redis_waited
broken(redisContext *context, int err, const char *words)
{
	qp_redis_wire_ruin(context, err, words);
	return QP_REDIS_BROKEN;
}

/* One piece of what came, into the reader.  LATE: there is nothing now. */
static qp_redis_waited
receive(redisContext *context, int flags)
{
	char piece[PIECE];
	ssize_t length;

	do
		length = recv(context->fd, piece, sizeof piece, flags);
	while (length < 0 && errno == EINTR);
	if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return QP_REDIS_LATE;
	if (length < 0)
		return broken(context, REDIS_ERR_IO, strerrordesc_np(errno));
	if (length == 0)
		return broken(context, REDIS_ERR_EOF, "the server closed the connection");
	if (redisReaderFeed(context->reader, piece, (size_t)length) != REDIS_OK)
		return broken(context, context->reader->err, context->reader->errstr);
	return QP_REDIS_READY;
}

qp_redis_waited
qp_redis_wire_send(
    redisContext *context, const char *bytes, size_t length, int64_t deadline_ns, size_t *sent)
{
	for (*sent = 0; *sent < length;) {
		qp_redis_waited waited;
		short revents = 0;
		ssize_t gone =
		    send(context->fd, bytes + *sent, length - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (gone >= 0) {
			*sent += (size_t)gone;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return broken(context, REDIS_ERR_IO, strerrordesc_np(errno));
		/* Nor is it in time when it never ceases to speak. */
		if (deadline_ns != INT64_MAX && qp_redis_wire_now() > deadline_ns)
			return QP_REDIS_LATE;
		/* A server that waits for us to read reads nothing meanwhile. */
		waited = wait_for(context->fd, POLLIN | POLLOUT, deadline_ns, &revents);
		if (waited == QP_REDIS_READY && (revents & POLLOUT) == 0)
			waited = receive(context, MSG_DONTWAIT) == QP_REDIS_BROKEN ? QP_REDIS_BROKEN
			                                                           : QP_REDIS_READY;
		if (waited != QP_REDIS_READY)
			return waited;
	}
	return QP_REDIS_READY;
}

qp_redis_waited
qp_redis_wire_read(redisContext *context, int64_t deadline_ns, redisReply **out)
{
	bool is_timed = deadline_ns != INT64_MAX, is_late = false;

	for (;;) {
		qp_redis_waited waited = QP_REDIS_READY;
		void *reply = NULL;

		if (redisReaderGetReply(context->reader, &reply) != REDIS_OK)
			return broken(context, context->reader->err, context->reader->errstr);
		if (reply != NULL) {
			*out = reply;
			return QP_REDIS_READY;
		}
		/* An answer whose pieces never cease to come is late as well. */
		if (is_late)
			return QP_REDIS_LATE;
		is_late = is_timed && qp_redis_wire_now() >= deadline_ns;
		/* Without a deadline one call waits and reads. */
		if (is_timed)
			waited = qp_redis_wire_wait(context->fd, POLLIN, deadline_ns);
		if (waited == QP_REDIS_READY)
			waited = receive(context, is_timed ? MSG_DONTWAIT : 0);
		/* A timeout or O_NONBLOCK of the holder's own. */
		if (waited == QP_REDIS_LATE && !is_timed)
			waited = qp_redis_wire_wait(context->fd, POLLIN, deadline_ns);
		if (waited != QP_REDIS_READY)
			return waited;
	}
}

bool
qp_redis_wire_is_push(const redisReply *reply)
{
#ifdef REDIS_REPLY_PUSH
	return reply->type == REDIS_REPLY_PUSH;
#else
	(void)reply;
	return false;
#endif
}

bool
qp_redis_wire_is_drained(const redisContext *context)
{
	const redisReader *reader = context->reader;

	return reader->err == 0 && reader->ridx < 0 && reader->pos == reader->len;
}

/* By its length: what is left of a command that went out in part may begin with a 0. */
bool
qp_redis_wire_is_unsent(const redisContext *context)
{
	return context->obuf != NULL && sdslen(context->obuf) > 0;
}

int
qp_redis_wire_look(const redisContext *context)
{
	char byte;
	ssize_t length = recv(context->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (length == 0)
		return ECONNRESET;
	if (length > 0)
		return EBUSY;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : errno;
}
