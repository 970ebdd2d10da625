/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watchdog: looks at every thread of the round, and ends the program when one of them stands still, with all that
 * is known of the round.  Whoever finds something broken says so in the same way.
 */
#include "stress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 100000000

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t turned;
	pthread_t thread;
	round *of; /* guarded by mutex, like is_over */
	bool is_over;
} dog = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static char where[80];         /* written between two rounds */
static _Atomic(round *) shown; /* the same as dog.of, for who breaks while it is held */
static atomic_flag is_broken = ATOMIC_FLAG_INIT;

static const char *
text_of(uint32_t what)
{
	static const char *const texts[] = {
#define STRESS_X_(id, text) text,
	    STRESS_DOINGS(STRESS_X_)
#undef STRESS_X_
	};

	return what < DOINGS ? texts[what] : "?";
}

/* ---- the report ---- */

static void
show_members(const round *r)
{
	int64_t now_ns = chance_now();

	for (uint32_t i = 0; i <= r->members; i++) {
		const member *m = &r->all[i];
		uint64_t beat = atomic_load(&m->beat);
		(void)fprintf(stderr, "  %s %u: %s%s, at least %lld ms, %" PRIu64 " steps\n",
		    i < r->members ? "member" : "conductor", i, text_of(atomic_load(&m->doing)),
		    beat % 2 == 1 ? " (inside an acquire)" : "",
		    m->seen_ns > 0 ? (long long)((now_ns - m->seen_ns) / 1000000) : 0, beat / 2);
	}
	for (uint32_t i = 0; i < BOXES; i++)
		if (atomic_load(&r->boxes[i].state) != BOX_EMPTY)
			(void)fprintf(stderr, "  box %u: full\n", i);
}

static _Noreturn void
report(const char *what)
{
	const round *r = atomic_load(&shown);

	if (atomic_flag_test_and_set(&is_broken))
		for (;;)
			(void)pause(); /* another thread says it already */
	(void)fflush(stdout);
	(void)fprintf(stderr, "\nstress: %s\n", what);
	if (r != NULL) {
		round_show(r, stderr);
		show_members(r);
		(void)fprintf(stderr,
		    "  peer: %" PRIu64 " opened, %" PRIu64 " closed, %" PRIu64 " detached\n",
		    atomic_load(&r->opens), atomic_load(&r->closes), atomic_load(&r->detached));
		(void)fflush(stderr);
		if (r->pool != NULL)
			qpool_dump(r->pool, STDERR_FILENO);
	}
	(void)fflush(stderr);
	abort();
}

void
stress_broken(const char *file, int line, const char *format, ...)
{
	char what[400];
	int begun = snprintf(what, sizeof what, "%s:%d: ", file, line);
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(what + begun, sizeof what - (size_t)begun, format, arguments);
	va_end(arguments);
	report(what);
}

void
stress_same(const char *file, int line, const char *what, long long is, long long should_be)
{
	if (is != should_be)
		stress_broken(file, line, "%s is %lld, not %lld", what, is, should_be);
}

/* ---- looking ---- */

static void
look_at(member *m, int64_t now_ns)
{
	uint64_t beat = atomic_load(&m->beat);
	uint32_t does = atomic_load(&m->doing);
	char what[200];

	if (m->seen_ns == 0 || beat != m->seen_beat || does != m->seen_doing || does == ENDED) {
		m->seen_ns = now_ns;
		m->seen_beat = beat;
		m->seen_doing = does;
		return;
	}
	if (now_ns - m->seen_ns < STILL_NS)
		return;
	(void)snprintf(what, sizeof what, "member %u has not moved for %lld s: it %s", m->number,
	    (long long)((now_ns - m->seen_ns) / 1000000000), text_of(does));
	report(what);
}

static void
rest_locked(int64_t until_ns)
{
	struct timespec deadline = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};

	(void)pthread_cond_timedwait(&dog.turned, &dog.mutex, &deadline);
}

static void *
live(void *nothing)
{
	int64_t last_ns = chance_now(), now_ns;

	(void)nothing;
	pthread_mutex_lock(&dog.mutex);
	while (!dog.is_over) {
		rest_locked(last_ns + LOOK_NS);
		now_ns = chance_now();
		for (uint32_t i = 0; dog.of != NULL && i <= dog.of->members; i++) {
			/* The whole program stood still: nobody is to blame. */
			if (now_ns - last_ns > 10 * LOOK_NS)
				dog.of->all[i].seen_ns = 0;
			look_at(&dog.of->all[i], now_ns);
		}
		last_ns = now_ns;
	}
	pthread_mutex_unlock(&dog.mutex);
	return NULL;
}

/* The library's own checks end the program, too: then this is all there is to say. */
static void
on_abort(int signal)
{
	(void)signal;
	(void)!write(STDERR_FILENO, where, strlen(where));
}

void
watchdog_watch(round *r)
{
	pthread_mutex_lock(&dog.mutex);
	if (r != NULL)
		(void)snprintf(where, sizeof where,
		    "stress: QPOOL_SEED=%" PRIu64 " QPOOL_ROUND=%" PRIu64 "\n", r->seed, r->number);
	dog.of = r;
	atomic_store(&shown, r);
	pthread_mutex_unlock(&dog.mutex);
}

void
watchdog_start(void)
{
	pthread_condattr_t monotonic;
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = on_abort;
	MUST(sigaction(SIGABRT, &action, NULL) == 0);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&dog.turned, &monotonic);
	pthread_condattr_destroy(&monotonic);
	MUST(pthread_create(&dog.thread, NULL, live, NULL) == 0);
}

void
watchdog_end(void)
{
	pthread_mutex_lock(&dog.mutex);
	dog.is_over = true;
	pthread_cond_signal(&dog.turned);
	pthread_mutex_unlock(&dog.mutex);
	pthread_join(dog.thread, NULL);
	pthread_cond_destroy(&dog.turned);
}
