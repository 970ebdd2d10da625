/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait: poll, with signals and the clock taken care of.
 */
#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

int64_t
qp_pg_wait_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
qp_pg_wait_deadline(qpool_nsec budget)
{
	int64_t now = qp_pg_wait_now();

	return budget > INT64_MAX - now ? INT64_MAX : now + budget;
}

qp_pg_waited
qp_pg_wait_socket(int fd, short events, int64_t deadline_ns)
{
	struct pollfd look = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline_ns == INT64_MAX ? 0 : deadline_ns - qp_pg_wait_now();
		struct timespec span = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
		int count;

		if (left < 0)
			span = (struct timespec){0};
		count = ppoll(&look, 1, deadline_ns == INT64_MAX ? NULL : &span, NULL);
		if (count > 0)
			return (look.revents & POLLNVAL) != 0 ? QP_PG_BROKEN : QP_PG_READY;
		if (count == 0)
			return QP_PG_LATE;
		if (errno != EINTR)
			return QP_PG_BROKEN;
	}
}

qp_pg_waited
qp_pg_wait_result(PGconn *conn, int64_t deadline_ns)
{
	bool is_late = false;

	for (;;) {
		/* Less than 0: the peer reads no more, but its last words may still be there. */
		int unsent = PQflush(conn);
		short events = (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN);
		qp_pg_waited waited;

		if (!PQisBusy(conn) && unsent <= 0)
			return QP_PG_READY;
		if (PQstatus(conn) == CONNECTION_BAD)
			return QP_PG_BROKEN;
		/* An answer whose pieces never cease to come is late as well. */
		if (is_late)
			return QP_PG_LATE;
		is_late = qp_pg_wait_now() >= deadline_ns;
		waited = qp_pg_wait_socket(PQsocket(conn), events, deadline_ns);
		if (waited != QP_PG_READY)
			return waited;
		if (!PQconsumeInput(conn))
			return QP_PG_BROKEN;
	}
}
