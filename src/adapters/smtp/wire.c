/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire: libcurl is asked first and the socket is polled only when it says AGAIN, as bytes may sit in
 * TLS.  libcurl sends without SIGPIPE (MSG_NOSIGNAL), through TLS too since 7.88.
 */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

int64_t
qp_smtp_wire_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
qp_smtp_wire_deadline(qpool_nsec budget)
{
	int64_t now = qp_smtp_wire_now();

	return budget > INT64_MAX - now ? INT64_MAX : now + budget;
}

/* Signals do not end it. */
static qp_smtp_result
wait_for(int fd, short events, int64_t deadline_ns)
{
	struct pollfd look = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline_ns == INT64_MAX ? 0 : deadline_ns - qp_smtp_wire_now();
		struct timespec span = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
		int count;

		if (left < 0)
			return QP_SMTP_LATE;
		count = ppoll(&look, 1, deadline_ns == INT64_MAX ? NULL : &span, NULL);
		if (count > 0)
			return (look.revents & POLLNVAL) != 0 ? QP_SMTP_LOST : QP_SMTP_DONE;
		if (count == 0)
			return QP_SMTP_LATE;
		if (errno != EINTR)
			return QP_SMTP_LOST;
	}
}

/* TLS wants the same bytes again after AGAIN: they stay where they are. */
qp_smtp_result
qp_smtp_wire_send(
    qp_smtp_session *session, const char *bytes, size_t length, int64_t deadline_ns, size_t *sent)
{
	qp_smtp_result result = QP_SMTP_DONE;

	for (*sent = 0; *sent < length && result == QP_SMTP_DONE;) {
		size_t more = 0;
		CURLcode code = curl_easy_send(session->curl, bytes + *sent, length - *sent, &more);

		*sent += more;
		if (code == CURLE_AGAIN)
			result = wait_for(session->fd, POLLOUT, deadline_ns);
		else if (code != CURLE_OK)
			result = QP_SMTP_LOST;
	}
	return result;
}

/* More bytes into the empty buffer. */
static qp_smtp_result
fill(qp_smtp_session *session, int64_t deadline_ns)
{
	for (;;) {
		size_t got = 0;
		CURLcode code =
		    curl_easy_recv(session->curl, session->in, sizeof session->in, &got);
		qp_smtp_result result;

		session->at = 0;
		session->end = got;
		if (code == CURLE_OK)
			return got > 0 ? QP_SMTP_DONE : QP_SMTP_LOST;
		if (code != CURLE_AGAIN)
			return QP_SMTP_LOST;
		result = wait_for(session->fd, POLLIN, deadline_ns);
		if (result != QP_SMTP_DONE)
			return result;
	}
}

qp_smtp_result
qp_smtp_wire_hear(qp_smtp_session *session, qp_smtp_reply *reply, int64_t deadline_ns)
{
	bool is_late = false;

	qp_smtp_reply_begin(reply);
	while (reply->heard == QP_SMTP_MORE) {
		if (session->at == session->end) {
			/* A reply whose pieces never cease to come is late as well. */
			qp_smtp_result result = is_late ? QP_SMTP_LATE : fill(session, deadline_ns);
			if (result != QP_SMTP_DONE)
				return result;
			is_late = qp_smtp_wire_now() >= deadline_ns;
		}
		session->at += qp_smtp_reply_feed(
		    reply, session->in + session->at, session->end - session->at);
	}
	if (reply->heard == QP_SMTP_NONSENSE)
		return QP_SMTP_GARBLED;
	session->is_broken = reply->code == 421;
	return QP_SMTP_DONE;
}

qp_smtp_result
qp_smtp_wire_look(qp_smtp_session *session)
{
	qp_smtp_result result;

	if (session->at != session->end)
		return QP_SMTP_GARBLED;
	result = fill(session, 0);
	if (result == QP_SMTP_LATE)
		return QP_SMTP_DONE;
	return result == QP_SMTP_DONE ? QP_SMTP_GARBLED : result;
}

/* What came before it was asked for answers nothing, whatever it says. */
qp_smtp_result
qp_smtp_wire_silence(qp_smtp_session *session, qp_smtp_reply *reply)
{
	qp_smtp_result result = qp_smtp_wire_look(session);

	qp_smtp_reply_begin(reply);
	if (result == QP_SMTP_GARBLED)
		(void)qp_smtp_wire_hear(session, reply, 0);
	session->is_broken = session->is_broken || result != QP_SMTP_DONE;
	return result;
}

qp_smtp_result
qp_smtp_wire_ask(
    qp_smtp_session *session, const char *line, qp_smtp_reply *reply, int64_t deadline_ns)
{
	char whole[512];
	int length = snprintf(whole, sizeof whole, "%s\r\n", line);
	qp_smtp_result result = qp_smtp_wire_silence(session, reply);
	size_t sent;

	session->is_broken = true;
	if (result != QP_SMTP_DONE)
		return result;
	if (length < 0 || (size_t)length >= sizeof whole)
		return QP_SMTP_GARBLED;
	result = qp_smtp_wire_send(session, whole, (size_t)length, deadline_ns, &sent);
	if (result == QP_SMTP_DONE)
		result = qp_smtp_wire_hear(session, reply, deadline_ns);
	else if (result == QP_SMTP_LOST) /* it may have said why */
		(void)qp_smtp_wire_hear(session, reply, 0);
	session->is_broken = session->is_broken || result != QP_SMTP_DONE;
	if (result == QP_SMTP_DONE && session->at != session->end)
		return qp_smtp_wire_silence(session, reply);
	return result;
}

const char *
qp_smtp_wire_words(qp_smtp_result result)
{
	switch (result) {
	case QP_SMTP_LATE:
		return "no answer in time";
	case QP_SMTP_LOST:
		return "the connection was lost";
	case QP_SMTP_GARBLED:
		return "the server said what is no reply, or was not asked for";
	default:
		return "done";
	}
}
