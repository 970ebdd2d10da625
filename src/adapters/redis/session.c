/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session: open, peek, check, close.
 */
#include "session.h"

#include "dial.h"
#include "fault.h"
#include "greet.h"
#include "guard.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

/* ---- its life ----------------------------------------------------------------------- */

void
qp_redis_session_tune(qp_redis_session *session)
{
	redisContext *context = session->context;
	qpool_nsec timeout = session->source->call_timeout;
	struct timeval span = {0};
	int flags = fcntl(context->fd, F_GETFL);

	if (timeout != QPOOL_FOREVER) {
		span.tv_sec = timeout / 1000000000;
		span.tv_usec = timeout % 1000000000 / 1000;
		if (span.tv_sec == 0 && span.tv_usec == 0)
			span.tv_usec = 1;
	}
	if ((flags & O_NONBLOCK) != 0)
		(void)fcntl(context->fd, F_SETFL, flags & ~O_NONBLOCK);
	context->flags |= REDIS_BLOCK;
	/* hiredis does nothing else with it, but keeps an error. */
	(void)redisSetTimeout(context, span);
}

static qpool_err
no_memory(qpool_error *error)
{
	return qp_redis_fault_say(error, QPOOL_ENOMEM, "no memory for a Redis connection");
}

/* The descriptor is the session's from here on. */
static qp_redis_session *
make(qp_redis_source *source, int fd)
{
	qp_redis_session *session = calloc(1, sizeof *session);
	redisContext *context = session == NULL ? NULL : redisConnectFd(fd);

	if (context == NULL || context->err != 0) {
		if (context != NULL)
			redisFree(context);
		else
			(void)close(fd);
		free(session);
		return NULL;
	}
	qp_redis_guard_quiet(context);
	session->context = context;
	session->source = source;
	session->call_timeout = source->call_timeout;
	session->refusals = atomic_load_explicit(&source->refusals, memory_order_relaxed);
	if (source->call_timeout != QPOOL_FOREVER)
		qp_redis_session_tune(session);
	return session;
}

qpool_err
qp_redis_session_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	qp_redis_source *source = user;
	int64_t deadline_ns = qp_redis_wire_deadline(step->budget);
	qp_redis_session *session;
	qpool_err err;
	int fd;

	err = qp_redis_dial(source, deadline_ns, &fd, error);
	if (err != QPOOL_OK)
		return err;
	session = make(source, fd);
	if (session == NULL)
		return no_memory(error);
	err = qp_redis_greet_login(session, deadline_ns, error);
	if (err == QPOOL_OK)
		*out = session;
	else
		qp_redis_session_abandon(user, session);
	return err;
}

void
qp_redis_session_free(qp_redis_session *session)
{
	qp_redis_source_wipe(session->out, session->out_room);
	free(session);
}

/* QUIT would be one more exchange with a server that learns as much from the end itself. */
void
qp_redis_session_close(void *user, void *resource, qpool_why why)
{
	(void)why;
	qp_redis_session_abandon(user, resource);
}

/* hiredis says nothing at the end of a context, so its end is the same in a child. */
void
qp_redis_session_abandon(void *user, void *resource)
{
	qp_redis_session *session = resource;

	(void)user;
	redisFree(session->context);
	qp_redis_session_free(session);
}

void
qp_redis_session_describe(void *user, void *resource, char *out, size_t room)
{
	const qp_redis_source *source = user;
	qpool_error words;

	(void)resource;
	if (room == 0)
		return;
	(void)qp_redis_fault_say(&words, QPOOL_OK, "redis %s", source->shown);
	(void)snprintf(out, room, "%s", words.message);
}

/* ---- alive? ------------------------------------------------------------------------- */

void
qp_redis_session_condemn(qp_redis_session *session, const char *why)
{
	session->is_condemned = true;
	qp_redis_wire_ruin(session->context, REDIS_ERR_OTHER, why);
}

bool
qp_redis_session_is_error(const redisReply *reply, const char *code)
{
	size_t length = strlen(code);

	return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, code, length) == 0 &&
	       (reply->str[length] == ' ' || reply->str[length] == '\0');
}

/* A script's write is refused in the script's words, by servers before 7.0.  UNBLOCKED may also come from an
 * operator, in other words. */
bool
qp_redis_session_is_refusal(const redisReply *reply)
{
	return qp_redis_session_is_error(reply, "READONLY") ||
	       (qp_redis_session_is_error(reply, "UNBLOCKED") &&
		   strstr(reply->str, "instance state changed") != NULL) ||
	       (qp_redis_session_is_error(reply, "ERR") &&
		   strstr(reply->str, "-READONLY ") != NULL);
}

static qpool_err
lost(const qp_redis_session *session, qpool_error *error)
{
	return qp_redis_fault_context(
	    error, QPOOL_ECHECK, session->source, "checking", session->context);
}

