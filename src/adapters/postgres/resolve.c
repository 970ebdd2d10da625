/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resolve: a lookup is counted by its thread and by each who waits for it; the last one frees it.
 *
 *     wanted ---> under way (in the list) ---> done (out of the list) ---> freed
 *                     \________ waiters leave at their deadlines, the thread goes on
 *
 * getaddrinfo cannot be ended, so a lookup may outlive the pool: the desk, which the list and its
 * lock are in, is counted too.  In a forked child no lookup's thread lives and the lock may be held
 * for ever: the child takes a new desk and leaves the old one alone.
 */
#include "resolve.h"

#include "fault.h"
#include "wait.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct lookup {
	struct lookup *next; /* in desk->under_way, until done */
	struct desk *desk;
	unsigned users; /* its thread, and those who wait */
	bool is_done;
	int code, sys_errno; /* getaddrinfo's */
	qp_pg_addresses found;
	char host[];
} lookup;

/* All under `lock`.  users = 1 for the resolver + the number of threads. */
typedef struct desk {
	pthread_mutex_t lock;
	pthread_cond_t some_done;
	lookup *under_way;
	unsigned users;
	pid_t process; /* set by make, never changed */
} desk;

struct qp_pg_resolver {
	/* Acquire and release: who sees a desk sees it made.  Changed in a forked child only. */
	_Atomic(desk *) desk;
};

static desk *
desk_make(void)
{
	desk *d = calloc(1, sizeof *d);
	pthread_condattr_t clock;

	if (d == NULL)
		return NULL;
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&d->some_done, &clock);
	(void)pthread_condattr_destroy(&clock);
	d->users = 1;
	d->process = getpid();
	return d;
}

/* Unlocks; frees what nobody uses any more. */
static void
desk_leave(desk *d)
{
	bool is_last = --d->users == 0;

	(void)pthread_mutex_unlock(&d->lock);
	if (!is_last)
		return;
	(void)pthread_cond_destroy(&d->some_done);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
}

static void
lookup_leave_locked(lookup *l)
{
	if (--l->users == 0)
		free(l);
}

qp_pg_resolver *
qp_pg_resolver_make(void)
{
	qp_pg_resolver *resolver = malloc(sizeof *resolver);
	desk *d = desk_make();

	if (resolver == NULL || d == NULL) {
		free(resolver);
		free(d);
		return NULL;
	}
	atomic_init(&resolver->desk, d);
	return resolver;
}

void
qp_pg_resolver_free(qp_pg_resolver *resolver)
{
	desk *d;

	if (resolver == NULL)
		return;
	d = atomic_load_explicit(&resolver->desk, memory_order_acquire);
	if (d->process == getpid()) {
		(void)pthread_mutex_lock(&d->lock);
		desk_leave(d);
	}
	free(resolver);
}

/* This process's desk; NULL without memory. */
static desk *
desk_here(qp_pg_resolver *resolver)
{
	desk *d = atomic_load_explicit(&resolver->desk, memory_order_acquire), *mine;

	if (d->process == getpid())
		return d;
	mine = desk_make();
	if (mine == NULL)
		return NULL;
	if (atomic_compare_exchange_strong_explicit(
		&resolver->desk, &d, mine, memory_order_acq_rel, memory_order_acquire))
		return mine;
	(void)pthread_mutex_lock(&mine->lock);
	desk_leave(mine);
	return d;
}

static void
write_down(qp_pg_addresses *found, const struct addrinfo *answers)
{
	for (const struct addrinfo *at = answers; at != NULL && found->count < QP_PG_ADDRESSES;
	     at = at->ai_next)
		if (getnameinfo(at->ai_addr, at->ai_addrlen, found->text[found->count],
			sizeof found->text[0], NULL, 0, NI_NUMERICHOST) == 0)
			found->count++;
}

