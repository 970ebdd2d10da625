/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command: the public functions that send: hiredis writes each command down, call does the rest.
 */
#include "call.h"
#include "fault.h"
#include "visit.h"

#include <limits.h>
#include <stdarg.h>

/* What to do with a command. */
typedef struct wish {
	qpool_lease *lease;
	redisReply **out;
	bool queues;
} wish;

/* Takes `command`, which hiredis made, `length` bytes or less than 0 if it could not. */
static qpool_err
carry_out(const wish *w, char *command, long long length, qpool_error *error)
{
	qp_redis_session *session = NULL;
	qpool_err err;

	if (length < 0)
		return qp_redis_fault_say(error, length == -1 ? QPOOL_ENOMEM : QPOOL_EINVAL,
		    length == -1 ? "no memory for a Redis command"
				 : "the format of a Redis command has a '%%' that is not known");
	err = qp_redis_call_begin(w->lease, &session, error);
	/* "*0": the server would not answer. */
	if (err == QPOOL_OK && command[1] == '0')
		err = qp_redis_fault_say(error, QPOOL_EINVAL, "the Redis command is empty");
	if (err == QPOOL_OK && qp_redis_trace_is_mute(command, (size_t)length))
		err = qp_redis_fault_say(error, QPOOL_EINVAL,
		    "CLIENT REPLY OFF and SKIP are not sent: each command is waited for here, and no "
		    "answer would come; use a pipeline (qpool_redis_append)");
	if (err == QPOOL_OK && w->queues)
		err = qp_redis_call_queue(session, command, (size_t)length, error);
	else if (err == QPOOL_OK)
		err = qp_redis_call_run(w->lease, session, command, (size_t)length, w->out, error);
	redisFreeCommand(command);
	return err;
}

static qpool_err
by_format(const wish *w, const char *format, va_list arguments, qpool_error *error)
{
	qp_redis_visit visit = qp_redis_visit_begin();
	char *command = NULL;
	qpool_err err;
	long long length; /* int with hiredis 0.14 */

	if (w->out != NULL)
		*w->out = NULL;
	if (format == NULL) {
		err = qp_redis_fault_say(error, QPOOL_EINVAL, "format is NULL");
	} else {
		length = redisvFormatCommand(&command, format, arguments);
		err = carry_out(w, command, length, error);
	}
	qp_redis_visit_end(visit);
	return err;
}

static bool
has_all(int argc, const char *const *argv)
{
	for (int i = 0; i < argc; i++)
		if (argv[i] == NULL)
			return false;
	return true;
}

/* hiredis 0.14 counts a command's bytes in an int. */
static bool
fits(int argc, const char *const *argv, const size_t *lengths)
{
	const size_t around = sizeof "$2147483647\r\n\r\n" - 1;
	size_t room = INT_MAX - 32;

	for (int i = 0; i < argc; i++) {
		size_t length = lengths == NULL ? strlen(argv[i]) : lengths[i];
		if (room < around || length > room - around)
			return false;
		room -= length + around;
	}
	return true;
}

static qpool_err
by_words(
    const wish *w, int argc, const char *const *argv, const size_t *lengths, qpool_error *error)
{
	qp_redis_visit visit = qp_redis_visit_begin();
	char *command = NULL;
	qpool_err err;
	long long length; /* int with hiredis 0.14 */

	if (w->out != NULL)
		*w->out = NULL;
	if (argc < 1 || argv == NULL) {
		err = qp_redis_fault_say(error, QPOOL_EINVAL,
		    "argc is %d and argv %s; a command has at least its name", argc,
		    argv == NULL ? "NULL" : "given");
	} else if (!has_all(argc, argv)) {
		err = qp_redis_fault_say(
		    error, QPOOL_EINVAL, "a word of the Redis command, of argv, is NULL");
	} else if (!fits(argc, argv, lengths)) {
		err = qp_redis_fault_say(
		    error, QPOOL_EINVAL, "the Redis command is too long; it must be below 2 GiB");
	} else {
		/* hiredis 0.14 forgot the const. */
		length = redisFormatCommandArgv(&command, argc, (const char **)argv, lengths);
		err = carry_out(w, command, length, error);
	}
	qp_redis_visit_end(visit);
	return err;
}

qpool_err
qpool_redis_command(
    qpool_lease *lease, redisReply **out, qpool_error *error, const char *format, ...)
{
	const wish w = {.lease = lease, .out = out};
	va_list arguments;
	qpool_err err;

	va_start(arguments, format);
	err = by_format(&w, format, arguments, error);
	va_end(arguments);
	return err;
}

qpool_err
qpool_redis_argv(qpool_lease *lease, redisReply **out, qpool_error *error, int argc,
    const char *const *argv, const size_t *lengths)
{
	const wish w = {.lease = lease, .out = out};

	return by_words(&w, argc, argv, lengths, error);
}

qpool_err
qpool_redis_append(qpool_lease *lease, qpool_error *error, const char *format, ...)
{
	const wish w = {.lease = lease, .queues = true};
	va_list arguments;
	qpool_err err;

	va_start(arguments, format);
	err = by_format(&w, format, arguments, error);
	va_end(arguments);
	return err;
}

qpool_err
qpool_redis_append_argv(qpool_lease *lease, qpool_error *error, int argc, const char *const *argv,
    const size_t *lengths)
{
	const wish w = {.lease = lease, .queues = true};

	return by_words(&w, argc, argv, lengths, error);
}

qpool_err
qpool_redis_reply(qpool_lease *lease, redisReply **out, qpool_error *error)
{
	qp_redis_visit visit = qp_redis_visit_begin();
	qp_redis_session *session = NULL;
	qpool_err err;

	if (out != NULL)
		*out = NULL;
	err = qp_redis_call_begin(lease, &session, error);
	if (err == QPOOL_OK)
		err = qp_redis_call_next(lease, session, out, error);
	qp_redis_visit_end(visit);
	return err;
}