static qpool_err
spoke(const qp_redis_session *session, qpool_error *error)
{
	return qp_redis_fault_say(error, QPOOL_ECHECK,
	    "redis %s: the server spoke without being asked", session->source->shown);
}

qpool_err
qp_redis_session_peek(void *user, void *resource, qpool_error *error)
{
	const qp_redis_session *session = resource;
	int found;

	(void)user;
	if (session->is_condemned || session->context->err != 0)
		return lost(session, error);
	/* The answer to a PING is owed, or may have come: check knows. */
	if (session->is_asked)
		return QPOOL_EAGAIN;
	if (!qp_redis_wire_is_drained(session->context))
		return spoke(session, error);
	found = qp_redis_wire_look(session->context);
	if (found == 0)
		return QPOOL_OK;
	if (found == EBUSY)
		return spoke(session, error);
	return qp_redis_fault_system(error, QPOOL_ECHECK, found,
	    "redis %s: the connection ended while it was idle: %s", session->source->shown,
	    strerrordesc_np(found));
}

/* EAGAIN: no whole answer yet; ECHECK: there will be none. */
static qpool_err
ask(qp_redis_session *session, const char *command, int64_t deadline_ns, redisReply **out,
    qpool_error *error)
{
	qp_redis_waited waited = QP_REDIS_READY;
	size_t sent;

	if (!session->is_asked)
		waited = qp_redis_wire_send(
		    session->context, command, strlen(command), deadline_ns, &sent);
	/* Half a question cannot be taken back. */
	if (waited == QP_REDIS_LATE) {
		qp_redis_session_condemn(session, "the server takes nothing");
		waited = QP_REDIS_BROKEN;
	}
	session->is_asked = true;
	if (waited == QP_REDIS_READY)
		waited = qp_redis_wire_read(session->context, deadline_ns, out);
	if (waited == QP_REDIS_LATE) {
		(void)qp_redis_fault_say(error, QPOOL_EAGAIN,
		    "redis %s: checking: no answer in time", session->source->shown);
		return QPOOL_EAGAIN;
	}
	if (waited == QP_REDIS_BROKEN || *out == NULL) {
		(void)lost(session, error);
		return QPOOL_ECHECK;
	}
	session->is_asked = false;
	return QPOOL_OK;
}

static qpool_err
ping(qp_redis_session *session, int64_t deadline_ns, qpool_error *error)
{
	redisReply *reply = NULL;
	qpool_err err = ask(session, "*1\r\n$4\r\nPING\r\n", deadline_ns, &reply, error);

	if (err != QPOOL_OK)
		return err;
	if (reply->type == REDIS_REPLY_ERROR)
		err =
		    qp_redis_fault_answer(error, QPOOL_ECHECK, session->source, "PING", reply, "");
	else if (reply->type != REDIS_REPLY_STATUS || strcmp(reply->str, "PONG") != 0)
		err = qp_redis_fault_say(error, QPOOL_ECHECK,
		    "redis %s: PING was answered by something else", session->source->shown);
	else if (!qp_redis_wire_is_drained(session->context))
		err = spoke(session, error);
	freeReplyObject(reply);
	return err;
}

/* HELLO's pairs: "role", "master". */
static bool
is_primary(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *value = reply->element[i + 1];
		if (name->str != NULL && strcmp(name->str, "role") == 0)
			return value->str != NULL && strcmp(value->str, "master") == 0;
	}
	return false;
}

/* A replica answers PING as well as a primary does.  A server too old for HELLO is not trusted. */
static qpool_err
show_role(qp_redis_session *session, int64_t deadline_ns, qpool_error *error)
{
	redisReply *reply = NULL;
	qpool_err err = ask(session, "*1\r\n$5\r\nHELLO\r\n", deadline_ns, &reply, error);

	if (err != QPOOL_OK) {
		/* The next one would take the answer for a PING's. */
		qp_redis_session_condemn(session, "HELLO was not answered in time");
		return lost(session, error);
	}
	if (!is_primary(reply))
		err = qp_redis_fault_say(error, QPOOL_ECHECK,
		    "redis %s: a write was refused (READONLY), and this server does not say that it "
		    "is a primary",
		    session->source->shown);
	freeReplyObject(reply);
	return err;
}

qpool_err
qp_redis_session_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	const qp_redis_source *source = user;
	qp_redis_session *session = resource;
	int64_t deadline_ns = qp_redis_wire_deadline(step->budget);
	unsigned refusals = atomic_load_explicit(&source->refusals, memory_order_relaxed);
	qpool_err err = QPOOL_OK;

	if (session->is_condemned || session->context->err != 0)
		return lost(session, error);
	if (session->refusals == refusals || session->is_asked)
		err = ping(session, deadline_ns, error);
	if (err == QPOOL_OK && session->refusals != refusals)
		err = show_role(session, deadline_ns, error);
	if (err == QPOOL_OK)
		session->refusals = refusals;
	return err;
}