static void *
look_up(void *argument)
{
	lookup *l = argument;
	desk *d = l->desk;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *answers = NULL;
	qp_pg_addresses found = {0};
	int code = getaddrinfo(l->host, NULL, &hints, &answers), sys_errno = errno;

	if (code == 0) {
		write_down(&found, answers);
		freeaddrinfo(answers);
	}
	(void)pthread_mutex_lock(&d->lock);
	l->code = code;
	l->sys_errno = sys_errno;
	l->found = found;
	l->is_done = true;
	for (lookup **at = &d->under_way; *at != NULL; at = &(*at)->next)
		if (*at == l) {
			*at = l->next;
			break;
		}
	(void)pthread_cond_broadcast(&d->some_done);
	lookup_leave_locked(l);
	desk_leave(d);
	return NULL;
}

/* A thread of its own, which takes none of the program's signals. */
static int
start_thread(lookup *l)
{
	sigset_t all, before;
	pthread_t thread;
	int failed;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread, NULL, look_up, l);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed == 0)
		(void)pthread_detach(thread);
	return failed;
}

/* The lookup of this name, joined or begun; NULL with errno set. */
static lookup *
join_locked(desk *d, const char *host)
{
	lookup *l;

	for (l = d->under_way; l != NULL; l = l->next)
		if (strcmp(l->host, host) == 0) {
			l->users++;
			return l;
		}
	l = calloc(1, sizeof *l + strlen(host) + 1);
	if (l == NULL)
		return NULL;
	l->desk = d;
	l->users = 2;
	memcpy(l->host, host, strlen(host) + 1);
	errno = start_thread(l);
	if (errno != 0) {
		free(l);
		return NULL;
	}
	d->users++;
	l->next = d->under_way;
	d->under_way = l;
	return l;
}

static void
await_locked(desk *d, const lookup *l, int64_t deadline_ns)
{
	struct timespec until = {
	    .tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};

	while (!l->is_done) {
		if (deadline_ns == INT64_MAX)
			(void)pthread_cond_wait(&d->some_done, &d->lock);
		else if (pthread_cond_timedwait(&d->some_done, &d->lock, &until) == ETIMEDOUT)
			return;
	}
}

static qpool_err
say_why(const lookup *l, const char *host, qpool_error *error)
{
	if (!l->is_done)
		return qp_pg_fault_say(error, QPOOL_EOPEN,
		    "postgres: the address of host \"%.80s\" was not found in time: is DNS "
		    "answering?",
		    host);
	(void)qp_pg_fault_say(error, QPOOL_EOPEN, "postgres: host \"%.80s\" has no address: %s",
	    host, l->code == EAI_SYSTEM ? strerrordesc_np(l->sys_errno) : gai_strerror(l->code));
	if (error != NULL && l->code == EAI_SYSTEM)
		error->sys_errno = l->sys_errno;
	return QPOOL_EOPEN;
}

qpool_err
qp_pg_resolve(qp_pg_resolver *resolver, const char *host, int64_t deadline_ns, qp_pg_addresses *out,
    qpool_error *error)
{
	desk *d = desk_here(resolver);
	qpool_err err = QPOOL_OK;
	lookup *l = NULL;

	if (d != NULL) {
		(void)pthread_mutex_lock(&d->lock);
		l = join_locked(d, host);
	}
	if (l == NULL) {
		int failed = d == NULL ? ENOMEM : errno;
		if (d != NULL)
			(void)pthread_mutex_unlock(&d->lock);
		err = qp_pg_fault_say(error, QPOOL_EOPEN,
		    "postgres: no thread to look up host \"%.80s\": %s", host,
		    strerrordesc_np(failed));
		if (error != NULL)
			error->sys_errno = failed;
		return err;
	}
	await_locked(d, l, deadline_ns);
	if (l->is_done && l->found.count > 0)
		*out = l->found;
	else
		err = say_why(l, host, error);
	lookup_leave_locked(l);
	(void)pthread_mutex_unlock(&d->lock);
	return err;
}
