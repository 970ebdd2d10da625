/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake: one mutex, one condition.  A broken promise ends the process at once, with the line it broke in:
 * a failed assertion on a thread that is not the test's own would else be lost.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>

#define MAGIC   0x46414b45u
#define MUST(x) ((x) ? (void)0 : broken(#x, __LINE__))

typedef struct script {
	unsigned calls;
	unsigned pass, fail_times;
	qpool_err err;
	bool shut;
	unsigned standing, allowed; /* at the gate */
	fake_hook *hook;
	void *argument;
} script;

struct fake {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	script scripts[FAKE_STEPS];
	fake_resource *all[65536]; /* by number, while open */
	uint64_t numbers;
	unsigned live, detached, live_peak, opening, opening_peak, limit;
	unsigned one_in;
	uint64_t random;
	bool born_unsure, born_dead, destroyed;
	const char *refused;
	qpool_err refusal;
	unsigned most_of_key; /* 0: not watched */
	qpool_why last_why;
	qpool_step last_open;
};

static void
broken(const char *what, int line)
{
	fprintf(stderr, "fake.c:%d: the pool broke a promise: %s\n", line, what);
	abort();
}

fake *
fake_new(void)
{
	fake *peer = calloc(1, sizeof *peer);

	MUST(peer != NULL);
	pthread_mutex_init(&peer->mutex, NULL);
	pthread_cond_init(&peer->changed, NULL);
	peer->limit = UINT32_MAX;
	return peer;
}

void
fake_end(fake *peer)
{
	pthread_mutex_lock(&peer->mutex);
	MUST(peer->live == 0);
	MUST(peer->scripts[FAKE_DESTROY].calls <= 1);
	MUST(peer->scripts[FAKE_OPEN].calls == 0 || peer->scripts[FAKE_DESTROY].calls == 1);
	pthread_mutex_unlock(&peer->mutex);
	pthread_cond_destroy(&peer->changed);
	pthread_mutex_destroy(&peer->mutex);
	free(peer);
}

static bool
draws_failure(fake *peer)
{
	if (peer->one_in == 0)
		return false;
	peer->random = peer->random * 6364136223846793005u + 1442695040888963407u;
	return (peer->random >> 33) % peer->one_in == 0;
}

/* The common part of every step: count, hook, gate, script. */
static qpool_err
pass_step(fake *peer, fake_step step, qpool_err by_chance)
{
	script *s = &peer->scripts[step];
	qpool_err err = QPOOL_OK;
	fake_hook *hook;
	void *argument;

	pthread_mutex_lock(&peer->mutex);
	s->calls++;
	hook = s->hook;
	argument = s->argument;
	pthread_mutex_unlock(&peer->mutex);
	if (hook != NULL)
		hook(peer, step, argument);
	pthread_mutex_lock(&peer->mutex);
	s->standing++;
	pthread_cond_broadcast(&peer->changed);
	while (s->shut && s->allowed == 0)
		pthread_cond_wait(&peer->changed, &peer->mutex);
	if (s->shut)
		s->allowed--;
	s->standing--;
	if (s->pass > 0) {
		s->pass--;
	} else if (s->fail_times > 0) {
		if (s->fail_times != UINT32_MAX)
			s->fail_times--;
		err = s->err;
	} else if (by_chance != QPOOL_OK && draws_failure(peer)) {
		err = by_chance;
	}
	pthread_mutex_unlock(&peer->mutex);
	return err;
}

static void
enter(fake_resource *r)
{
	MUST(r != NULL && r->magic == MAGIC);
	pthread_mutex_lock(&r->peer->mutex);
	MUST(r->inside == 0);
	r->inside++;
	pthread_mutex_unlock(&r->peer->mutex);
}

static void
leave(fake_resource *r)
{
	pthread_mutex_lock(&r->peer->mutex);
	MUST(r->inside == 1);
	r->inside--;
	pthread_mutex_unlock(&r->peer->mutex);
}

static qpool_err
say(qpool_error *error, qpool_err err, const char *what)
{
	if (err != QPOOL_OK)
		snprintf(error->message, sizeof error->message, "fake %s", what);
	return err;
}

static unsigned
live_of_key(const fake *peer, const char *key)
{
	unsigned count = 0;

	for (unsigned i = 0; i < 65536; i++)
		count += peer->all[i] != NULL && strcmp(peer->all[i]->key, key) == 0;
	return count;
}

static fake_resource *
born(fake *peer, const char *key)
{
	fake_resource *r = calloc(1, sizeof *r);

	MUST(r != NULL);
	r->magic = MAGIC;
	r->peer = peer;
	r->number = ++peer->numbers;
	r->unsure = peer->born_unsure;
	r->dead = peer->born_dead;
	snprintf(r->key, sizeof r->key, "%s", key != NULL ? key : "");
	peer->all[r->number % 65536] = r;
	MUST(peer->most_of_key == 0 || live_of_key(peer, r->key) <= peer->most_of_key);
	peer->live++;
	if (peer->live > peer->live_peak)
		peer->live_peak = peer->live;
	return r;
}

