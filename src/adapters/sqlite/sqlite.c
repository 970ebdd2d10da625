/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite: the public functions.  Users call in and get the ops of one source.  The rooms behind
 * are session (a connection's life), source (options), target (paths and URIs), limit (time),
 * leftover (strict) and fault (messages).  sqlite itself never touches a connection.
 */
#include "fault.h"
#include "session.h"
#include "source.h"

#include <errno.h>
#include <stdio.h>

static const char kind[] = "sqlite";

static void
describe(void *user, void *resource, char *out, size_t room)
{
	const qp_sqlite_source *source = user;

	(void)resource;
	if (room > 0)
		(void)snprintf(out, room, "sqlite:%s", source->shown);
}

/* Do nothing: in a forked child even sqlite3_close would be wrong, as it may roll back the
 * parent's transaction, or checkpoint and delete its WAL.  The price is the memory and the files
 * of the connection, which exec closes. */
static void
abandon(void *user, void *resource)
{
	(void)user;
	(void)resource;
}

static void
destroy(void *user)
{
	qp_sqlite_source_free(user);
}

/* There is no peek: nothing about a file's connection can be seen without asking
 * SQLite.  What could be asked (was the file moved?) costs a system call, too much for
 * every acquire; check asks it. */
static void
fill(qpool_ops *ops, size_t size)
{
	qpool_ops ours = qpool_ops_init();

	ours.kind = kind;
	ours.open = qp_sqlite_session_open;
	ours.close = qp_sqlite_session_close;
	ours.check = qp_sqlite_session_check;
	ours.reset = qp_sqlite_session_reset;
	ours.describe = describe;
	ours.abandon = abandon;
	ours.destroy = destroy;
	memset(ops, 0, size);
	memcpy(ops, &ours, size < sizeof ours ? size : sizeof ours);
	ops->size = size;
}

static qpool_err
make_ops(const char *target, const qpool_sqlite_options *sqlite, qpool_ops *ops, void **user,
    qpool_error *error)
{
	const size_t least = offsetof(qpool_ops, destroy) + sizeof ops->destroy;
	qp_sqlite_source *source;
	qpool_err err;

	if (ops == NULL || user == NULL)
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "%s is NULL; it must point to what is to be filled",
		    ops == NULL ? "ops" : "user");
	if (ops->size < least)
		return qp_sqlite_fault_say(error, QPOOL_EINVAL,
		    "ops->size is %zu; start from qpool_ops_init()", ops->size);
	if (!sqlite3_threadsafe())
		return qp_sqlite_fault_say(error, QPOOL_ENOTSUP,
		    "this SQLite is built without threads (SQLITE_THREADSAFE=0); use one built "
		    "with 1 or 2");
	err = qp_sqlite_source_make(&source, target, sqlite, error);
	if (err != QPOOL_OK)
		return err;
	fill(ops, ops->size);
	*user = source;
	return QPOOL_OK;
}

qpool_err
qpool_sqlite_ops(const char *target, const qpool_sqlite_options *sqlite, qpool_ops *ops,
    void **user, qpool_error *error)
{
	int saved = errno;
	qpool_err err = make_ops(target, sqlite, ops, user, error);

	errno = saved;
	return err;
}

qpool_err
qpool_sqlite_create(qpool **out, const char *target, const qpool_sqlite_options *sqlite,
    const qpool_options *options, qpool_error *error)
{
	qpool_ops ops = qpool_ops_init();
	void *user = NULL;
	qpool_err err = qpool_sqlite_ops(target, sqlite, &ops, &user, error);

	if (err != QPOOL_OK)
		return err;
	err = qpool_create(out, options, &ops, user, error);
	if (err != QPOOL_OK)
		destroy(user);
	return err;
}

sqlite3 *
qpool_sqlite_db(const qpool_lease *lease)
{
	qpool *pool = lease == NULL ? NULL : qpool_of(lease);

	/* Compared by content: a wrapper or another copy of this library has its own "sqlite". */
	if (pool == NULL || strcmp(qpool_kind(pool), kind) != 0)
		return NULL;
	return lease->resource;
}
