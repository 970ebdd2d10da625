/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guard: a SIGPIPE is its thread's own, and stays pending while it is blocked there.
 */
#include "guard.h"

#include "wire.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

static sigset_t
sigpipe(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	return set;
}

static bool
is_pending(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

qp_redis_gate
qp_redis_guard_enter(void)
{
	const sigset_t set = sigpipe();
	qp_redis_gate gate = {.was_pending = is_pending()};
	sigset_t before;

	gate.was_blocked =
	    pthread_sigmask(SIG_BLOCK, &set, &before) == 0 && sigismember(&before, SIGPIPE) == 1;
	return gate;
}

void
qp_redis_guard_leave(qp_redis_gate gate)
{
	const sigset_t set = sigpipe();
	const struct timespec at_once = {0};
	const int saved = errno;

	if (!gate.was_pending)
		while (is_pending() && sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
			;
	/* Only this one: the holder may have changed others. */
	if (!gate.was_blocked)
		(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	errno = saved;
}

#if HIREDIS_MAJOR >= 1
static ssize_t
write_quietly(redisContext *context)
{
	ssize_t gone = send(context->fd, context->obuf, sdslen(context->obuf), MSG_NOSIGNAL);
	bool is_full = gone < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);

	if (gone >= 0)
		return gone;
	if (errno == EINTR || (is_full && (context->flags & REDIS_BLOCK) == 0))
		return 0;
	qp_redis_wire_ruin(context, REDIS_ERR_IO, strerrordesc_np(errno));
	return -1;
}

/* All contexts of plain sockets have the same table.  A detached one outlives its pool, and uses ours. */
void
qp_redis_guard_quiet(redisContext *context)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static redisContextFuncs quiet;

	(void)pthread_mutex_lock(&lock);
	if (quiet.write == NULL) {
		quiet = *context->funcs;
		quiet.write = write_quietly;
	}
	(void)pthread_mutex_unlock(&lock);
	context->funcs = &quiet;
}
#else
void
qp_redis_guard_quiet(redisContext *context)
{
	(void)context;
}
#endif
