/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * greet: one pipeline is sent, then each answer is compared with the one that fits.
 */
#include "greet.h"

#include "fault.h"
#include "wire.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct expected {
	const char *command; /* as messages call it */
	const char *answer;
	const char *hint; /* when it is refused */
	bool is_for_good; /* refused for good, unless the server says otherwise */
} expected;

static const expected reset_answer = {"RESET", "RESET", "", false};
static const expected ping_answer = {"PING", "PONG", "", false};
static const expected step_answers[QP_REDIS_STEPS] = {
    [QP_REDIS_AUTH] = {"AUTH", "OK", "check user and password", true},
    [QP_REDIS_SELECT] = {"SELECT", "OK", "check the database's number", true},
    [QP_REDIS_SETNAME] = {"CLIENT SETNAME", "OK", "check client_name, or give \"\"", true},
};

/* ---- refusals ----------------------------------------------------------------------- */

static bool
begins_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool
begins_with_any(const char *text, const char *const *list)
{
	for (; *list != NULL; list++)
		if (begins_with(text, *list))
			return true;
	return false;
}

/* What a login that was refused means for those who wait. */
static qpool_err
judge(const expected *at, const char *words)
{
	static const char *const full[] = {"ERR max number of clients", NULL};
	static const char *const passing[] = {
	    "LOADING", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MISCONF", "OOM", NULL};
	static const char *const final[] = {"NOAUTH", "NOPERM", "WRONGPASS", "DENIED", NULL};

	if (begins_with_any(words, full))
		return QPOOL_EFULL;
	if (begins_with_any(words, passing))
		return QPOOL_EOPEN;
	return at->is_for_good || begins_with_any(words, final) ? QPOOL_EDENIED : QPOOL_EOPEN;
}

static const char *
hint_on(const expected *at, const char *words)
{
	if (begins_with(words, "NOAUTH"))
		return "give a password";
	if (begins_with(words, "NOPERM") && at == &ping_answer)
		return "the user needs +ping";
	if (begins_with(words, "DENIED"))
		return "the server wants a password to be set";
	if (begins_with(words, "ERR max number of clients"))
		return "raise maxclients or lower max_size";
	return at->hint;
}

/* ---- answers ------------------------------------------------------------------------ */

static bool
is_text(const redisReply *reply, const char *text)
{
	return (reply->type == REDIS_REPLY_STATUS || reply->type == REDIS_REPLY_STRING) &&
	       reply->len == strlen(text) && memcmp(reply->str, text, reply->len) == 0;
}

/* What comes without being asked for: an array that begins with one of these, or a line of MONITOR,
 * "1339518083.107412 [0 127.0.0.1:60866] ...". */
static bool
is_message(const redisReply *reply)
{
	static const char *const kinds[] = {"message", "pmessage", "smessage", "subscribe",
	    "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"};

	if (reply->type == REDIS_REPLY_STATUS)
		return reply->len > 17 && reply->str[0] >= '0' && reply->str[0] <= '9' &&
		       strstr(reply->str, " [") != NULL;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3 ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return false;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (is_text(reply->element[0], kinds[i]))
			return true;
	return false;
}

static qpool_err
no_answer(qp_redis_session *session, qp_redis_waited waited, qpool_err code, const char *what,
    qpool_error *error)
{
	if (waited == QP_REDIS_LATE)
		return qp_redis_fault_say(error, code, "redis %s: %s was not answered in time",
		    session->source->shown, what);
	if (code == QPOOL_EOPEN && session->context->err == REDIS_ERR_PROTOCOL)
		return qp_redis_fault_say(error, code,
		    "redis %s: %s was answered by what is no reply; is this a Redis server?",
		    session->source->shown, what);
	return qp_redis_fault_context(error, code, session->source, what, session->context);
}

/* `code` is what a failure is that is not a refusal. */
static qpool_err
expect(qp_redis_session *session, const expected *at, bool skips, int64_t deadline_ns,
    qpool_err code, qpool_error *error)
{
	redisReply *reply = NULL;
	qp_redis_waited waited;
	qpool_err err = QPOOL_OK;

	do {
		freeReplyObject(reply);
		reply = NULL;
		waited = qp_redis_wire_read(session->context, deadline_ns, &reply);
	} while (waited == QP_REDIS_READY &&
		 (qp_redis_wire_is_push(reply) || (skips && is_message(reply))));
	if (waited != QP_REDIS_READY)
		return no_answer(session, waited, code, at->command, error);
	if (reply->type == REDIS_REPLY_ERROR)
		err =
		    qp_redis_fault_answer(error, code == QPOOL_EOPEN ? judge(at, reply->str) : code,
			session->source, at->command, reply, hint_on(at, reply->str));
	else if (!is_text(reply, at->answer))
		err = qp_redis_fault_say(error, code,
		    code == QPOOL_EOPEN
			? "redis %s: %s was answered by something else; is this a Redis server?"
			: "redis %s: %s was answered by something else; replies were left unread",
		    session->source->shown, at->command);
	freeReplyObject(reply);
	return err;
}

static qpool_err
expect_steps(
    qp_redis_session *session, bool skips, int64_t deadline_ns, qpool_err code, qpool_error *error)
{
	qpool_err err = QPOOL_OK;

	for (size_t i = 0; i < QP_REDIS_STEPS && err == QPOOL_OK; i++)
		if (session->source->has[i])
			err = expect(session, &step_answers[i], skips, deadline_ns, code, error);
	return err;
}

/* ---- the dialogues ------------------------------------------------------------------ */

/* A server that has no room says so and hangs up, without having read a byte: its words count more
 * than a failure to send. */
static bool
has_last_words(qp_redis_session *session, int64_t deadline_ns, qpool_error *error, qpool_err *err)
{
	redisContext *context = session->context;

	context->err = 0;
	context->errstr[0] = '\0';
	*err = expect(session, &ping_answer, false, deadline_ns, QPOOL_EOPEN, error);
	return *err != QPOOL_OK;
}

qpool_err
qp_redis_greet_login(qp_redis_session *session, int64_t deadline_ns, qpool_error *error)
{
	const qp_redis_source *source = session->source;
	qpool_err err = QPOOL_OK;
	size_t sent;
	qp_redis_waited waited = qp_redis_wire_send(
	    session->context, source->login, source->login_length, deadline_ns, &sent);

	if (waited == QP_REDIS_BROKEN && has_last_words(session, deadline_ns, error, &err))
		return err;
	if (waited != QP_REDIS_READY)
		return no_answer(session, waited, QPOOL_EOPEN, "logging in", error);
	err = expect_steps(session, false, deadline_ns, QPOOL_EOPEN, error);
	if (err == QPOOL_OK)
		err = expect(session, &ping_answer, false, deadline_ns, QPOOL_EOPEN, error);
	if (err == QPOOL_OK && !qp_redis_wire_is_drained(session->context))
		err = qp_redis_fault_say(error, QPOOL_EOPEN,
		    "redis %s: there were more answers than questions; is this a Redis server?",
		    source->shown);
	return err;
}

/* The mark's answer can be nobody else's. */
static qpool_err
send_again(qp_redis_session *session, const char *mark, int64_t deadline_ns, qpool_error *error)
{
	const qp_redis_source *source = session->source;
	char ping[64];
	size_t sent;
	int length =
	    snprintf(ping, sizeof ping, "*2\r\n$4\r\nPING\r\n$%zu\r\n%s\r\n", strlen(mark), mark);
	qp_redis_waited waited = qp_redis_wire_send(
	    session->context, source->again, source->again_length, deadline_ns, &sent);

	if (waited == QP_REDIS_READY && mark[0] != '\0')
		waited =
		    qp_redis_wire_send(session->context, ping, (size_t)length, deadline_ns, &sent);
	return waited == QP_REDIS_READY ? QPOOL_OK
	                                : no_answer(session, waited, QPOOL_ECHECK, "RESET", error);
}

qpool_err
qp_redis_greet_again(
    qp_redis_session *session, bool skips, bool marks, int64_t deadline_ns, qpool_error *error)
{
	char mark[32] = "";
	const expected marked = {"PING", mark, "", false};
	qpool_err err;

	if (marks)
		(void)snprintf(mark, sizeof mark, "qpool-%" PRIu64, ++session->marks);
	err = send_again(session, mark, deadline_ns, error);
	if (err == QPOOL_OK)
		err = expect(session, &reset_answer, skips, deadline_ns, QPOOL_ECHECK, error);
	if (err == QPOOL_OK)
		err = expect_steps(session, false, deadline_ns, QPOOL_ECHECK, error);
	if (err == QPOOL_OK && marks)
		err = expect(session, &marked, false, deadline_ns, QPOOL_ECHECK, error);
	if (err != QPOOL_OK)
		qp_redis_session_condemn(session, "it could not be reset");
	return err;
}
