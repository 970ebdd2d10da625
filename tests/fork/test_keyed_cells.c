/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed_cells: every state a keyed pool may be in x everything a child may do with it x the ways to fork, each in a
 * process of its own.  Neither process ever has more open than it may, and the parent does not notice.
 */
#include "testing.h"

#include "cell.h"
#include "keyed_scene.h"
#include "platform/testing.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SECONDS 30

static pid_t (*how)(void);

/* As a program does that knows nothing of pthread_atfork. */
static pid_t
raw_clone(void)
{
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (child == 0)
		qp_testing_forked();
	return child;
}

void
keyed_forks(keyed_scene *s)
{
	if (s->has_forked)
		return;
	s->has_forked = true;
	s->child = s->fork();
	CELL_MUST(s->child >= 0);
	if (s->child != 0)
		return;
	(void)alarm(CHILD_SECONDS);
	atomic_store(&s->peer.alive, 0);
}

void
keyed_must(qpool_err err, const qpool_error *error)
{
	if (err != QPOOL_OK)
		cell_broken(__FILE__, __LINE__, "%s", error->message);
}

bool
keyed_is_own(const qpool_lease *lease)
{
	const wire_resource *r = lease->resource;

	return r != NULL && r->owner == getpid();
}

unsigned
keyed_holds_own(const keyed_scene *s)
{
	unsigned own = keyed_is_own(&s->lease);

	for (unsigned i = 0; i < KEYED_TOTAL; i++)
		own += keyed_is_own(&s->more[i]);
	return own;
}

void
keyed_end(qpool_lease *lease, qpool_err (*end)(qpool_lease *))
{
	qpool_err expected = keyed_is_own(lease) ? QPOOL_OK : QPOOL_EFORKED;
	qpool_lease copy = *lease;

	if (lease->resource == NULL)
		return;
	CELL_SAME(end(lease), expected);
	CELL_SAME(qpool_release(lease), QPOOL_OK);
	CELL_SAME(qpool_release(&copy), QPOOL_EMISUSE);
}

void
keyed_end_all(keyed_scene *s)
{
	keyed_end(&s->lease, qpool_release);
	for (unsigned i = 0; i < KEYED_TOTAL; i++)
		keyed_end(&s->more[i], qpool_release);
}

qpool_lease
keyed_take(keyed_scene *s, const char *key)
{
	qpool_lease lease;
	qpool_error error;

	keyed_must(qpool_keyed_acquire(s->keyed, key, QPOOL_SEC(20), &lease, &error), &error);
	CELL_MUST(keyed_is_own(&lease));
	CELL_SAME(strcmp(((wire_resource *)lease.resource)->key, key), 0);
	return lease;
}

