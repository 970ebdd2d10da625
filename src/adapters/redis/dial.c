/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dial: one address after the other, each with its share of the time that is left.
 */
#include "dial.h"

#include "fault.h"
#include "resolve.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

enum { KEEP_IDLE = 30, KEEP_EVERY = 10, KEEP_COUNT = 3, SENT_MSEC = 15000 };

/* Never descriptor 0, which hiredis 0.14 would not close. */
static int
make_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == 0) {
		fd = fcntl(0, F_DUPFD_CLOEXEC, 1);
		(void)close(0);
	}
	return fd;
}

/* A server that is gone without a word is noticed even by who waits for ever. */
static void
set_tcp(int fd)
{
	const int on = 1, idle = KEEP_IDLE, every = KEEP_EVERY, count = KEEP_COUNT;
	const unsigned sent = SENT_MSEC;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &sent, sizeof sent);
}

/* 0, or an errno. */
static int
finish(int fd, int64_t deadline_ns)
{
	socklen_t size = sizeof(int);
	int failed = 0;

	switch (qp_redis_wire_wait(fd, POLLOUT, deadline_ns)) {
	case QP_REDIS_LATE:
		return ETIMEDOUT;
	case QP_REDIS_BROKEN:
		return EBADF;
	default:
		return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0 ? failed : errno;
	}
}

/* The descriptor, or the negative of an errno. */
static int
connect_to(const struct sockaddr *at, socklen_t length, int64_t deadline_ns)
{
	int fd = make_socket(at->sa_family), failed = 0;

	if (fd < 0)
		return -errno;
	if (at->sa_family != AF_UNIX)
		set_tcp(fd);
	if (connect(fd, at, length) != 0)
		failed = errno == EINPROGRESS || errno == EINTR ? finish(fd, deadline_ns) : errno;
	if (failed == 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0)
		return fd;
	if (failed == 0)
		failed = errno;
	(void)close(fd);
	return -failed;
}

static qpool_err
say_why(const qp_redis_source *source, int failed, qpool_error *error)
{
	static const struct {
		int sys_errno;
		qpool_err code;
		const char *hint;
	} known[] = {
	    {ECONNREFUSED, QPOOL_EOPEN, "; is the server running there?"},
	    {ENOENT, QPOOL_EOPEN, "; is the server running, and is this its socket?"},
	    {EAGAIN, QPOOL_EOPEN, "; the server does not accept as fast as clients come"},
	    {ETIMEDOUT, QPOOL_EOPEN, "; is there a firewall between?"},
	    {EACCES, QPOOL_EDENIED, "; give this user permission on the socket"},
	    {EPERM, QPOOL_EDENIED, ""},
	    {EMFILE, QPOOL_EFULL, "; raise the limit on open files (ulimit -n) or lower max_size"},
	    {ENFILE, QPOOL_EFULL, "; raise the system's limit on open files or lower max_size"},
	};
	qpool_err code = QPOOL_EOPEN;
	const char *hint = "";

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].sys_errno == failed) {
			code = known[i].code;
			hint = known[i].hint;
		}
	return qp_redis_fault_system(error, code, failed, "redis %s: connecting: %s%s",
	    source->shown, strerrordesc_np(failed), hint);
}

static qpool_err
dial_unix(const qp_redis_source *source, int64_t deadline_ns, int *out, qpool_error *error)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t length = strlen(source->path);
	int fd;

	if (length >= sizeof at.sun_path)
		return qp_redis_fault_say(error, QPOOL_EDENIED,
		    "redis %s: the path has %zu bytes; a socket's has at most %zu", source->shown,
		    length, sizeof at.sun_path - 1);
	memcpy(at.sun_path, source->path, length + 1);
	fd = connect_to((const struct sockaddr *)&at, sizeof at, deadline_ns);
	if (fd < 0)
		return say_why(source, -fd, error);
	*out = fd;
	return QPOOL_OK;
}

static int64_t
share(int64_t deadline_ns, size_t parts)
{
	int64_t now = qp_redis_wire_now();

	return deadline_ns == INT64_MAX ? INT64_MAX : now + (deadline_ns - now) / (int64_t)parts;
}

static qpool_err
dial_tcp(const qp_redis_source *source, int64_t deadline_ns, int *out, qpool_error *error)
{
	qp_redis_addresses to;
	qpool_err err = qp_redis_resolve(source, deadline_ns, &to, error);
	int fd = -ENOENT;

	for (size_t i = 0; err == QPOOL_OK && i < to.count && fd < 0; i++)
		fd = connect_to((const struct sockaddr *)&to.each[i].at, to.each[i].length,
		    share(deadline_ns, to.count - i));
	if (err == QPOOL_OK && fd < 0)
		err = say_why(source, -fd, error);
	if (err == QPOOL_OK)
		*out = fd;
	return err;
}

qpool_err
qp_redis_dial(const qp_redis_source *source, int64_t deadline_ns, int *out, qpool_error *error)
{
	return source->path != NULL ? dial_unix(source, deadline_ns, out, error)
	                            : dial_tcp(source, deadline_ns, out, error);
}
