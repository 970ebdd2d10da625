/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrap: another adapter's ops with something added: each SQLite connection is warmed up when it is opened, and
 * counted.  Steps that stay as they are pass through.
 */
#include <queuepool/sqlite.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* [part: wrap] */
typedef struct wrap {
	qpool_ops inner; /* as qpool_sqlite_ops filled it */
	void *user;      /* the inner one's */
	atomic_uint open;
} wrap;

static qpool_err
wrap_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	wrap *w = user;
	qpool_err err = w->inner.open(w->user, step, out, error); /* one step, one budget */

	if (err != QPOOL_OK)
		return err;
	if (sqlite3_exec(*out, "PRAGMA cache_size = 500", NULL, NULL, NULL) != SQLITE_OK) {
		w->inner.close(w->user, *out, QPOOL_WHY_DISCARDED); /* ours to end by now */
		return QPOOL_EOPEN;
	}
	atomic_fetch_add(&w->open, 1);
	return QPOOL_OK;
}

static void
wrap_close(void *user, void *resource, qpool_why why)
{
	wrap *w = user;

	w->inner.close(w->user, resource, why);
	atomic_fetch_sub(&w->open, 1);
}

static qpool_err
wrap_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	wrap *w = user;

	return w->inner.reset(w->user, resource, step, error);
}

static void
wrap_destroy(void *user)
{
	wrap *w = user;

	printf("left open at the end: %u\n", atomic_load(&w->open));
	w->inner.destroy(w->user);
	free(w);
}
/* [end] */

/* Here check, describe and abandon are left out on purpose; peek this adapter has none. */
static qpool_err
create(qpool **out, wrap *w, qpool_error *error)
{
	qpool_ops ops = qpool_ops_init();
	qpool_err err;

	w->inner = qpool_ops_init();
	err = qpool_sqlite_ops(":memory:", NULL, &w->inner, &w->user, error);
	if (err != QPOOL_OK)
		return err;
	ops.kind = w->inner.kind; /* by which qpool_sqlite_db knows it */
	ops.open = wrap_open;
	ops.close = wrap_close;
	ops.reset = wrap_reset;
	ops.destroy = wrap_destroy;
	err = qpool_create(out, NULL, &ops, w, error);
	if (err != QPOOL_OK)
		w->inner.destroy(w->user);
	return err;
}

static int
show_first(void *user, int count, char **values, char **names)
{
	(void)user;
	printf("%s of a wrapped connection: %s\n", names[0], count > 0 ? values[0] : "?");
	return 0;
}

int
main(void)
{
	wrap *w = calloc(1, sizeof *w);
	qpool_error error = {.message = "out of memory"};
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool *pool = NULL;
	int failed = 1;

	if (w != NULL && create(&pool, w, &error) != QPOOL_OK)
		free(w);
	else if (w != NULL && qpool_acquire(pool, QPOOL_DEFAULT, &lease, &error) == QPOOL_OK)
		failed = sqlite3_exec(qpool_sqlite_db(&lease), "PRAGMA cache_size", show_first,
			     NULL, NULL) != SQLITE_OK;
	(void)qpool_release(&lease);
	qpool_free(pool);
	if (failed)
		(void)fprintf(stderr, "%s\n", error.message);
	return failed;
}