static qpool_err
fake_open(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	fake *peer = user;
	qpool_err err;

	pthread_mutex_lock(&peer->mutex);
	peer->last_open = *step;
	peer->opening++;
	if (peer->opening > peer->opening_peak)
		peer->opening_peak = peer->opening;
	pthread_mutex_unlock(&peer->mutex);
	err = pass_step(peer, FAKE_OPEN, QPOOL_EOPEN);
	pthread_mutex_lock(&peer->mutex);
	peer->opening--;
	if (err == QPOOL_OK && peer->live >= peer->limit)
		err = QPOOL_EFULL;
	if (peer->refused != NULL && step->key != NULL && strcmp(step->key, peer->refused) == 0)
		err = peer->refusal;
	if (err == QPOOL_OK)
		*out = born(peer, step->key);
	pthread_mutex_unlock(&peer->mutex);
	return say(error, err, "refuses to open");
}

/* Gone from the peer. */
static void
bury(fake_resource *r)
{
	fake *peer = r->peer;

	pthread_mutex_lock(&peer->mutex);
	peer->live--;
	peer->all[r->number % 65536] = NULL;
	r->magic = 0;
	pthread_mutex_unlock(&peer->mutex);
	free(r);
}

static void
fake_close(void *user, void *resource, qpool_why why)
{
	fake *peer = user;
	fake_resource *r = resource;

	enter(r);
	(void)pass_step(peer, FAKE_CLOSE, QPOOL_OK);
	MUST(why >= QPOOL_WHY_IDLE && why <= QPOOL_WHY_CLOSED);
	leave(r);
	pthread_mutex_lock(&peer->mutex);
	peer->last_why = why;
	pthread_mutex_unlock(&peer->mutex);
	bury(r);
}

bool
fake_detach(fake *peer, qpool_lease *lease)
{
	void *resource;

	/* Counted before: with it the pool may end, and destroy must not miss it. */
	pthread_mutex_lock(&peer->mutex);
	peer->detached++;
	pthread_mutex_unlock(&peer->mutex);
	resource = qpool_detach(lease);
	if (resource != NULL) {
		enter(resource);
		leave(resource);
		bury(resource);
	}
	pthread_mutex_lock(&peer->mutex);
	peer->detached--;
	pthread_mutex_unlock(&peer->mutex);
	return resource != NULL;
}

fake_resource *
fake_make(fake *peer)
{
	fake_resource *r;

	pthread_mutex_lock(&peer->mutex);
	r = born(peer, NULL);
	pthread_mutex_unlock(&peer->mutex);
	return r;
}

void
fake_unmake(fake_resource *r)
{
	enter(r);
	leave(r);
	bury(r);
}

/* It may die at any time. */
static bool
is_dead(const fake_resource *r)
{
	bool dead;

	pthread_mutex_lock(&r->peer->mutex);
	dead = r->dead;
	pthread_mutex_unlock(&r->peer->mutex);
	return dead;
}

static qpool_err
fake_peek(void *user, void *resource, qpool_error *error)
{
	fake_resource *r = resource;
	qpool_err err;

	enter(r);
	err = pass_step(user, FAKE_PEEK, QPOOL_ECHECK);
	if (err == QPOOL_OK && is_dead(r))
		err = QPOOL_ECHECK;
	else if (err == QPOOL_OK && r->unsure)
		err = QPOOL_EAGAIN;
	leave(r);
	return say(error, err, "looks dead");
}

static qpool_err
fake_check(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	fake_resource *r = resource;
	qpool_err err;

	enter(r);
	r->budget = step->budget;
	r->on_worker = step->on_worker;
	MUST(strcmp(step->key != NULL ? step->key : "", r->key) == 0);
	r->checks++;
	err = pass_step(user, FAKE_CHECK, QPOOL_ECHECK);
	if (err == QPOOL_OK && is_dead(r))
		err = QPOOL_ECHECK;
	leave(r);
	return say(error, err, "does not answer");
}

static qpool_err
fake_reset(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	fake_resource *r = resource;
	qpool_err err;

	enter(r);
	r->budget = step->budget;
	r->on_worker = step->on_worker;
	MUST(strcmp(step->key != NULL ? step->key : "", r->key) == 0);
	r->resets++;
	err = pass_step(user, FAKE_RESET, QPOOL_ECHECK);
	if (err == QPOOL_OK)
		r->dirty = false;
	leave(r);
	return say(error, err, "cannot be cleaned");
}

