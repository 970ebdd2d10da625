/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: the threads start behind a gate, count into memory of their own, and stop by a level that only
 * rises: run, then finish what is under way, then cancel it.
 */
#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "duration.h"
#include "stop.h"

#define TICK       QPOOL_MSEC(100)
#define GRACE      QPOOL_SEC(2) /* for requests under way when the time is up */
#define STACK_SIZE ((size_t)512 * 1024)

enum level { RUN, FINISH, CANCEL };
enum gate { SHUT, OPEN, CALLED_OFF };

struct load_run {
	const struct load_plan *plan;
	struct load_thread *threads;
	atomic_int level;
	atomic_uint live;
	_Atomic uint64_t tickets; /* of plan->count: begun so far */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t gate_moved;
	enum gate gate;
	bool have_failure;
	qpool_error first_failure;
};

bool
load_cancelled(const struct load_thread *self)
{
	return atomic_load_explicit(&self->run->level, memory_order_relaxed) >= CANCEL;
}

bool
load_ending(const struct load_thread *self)
{
	return atomic_load_explicit(&self->run->level, memory_order_relaxed) >= FINISH;
}

void
load_sleep(const struct load_thread *self, qpool_nsec duration)
{
	qpool_nsec until = duration_now() + duration;
	for (qpool_nsec left = duration; left > 0 && !load_cancelled(self);
	     left = until - duration_now()) {
		qpool_nsec slice = left < TICK ? left : TICK;
		struct timespec pause = {
		    .tv_sec = slice / 1000000000, .tv_nsec = slice % 1000000000};
		nanosleep(&pause, NULL);
	}
}

uint32_t
load_random(struct load_thread *self, uint32_t below)
{
	/* splitmix64; the top bits times the range, so that no division is needed */
	uint64_t z = self->random += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (uint32_t)(((z >> 32) * below) >> 32);
}

static bool
wait_at_gate(struct load_run *run)
{
	pthread_mutex_lock(&run->lock);
	while (run->gate == SHUT)
		pthread_cond_wait(&run->gate_moved, &run->lock);
	bool open = run->gate == OPEN;
	pthread_mutex_unlock(&run->lock);
	return open;
}

static void
move_gate(struct load_run *run, enum gate to)
{
	pthread_mutex_lock(&run->lock);
	run->gate = to;
	pthread_cond_broadcast(&run->gate_moved);
	pthread_mutex_unlock(&run->lock);
}

static void
note_failure(struct load_run *run, const qpool_error *error)
{
	pthread_mutex_lock(&run->lock);
	if (!run->have_failure) {
		run->have_failure = true;
		run->first_failure = *error;
	}
	pthread_mutex_unlock(&run->lock);
}

static bool
may_begin(struct load_thread *self)
{
	struct load_run *run = self->run;
	if (load_ending(self))
		return false;
	return run->plan->count == 0 || atomic_fetch_add(&run->tickets, 1) < run->plan->count;
}

static void
one_more(_Atomic uint64_t *counter)
{
	/* one writer: no need for a locked add */
	uint64_t count = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, count + 1, memory_order_relaxed);
}

static void
make_request(struct load_thread *self)
{
	const struct load_plan *plan = self->run->plan;
	qpool_error error = {.code = QPOOL_OK};
	qpool_nsec begun = duration_now();
	switch (plan->request(self, plan->user, &error)) {
	case LOAD_SERVED:
		hist_add(&self->whole, duration_now() - begun);
		one_more(&self->served);
		break;
	case LOAD_FAILED:
		note_failure(self->run, &error);
		one_more(&self->failed);
		break;
	case LOAD_CANCELLED:
		self->cancelled++;
		break;
	}
}

static void *
thread_main(void *argument)
{
	struct load_thread *self = argument;
	struct load_run *run = self->run;
	if (wait_at_gate(run)) {
		while (may_begin(self))
			make_request(self);
	}
	if (atomic_fetch_sub(&run->live, 1) == 1)
		stop_nudge();
	return NULL;
}

static void
look(const struct load_run *run, qpool_nsec elapsed, struct load_progress *progress)
{
	*progress = (struct load_progress){.elapsed = elapsed};
	for (unsigned i = 0; i < run->plan->threads; i++) {
		progress->served +=
		    atomic_load_explicit(&run->threads[i].served, memory_order_relaxed);
		progress->failed +=
		    atomic_load_explicit(&run->threads[i].failed, memory_order_relaxed);
	}
	progress->share = run->plan->count > 0 ? (double)(progress->served + progress->failed) /
	                                             (double)run->plan->count
	                                       : (double)elapsed / (double)run->plan->duration;
	if (progress->share > 1)
		progress->share = 1;
}

