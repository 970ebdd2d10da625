/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scene: fork, watch the child end well, and see that the parent did not notice.
 */
#include "scene.h"

#include "cell.h"
#include "platform/testing.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SECONDS 30

/* As a program does that knows nothing of pthread_atfork. */
pid_t
scene_clone(void)
{
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (child == 0)
		qp_testing_forked();
	return child;
}

void
scene_forks(scene *s)
{
	if (s->has_forked)
		return;
	s->has_forked = true;
	s->child = s->fork();
	CELL_MUST(s->child >= 0);
	if (s->child == 0)
		(void)alarm(CHILD_SECONDS);
}

void
scene_must(qpool_err err, const qpool_error *error)
{
	if (err != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error->message);
}

qpool_lease
scene_take(scene *s)
{
	qpool_lease lease;
	qpool_error error;

	scene_must(qpool_acquire(s->pool, QPOOL_SEC(20), &lease, &error), &error);
	return lease;
}

/* So many idle. */
void
scene_warm(scene *s, unsigned count)
{
	qpool_lease lease[SCENE_SIZE];

	for (unsigned i = 0; i < count; i++)
		lease[i] = scene_take(s);
	for (unsigned i = 0; i < count; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
}

void
scene_actor(scene *s, void *(*body)(void *))
{
	s->has_company = true;
	CELL_SAME(pthread_create(&s->actors[s->count++], NULL, body, s), 0);
}

void
scene_await_told(scene *s, unsigned count)
{
	while (atomic_load(&s->told) < count)
		(void)sched_yield();
}

/* A pool with other limits: nothing of the first one has been used. */
void
scene_another_pool(scene *s)
{
	qpool_ops ops = wire_ops();
	qpool_error error;

	qpool_free(s->pool);
	atomic_store(&s->peer.calls[WIRE_DESTROY], 0);
	scene_must(qpool_create(&s->pool, &s->options, &ops, &s->peer, &error), &error);
}

bool
scene_holds_own(const scene *s)
{
	const wire_resource *r = s->lease.resource;

	return r != NULL && r->owner == getpid();
}

void
scene_use_all(scene *s)
{
	qpool_lease lease[SCENE_SIZE];
	qpool_error error;
	unsigned most = SCENE_SIZE - scene_holds_own(s);

	for (unsigned i = 0; i < most; i++) {
		qpool_err err = qpool_acquire(s->pool, QPOOL_SEC(20), &lease[i], &error);
		if (s->is_closed) {
			CELL_SAME(err, QPOOL_ECLOSED);
			return;
		}
		if (err != QPOOL_OK)
			cell_broken(__FILE__, __LINE__, "lease %u: %s", i, error.message);
		CELL_SAME(((wire_resource *)lease[i].resource)->owner, getpid());
	}
	for (unsigned i = 0; i < most; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
}

void
scene_count(scene *s)
{
	qpool_stats now = qpool_stats_init();
	uint64_t closes = 0;
	uint32_t open;

	qpool_get_stats(s->pool, &now);
	for (unsigned i = 0; i < sizeof now.closes / sizeof now.closes[0]; i++)
		closes += now.closes[i];
	open = now.idle + now.checking + now.leased + now.resetting + now.closing;
	CELL_SAME(now.empty + now.opening + open, now.max_size + now.over);
	if (now.exact)
		CELL_SAME(now.opens, open + closes);
}

static void
await_child(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0)
		CELL_SAME(errno, EINTR);
	CELL_SAME(status, 0);
}

/* The parent has all it had, and the wires carry nothing but its own words. */
static void
end_in_parent(scene *s, const scene_state *state)
{
	await_child(s->child);
	(void)wire_read(&s->peer);
	atomic_store(&s->peer.hook, NULL);
	if (state->after != NULL)
		state->after(s);
	for (unsigned i = 0; i < s->count; i++)
		CELL_SAME(pthread_join(s->actors[i], NULL), 0);
	if (s->lease.resource != NULL) {
		CELL_SAME(((wire_resource *)s->lease.resource)->owner, getpid());
		CELL_SAME(qpool_release(&s->lease), QPOOL_OK);
	}
	if (s->pool != NULL) {
		scene_use_all(s);
		scene_count(s);
		CELL_SAME(qpool_close(s->pool, QPOOL_SEC(20)), QPOOL_OK);
		qpool_free(s->pool);
	}
	wire_end(&s->peer);
}

void
scene_run(const scene_state *state, const scene_deed *deed, pid_t (*how)(void))
{
	static scene s; /* static: a child's sanitizer finds it reachable */
	qpool_ops ops = wire_ops();
	qpool_error error;

	wire_begin(&s.peer);
	s.fork = how;
	s.options = qpool_options_init();
	s.options.max_size = SCENE_SIZE;
	s.options.event_mask = UINT64_MAX;
	s.options.on_event = wire_event;
	s.options.event_user = &s.peer;
	if (qpool_create(&s.pool, &s.options, &ops, &s.peer, &error) != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error.message);
	state->play(&s);
	CELL_MUST(s.has_forked);
	if (s.child != 0) {
		end_in_parent(&s, state);
		return;
	}
	deed->act(&s);
	_exit(0);
}