static void
fake_destroy(void *user)
{
	fake *peer = user;

	(void)pass_step(peer, FAKE_DESTROY, QPOOL_OK);
	pthread_mutex_lock(&peer->mutex);
	MUST(peer->live <= peer->detached);
	peer->destroyed = true;
	pthread_cond_broadcast(&peer->changed);
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_await_destroyed(fake *peer)
{
	pthread_mutex_lock(&peer->mutex);
	while (!peer->destroyed)
		pthread_cond_wait(&peer->changed, &peer->mutex);
	pthread_mutex_unlock(&peer->mutex);
}

qpool_ops
fake_ops_plain(void)
{
	qpool_ops ops = qpool_ops_init();

	ops.kind = "fake";
	ops.open = fake_open;
	ops.close = fake_close;
	ops.destroy = fake_destroy;
	return ops;
}

qpool_ops
fake_ops(void)
{
	qpool_ops ops = fake_ops_plain();

	ops.peek = fake_peek;
	ops.check = fake_check;
	ops.reset = fake_reset;
	return ops;
}

/* ---- the script ---- */

void
fake_fail_after(fake *peer, fake_step step, unsigned pass, unsigned times, qpool_err err)
{
	pthread_mutex_lock(&peer->mutex);
	peer->scripts[step].pass = pass;
	peer->scripts[step].fail_times = times;
	peer->scripts[step].err = err;
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_fail(fake *peer, fake_step step, unsigned times, qpool_err err)
{
	fake_fail_after(peer, step, 0, times, err);
}

void
fake_fail_one_in(fake *peer, unsigned n, uint64_t seed)
{
	pthread_mutex_lock(&peer->mutex);
	peer->one_in = n;
	peer->random = seed;
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_refuse(fake *peer, const char *key, qpool_err err)
{
	pthread_mutex_lock(&peer->mutex);
	peer->refused = key;
	peer->refusal = err;
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_watch_keys(fake *peer, unsigned most)
{
	pthread_mutex_lock(&peer->mutex);
	peer->most_of_key = most;
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_limit(fake *peer, unsigned most)
{
	pthread_mutex_lock(&peer->mutex);
	peer->limit = most;
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_hook_on(fake *peer, fake_step step, fake_hook *hook, void *argument)
{
	pthread_mutex_lock(&peer->mutex);
	peer->scripts[step].hook = hook;
	peer->scripts[step].argument = argument;
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_born(fake *peer, bool unsure, bool dead)
{
	pthread_mutex_lock(&peer->mutex);
	peer->born_unsure = unsure;
	peer->born_dead = dead;
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_kill_all(fake *peer)
{
	pthread_mutex_lock(&peer->mutex);
	for (unsigned i = 0; i < 65536; i++)
		if (peer->all[i] != NULL)
			peer->all[i]->dead = true;
	pthread_mutex_unlock(&peer->mutex);
}

/* ---- gates ---- */

void
fake_gate_shut(fake *peer, fake_step step)
{
	pthread_mutex_lock(&peer->mutex);
	peer->scripts[step].shut = true;
	peer->scripts[step].allowed = 0;
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_gate_await(fake *peer, fake_step step, unsigned count)
{
	pthread_mutex_lock(&peer->mutex);
	while (peer->scripts[step].standing < count)
		pthread_cond_wait(&peer->changed, &peer->mutex);
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_gate_pass(fake *peer, fake_step step, unsigned count)
{
	pthread_mutex_lock(&peer->mutex);
	peer->scripts[step].allowed += count;
	pthread_cond_broadcast(&peer->changed);
	pthread_mutex_unlock(&peer->mutex);
}

void
fake_gate_open(fake *peer, fake_step step)
{
	pthread_mutex_lock(&peer->mutex);
	peer->scripts[step].shut = false;
	pthread_cond_broadcast(&peer->changed);
	pthread_mutex_unlock(&peer->mutex);
}

/* ---- counts ---- */

static unsigned
read_count(fake *peer, const unsigned *count)
{
	unsigned value;

	pthread_mutex_lock(&peer->mutex);
	value = *count;
	pthread_mutex_unlock(&peer->mutex);
	return value;
}

unsigned
fake_calls(fake *peer, fake_step step)
{
	return read_count(peer, &peer->scripts[step].calls);
}

unsigned
fake_live(fake *peer)
{
	unsigned live;

	pthread_mutex_lock(&peer->mutex);
	live = peer->live > peer->detached ? peer->live - peer->detached : 0;
	pthread_mutex_unlock(&peer->mutex);
	return live;
}

unsigned
fake_live_peak(fake *peer)
{
	return read_count(peer, &peer->live_peak);
}

unsigned
fake_opening_peak(fake *peer)
{
	return read_count(peer, &peer->opening_peak);
}

qpool_why
fake_last_why(fake *peer)
{
	qpool_why why;

	pthread_mutex_lock(&peer->mutex);
	why = peer->last_why;
	pthread_mutex_unlock(&peer->mutex);
	return why;
}

qpool_step
fake_last_open(fake *peer)
{
	qpool_step step;

	pthread_mutex_lock(&peer->mutex);
	step = peer->last_open;
	pthread_mutex_unlock(&peer->mutex);
	return step;
}

fake_resource *
fake_of(const qpool_lease *lease)
{
	return lease->resource;
}

void
fake_use(const qpool_lease *lease)
{
	fake_resource *r = lease->resource;

	enter(r);
	MUST(!r->dirty);
}

void
fake_unuse(const qpool_lease *lease)
{
	leave(lease->resource);
}
