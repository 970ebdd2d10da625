/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resolve: a lookup is counted by its thread and by the one who waits for it; the last frees it.
 * getaddrinfo cannot be ended, so a lookup may outlive the pool; it owns its memory and touches no
 * other.  A pool opens few at once, and pauses after a failure, so few lookups hang at once.
 * In a forked child the lookup's thread does not live, nor does the one who waited.
 */
#include "resolve.h"

#include "fault.h"
#include "wire.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* All below under `lock`, but host and port, which do not change. */
typedef struct lookup {
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned users; /* its thread, and who waits */
	bool is_done;
	int code, sys_errno; /* getaddrinfo's */
	qp_redis_addresses found;
	char *port;
	char host[];
} lookup;

static void
write_down(qp_redis_addresses *found, const struct addrinfo *answers)
{
	for (const struct addrinfo *at = answers; at != NULL && found->count < QP_REDIS_ADDRESSES;
	     at = at->ai_next) {
		if (at->ai_addrlen > sizeof found->each[0].at)
			continue;
		memcpy(&found->each[found->count].at, at->ai_addr, at->ai_addrlen);
		found->each[found->count++].length = at->ai_addrlen;
	}
}

static int
ask(const char *host, const char *port, int flags, qp_redis_addresses *found)
{
	struct addrinfo hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
	struct addrinfo *answers = NULL;
	int code = getaddrinfo(host, port, &hints, &answers);

	found->count = 0;
	if (code == 0) {
		write_down(found, answers);
		freeaddrinfo(answers);
	}
	return code;
}

/* Unlocks; frees what nobody uses any more. */
static void
leave(lookup *l)
{
	bool is_last = --l->users == 0;

	(void)pthread_mutex_unlock(&l->lock);
	if (!is_last)
		return;
	(void)pthread_cond_destroy(&l->done);
	(void)pthread_mutex_destroy(&l->lock);
	free(l->port);
	free(l);
}

static void *
look_up(void *argument)
{
	lookup *l = argument;
	qp_redis_addresses found;
	int code = ask(l->host, l->port, 0, &found), sys_errno = errno;

	(void)pthread_mutex_lock(&l->lock);
	l->code = code;
	l->sys_errno = sys_errno;
	l->found = found;
	l->is_done = true;
	(void)pthread_cond_signal(&l->done);
	leave(l);
	return NULL;
}

static lookup *
make(const char *host, const char *port)
{
	lookup *l = calloc(1, sizeof *l + strlen(host) + 1);
	pthread_condattr_t clock;

	if (l == NULL || (l->port = strdup(port)) == NULL) {
		free(l);
		return NULL;
	}
	memcpy(l->host, host, strlen(host) + 1);
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&l->done, &clock);
	(void)pthread_condattr_destroy(&clock);
	l->users = 2;
	return l;
}

/* A thread of its own, which takes none of the program's signals. */
static int
start(lookup *l)
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

static void
await_locked(lookup *l, int64_t deadline_ns)
{
	struct timespec until = {
	    .tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};

	while (!l->is_done) {
		if (deadline_ns == INT64_MAX)
			(void)pthread_cond_wait(&l->done, &l->lock);
		else if (pthread_cond_timedwait(&l->done, &l->lock, &until) == ETIMEDOUT)
			return;
	}
}

static qpool_err
say_why(const lookup *l, const qp_redis_source *source, qpool_error *error)
{
	if (!l->is_done)
		return qp_redis_fault_say(error, QPOOL_EOPEN,
		    "redis %s: the host's address was not found in time; is DNS answering?",
		    source->shown);
	return qp_redis_fault_system(error, QPOOL_EOPEN, l->code == EAI_SYSTEM ? l->sys_errno : 0,
	    "redis %s: the host has no address: %s", source->shown,
	    l->code == EAI_SYSTEM ? strerrordesc_np(l->sys_errno) : gai_strerror(l->code));
}

qpool_err
qp_redis_resolve(
    const qp_redis_source *source, int64_t deadline_ns, qp_redis_addresses *out, qpool_error *error)
{
	qpool_err err = QPOOL_OK;
	lookup *l;
	int failed;

	if (ask(source->host, source->port, AI_NUMERICHOST, out) == 0 && out->count > 0)
		return QPOOL_OK;
	l = make(source->host, source->port);
	failed = l == NULL ? ENOMEM : start(l);
	if (failed != 0) {
		if (l != NULL) {
			l->users = 1;
			(void)pthread_mutex_lock(&l->lock);
			leave(l);
		}
		return qp_redis_fault_system(error, QPOOL_EOPEN, failed,
		    "redis %s: no thread to look up the host: %s", source->shown,
		    strerrordesc_np(failed));
	}
	(void)pthread_mutex_lock(&l->lock);
	await_locked(l, deadline_ns);
	if (l->is_done && l->found.count > 0)
		*out = l->found;
	else
		err = say_why(l, source, error);
	leave(l);
	return err;
}
