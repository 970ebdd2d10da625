/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * adapter: how to pool anything.  Copy it, and put your client library where line.h is.  The pool decides
 * when each of these runs, never two at once on one session and with no lock held; none of them tries
 * again by itself, waits past its budget, or shows the password.
 */
#include "adapter.h"

#include <errno.h>
#include <stdio.h>

static const char kind[] = "line";

/* [part: classes] */
/* Errors of the client in the pool's classes, with one sentence.  `lost` is what a broken connection
 * means just here. */
static qpool_err
judge(int err, const char *answer, qpool_err lost, qpool_error *error)
{
	bool refused = err == EACCES;

	if (err == 0)
		return QPOOL_OK;
	memset(error, 0, sizeof *error);
	error->code = refused ? QPOOL_EPEER : lost;
	if (refused && strncmp(answer, "535", 3) == 0)
		error->code = QPOOL_EDENIED; /* waiting will not mend it */
	if ((refused && strncmp(answer, "421", 3) == 0) || err == EMFILE || err == ENFILE)
		error->code = QPOOL_EFULL; /* no room now */
	error->sys_errno = refused ? 0 : err;
	(void)snprintf(error->native, sizeof error->native, "%.3s", refused ? answer : "");
	(void)snprintf(error->message, sizeof error->message, "line server: %s",
	    refused ? answer : strerror(err));
	return error->code;
}
/* [end] */

/* [part: open] */
static qpool_err
session_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	const line_source *to = user;
	const char *name = step->key != NULL ? step->key : to->name;
	char answer[LINE_ROOM];
	line *l = NULL;
	int err = line_open(&l, to, name, line_deadline(step->budget), answer);

	*out = l;
	return judge(err, answer, QPOOL_EOPEN, error);
}
/* [end] */

/* [part: alive] */
static qpool_err
session_peek(void *user, void *resource, qpool_error *error)
{
	(void)user;
	return judge(line_look(resource), "", QPOOL_ECHECK, error);
}

static qpool_err
session_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	char answer[LINE_ROOM];
	int err = line_talk(resource, "NOOP", line_deadline(step->budget), answer);

	(void)user;
	return judge(err, answer, QPOOL_ECHECK, error);
}
/* [end] */

/* [part: reset] */
static qpool_err
session_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	const line *l = resource; /* a lease that said nothing costs no round trip */
	int64_t deadline = line_deadline(step->budget);
	char answer[LINE_ROOM];
	int err = l->clean ? 0 : line_talk(resource, "RSET", deadline, answer);

	(void)user;
	return judge(err, answer, QPOOL_ECHECK, error);
}
/* [end] */

/* [part: close] */
static void
session_close(void *user, void *resource, qpool_why why)
{
	(void)user;
	(void)why;
	line_close(resource);
}

static void
session_abandon(void *user, void *resource)
{
	(void)user;
	line_drop(resource); /* not a byte: the session is the parent's */
}
/* [end] */

/* [part: describe] */
static void
session_describe(void *user, void *resource, char *out, size_t room)
{
	(void)snprintf(out, room, "session %lu at port %u", ((line *)resource)->number,
	    ntohs(((line_source *)user)->at.sin_port));
}
/* [end] */

/* [part: ops] */
qpool_ops
session_ops(void)
{
	qpool_ops ops = qpool_ops_init();

	ops.kind = kind;
	ops.open = session_open;
	ops.close = session_close;
	ops.peek = session_peek;
	ops.check = session_check;
	ops.reset = session_reset;
	ops.describe = session_describe;
	ops.abandon = session_abandon;
	return ops;
}
/* [end] */

/* [part: typed] */
qpool_err
session_ask(const qpool_lease *lease, const char *say, qpool_nsec timeout, char answer[LINE_ROOM],
    qpool_error *error)
{
	const qpool *pool = qpool_of(lease);
	bool ours = pool != NULL && strcmp(qpool_kind(pool), kind) == 0;
	int err = ours ? line_talk(lease->resource, say, line_deadline(timeout), answer) : EINVAL;

	return judge(err, answer, err == EINVAL ? QPOOL_EINVAL : QPOOL_EUNKNOWN, error);
}
/* [end] */