void
keyed_warm(keyed_scene *s, const char *letters)
{
	qpool_lease lease[KEYED_TOTAL];
	size_t count = strlen(letters);

	for (size_t i = 0; i < count; i++)
		lease[i] = keyed_take(s, (char[2]){letters[i], '\0'});
	for (size_t i = 0; i < count; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
}

void
keyed_actor(keyed_scene *s, void *(*body)(void *))
{
	CELL_SAME(pthread_create(&s->actors[s->count++], NULL, body, s), 0);
}

void
keyed_await_told(keyed_scene *s, unsigned count)
{
	while (atomic_load(&s->told) < count)
		(void)sched_yield();
}

static void
make_pool(keyed_scene *s)
{
	qpool_ops ops = wire_ops();
	qpool_error error;

	keyed_must(
	    qpool_keyed_create(&s->keyed, &s->options, KEYED_PER_KEY, &ops, &s->peer, &error),
	    &error);
}

void
keyed_another_pool(keyed_scene *s)
{
	qpool_keyed_free(s->keyed);
	atomic_store(&s->peer.calls[WIRE_DESTROY], 0);
	make_pool(s);
}

static bool
refuses(keyed_scene *s, const char *key)
{
	qpool_lease lease;
	qpool_error error;
	qpool_err err = qpool_keyed_acquire(s->keyed, key, QPOOL_NOWAIT, &lease, &error);

	CELL_MUST(err != QPOOL_OK || keyed_is_own(&lease));
	return err == (s->is_closed ? QPOOL_ECLOSED : QPOOL_EAGAIN);
}

void
keyed_use(keyed_scene *s, const char *key)
{
	qpool_lease lease;

	if (s->is_closed) {
		CELL_MUST(refuses(s, key));
		return;
	}
	lease = keyed_take(s, key);
	CELL_SAME(qpool_release(&lease), QPOOL_OK);
}

static void
use_at_once(keyed_scene *s, const char *const *keys, unsigned count)
{
	qpool_lease lease[KEYED_TOTAL];

	for (unsigned i = 0; i < count; i++)
		lease[i] = keyed_take(s, keys[i]);
	CELL_MUST(refuses(s, keys[0]));
	for (unsigned i = 0; i < count; i++)
		CELL_SAME(qpool_release(&lease[i]), QPOOL_OK);
}

void
keyed_use_all(keyed_scene *s)
{
	static const char *const many[] = {"new", "a", "b", "another"};
	static const char *const one[] = {"only", "only", "only"};
	unsigned free = KEYED_TOTAL - keyed_holds_own(s);

	if (s->is_closed) {
		CELL_MUST(refuses(s, "a"));
		return;
	}
	use_at_once(s, many, free);
	use_at_once(s, one, free < KEYED_PER_KEY ? free : KEYED_PER_KEY);
}

static void
count_one(const qpool_stats *now)
{
	uint64_t closes = 0;
	uint32_t open;

	for (unsigned i = 0; i < sizeof now->closes / sizeof now->closes[0]; i++)
		closes += now->closes[i];
	open = now->idle + now->checking + now->leased + now->resetting + now->closing;
	CELL_SAME(now->empty + now->opening + open, now->max_size + now->over);
	if (now->exact)
		CELL_SAME(now->opens, open + closes);
}

void
keyed_count(keyed_scene *s)
{
	qpool_stats now = qpool_stats_init();

	qpool_keyed_get_stats(s->keyed, NULL, &now);
	CELL_SAME(now.max_size, KEYED_TOTAL);
	count_one(&now);
	qpool_keyed_get_stats(s->keyed, "a", &now);
	CELL_SAME(now.max_size, KEYED_PER_KEY);
	count_one(&now);
}

/* The parent has all it had, and the wires carry nothing but its own words. */
static void
end_in_parent(keyed_scene *s, const keyed_state *state)
{
	int status = 0;

	while (waitpid(s->child, &status, 0) < 0)
		CELL_SAME(errno, EINTR);
	CELL_SAME(status, 0);
	(void)wire_read(&s->peer);
	atomic_store(&s->peer.hook, NULL);
	if (state->after != NULL)
		state->after(s);
	for (unsigned i = 0; i < s->count; i++)
		CELL_SAME(pthread_join(s->actors[i], NULL), 0);
	keyed_end_all(s);
	if (s->keyed != NULL) {
		keyed_use_all(s);
		keyed_count(s);
		CELL_SAME(qpool_keyed_close(s->keyed, QPOOL_SEC(20)), QPOOL_OK);
		qpool_keyed_free(s->keyed);
	}
	CELL_SAME(atomic_load(&s->peer.alive), 0);
	wire_end(&s->peer);
}

static void
run(const void *state, const void *deed)
{
	static keyed_scene s; /* static: a child's sanitizer finds it reachable */

	wire_begin(&s.peer);
	s.peer.most = KEYED_TOTAL;
	s.fork = how;
	s.options = qpool_options_init();
	s.options.max_size = KEYED_TOTAL;
	s.options.event_mask = UINT64_MAX;
	s.options.on_event = wire_event;
	s.options.event_user = &s.peer;
	make_pool(&s);
	((const keyed_state *)state)->play(&s);
	CELL_MUST(s.has_forked);
	if (s.child != 0) {
		end_in_parent(&s, state);
		return;
	}
	((const keyed_deed *)deed)->act(&s);
	_exit(0);
}

static void
add(cells *all, const keyed_state *states, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < keyed_deeds_count; j++)
			cells_add(all, run, &states[i], &keyed_deeds[j], "%s: %s", states[i].name,
			    keyed_deeds[j].name);
}

/* argv[1]: how to fork, the rest as for every matrix. */
int
main(int argc, char **argv)
{
	cells all = {0};

	if (argc > 1 && strcmp(argv[1], "unwiped") == 0)
		qp_testing_fail(QP_FAULT_WIPE, 1, true);
	how = argc > 1 && strcmp(argv[1], "clone") == 0 ? raw_clone : wire_fork;
	add(&all, keyed_states, keyed_states_count);
	add(&all, keyed_inside, keyed_inside_count);
	return cells_run(&all, "fork keyed cells", argc - (argc > 1), argv + (argc > 1));
}