static void
raise_level(struct load_run *run, qpool_nsec elapsed)
{
	const struct load_plan *plan = run->plan;
	int level = RUN;
	if (plan->count == 0 && elapsed >= plan->duration)
		level = elapsed >= plan->duration + GRACE ? CANCEL : FINISH;
	if (stop_signal() != 0)
		level = CANCEL;
	if (level > atomic_load(&run->level))
		atomic_store(&run->level, level);
}

/* Watch from the caller's thread until the last one is done; returns how long that took. */
static qpool_nsec
watch(struct load_run *run, qpool_nsec begun)
{
	const struct load_plan *plan = run->plan;
	for (;;) {
		struct load_progress progress;
		qpool_nsec elapsed = duration_now() - begun;
		if (atomic_load(&run->live) == 0)
			return elapsed;
		raise_level(run, elapsed);
		look(run, elapsed, &progress);
		if (plan->watch != NULL)
			plan->watch(&progress, plan->watch_user);
		qpool_nsec left = plan->count == 0 ? plan->duration - elapsed : TICK;
		stop_wait(left > 0 && left < TICK ? left : TICK);
	}
}

static void
collect(const struct load_run *run, struct load_result *result)
{
	result->least = UINT64_MAX;
	for (unsigned i = 0; i < run->plan->threads; i++) {
		const struct load_thread *thread = &run->threads[i];
		uint64_t served = atomic_load(&thread->served);
		hist_merge(&result->wait, &thread->wait);
		hist_merge(&result->whole, &thread->whole);
		result->served += served;
		result->failed += atomic_load(&thread->failed);
		result->cancelled += thread->cancelled;
		if (served < result->least)
			result->least = served;
		if (served > result->most)
			result->most = served;
	}
	result->first_failure = run->first_failure;
}

static qpool_nsec
cpu_now(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return ((qpool_nsec)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
	       ((qpool_nsec)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/* How many could be started. */
static unsigned
start_threads(struct load_run *run, pthread_t *handles, int *cause)
{
	pthread_attr_t attributes;
	unsigned count = run->plan->threads;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	unsigned i = 0;
	for (; i < count; i++) {
		run->threads[i].index = i;
		run->threads[i].random = (uint64_t)i << 32;
		run->threads[i].run = run;
		*cause = pthread_create(&handles[i], &attributes, thread_main, &run->threads[i]);
		if (*cause != 0)
			break;
	}
	pthread_attr_destroy(&attributes);
	return i;
}

static qpool_err
run_all(struct load_run *run, pthread_t *handles, struct load_result *result, qpool_error *error)
{
	int cause = 0;
	unsigned asked = run->plan->threads;
	atomic_store(&run->live, asked);
	unsigned started = start_threads(run, handles, &cause);
	qpool_nsec cpu = cpu_now();
	qpool_nsec begun = duration_now(); /* before the first can be through the gate */
	move_gate(run, started == asked ? OPEN : CALLED_OFF);
	if (started == asked)
		result->elapsed = watch(run, begun);
	for (unsigned i = 0; i < started; i++)
		pthread_join(handles[i], NULL);
	if (started == asked) {
		result->cpu = cpu_now() - cpu;
		collect(run, result);
		return QPOOL_OK;
	}
	error->code = QPOOL_ESYS;
	error->sys_errno = cause;
	snprintf(error->message, sizeof error->message, "the system gives %u threads, not %u: %s",
	    started, asked, strerror(cause));
	return QPOOL_ESYS;
}

qpool_err
load_execute(const struct load_plan *plan, struct load_result *result, qpool_error *error)
{
	struct load_run run = {.plan = plan};
	pthread_t *handles = calloc(plan->threads, sizeof *handles);
	run.threads = calloc(plan->threads, sizeof *run.threads);
	memset(result, 0, sizeof *result);
	qpool_err err = QPOOL_ENOMEM;
	if (handles != NULL && run.threads != NULL) {
		pthread_mutex_init(&run.lock, NULL);
		pthread_cond_init(&run.gate_moved, NULL);
		err = run_all(&run, handles, result, error);
		pthread_cond_destroy(&run.gate_moved);
		pthread_mutex_destroy(&run.lock);
	} else {
		error->code = err;
		snprintf(error->message, sizeof error->message, "no memory for %u threads",
		    plan->threads);
	}
	free(handles);
	free(run.threads);
	return err;
}
