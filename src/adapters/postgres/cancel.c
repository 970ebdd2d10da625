/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cancel: PQcancel connects anew and waits until the server hangs up; with a server that accepts and
 * is silent that is for ever.  So it runs on a thread of its own, and who wanted it waits by his
 * deadline.
 *
 *     sent off ---> done, and told ---> freed by who waits
 *        \--- the deadline: left ----> freed by its thread
 */
#include "cancel.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* All but `request` under `lock`. */
typedef struct errand {
	PGcancel *request; /* the thread's */
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done, is_left, was_sent;
} errand;

static errand *
errand_make(PGconn *conn)
{
	errand *e = calloc(1, sizeof *e);
	pthread_condattr_t clock;

	if (e == NULL)
		return NULL;
	e->request = PQgetCancel(conn);
	if (e->request == NULL) {
		free(e);
		return NULL;
	}
	(void)pthread_mutex_init(&e->lock, NULL);
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&e->done, &clock);
	(void)pthread_condattr_destroy(&clock);
	return e;
}

static void
errand_free(errand *e)
{
	PQfreeCancel(e->request);
	(void)pthread_cond_destroy(&e->done);
	(void)pthread_mutex_destroy(&e->lock);
	free(e);
}

static void *
run(void *argument)
{
	errand *e = argument;
	char words[256];
	bool was_sent = PQcancel(e->request, words, sizeof words) == 1, is_left;

	(void)pthread_mutex_lock(&e->lock);
	e->was_sent = was_sent;
	e->is_done = true;
	is_left = e->is_left;
	(void)pthread_cond_signal(&e->done);
	(void)pthread_mutex_unlock(&e->lock);
	if (is_left)
		errand_free(e);
	return NULL;
}

/* A thread that takes none of the program's signals. */
static bool
send_off(errand *e)
{
	sigset_t all, before;
	pthread_t thread;
	int failed;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread, NULL, run, e);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed == 0)
		(void)pthread_detach(thread);
	return failed == 0;
}

/* Returns whether it is done; if not it is its thread's from now on. */
static bool
await(errand *e, int64_t deadline_ns)
{
	struct timespec until = {
	    .tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
	int failed = 0;
	bool is_done;

	(void)pthread_mutex_lock(&e->lock);
	while (!e->is_done && failed != ETIMEDOUT)
		failed = deadline_ns == INT64_MAX
		             ? pthread_cond_wait(&e->done, &e->lock)
		             : pthread_cond_timedwait(&e->done, &e->lock, &until);
	is_done = e->is_done;
	e->is_left = !is_done;
	(void)pthread_mutex_unlock(&e->lock);
	return is_done;
}

bool
qp_pg_cancel(PGconn *conn, int64_t deadline_ns)
{
	errand *e = errand_make(conn);
	bool was_sent;

	if (e == NULL)
		return false;
	if (!send_off(e)) {
		errand_free(e);
		return false;
	}
	if (!await(e, deadline_ns))
		return false;
	was_sent = e->was_sent;
	errand_free(e);
	return was_sent;
}
