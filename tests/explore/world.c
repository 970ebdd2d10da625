/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * world: the scheduler, the clock and the end of an execution.
 */
#include "world.h"

#include "choice.h"
#include "fibre.h"
#include "heap.h"
#include "shared.h"
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_POINTS  30000u /* of one execution: more, and it goes in circles */
#define MOST_OPTIONS 64u

typedef enum option_kind { GO, DRAIN, MOVE_CLOCK, SURPRISE } option_kind;

typedef struct option {
	option_kind kind;
	actor *who;
} option;

typedef struct menu {
	option list[MOST_OPTIONS];
	unsigned count, cheap;
} menu;

static struct {
	actor actors[WORLD_ACTORS];
	actor *self; /* NULL: no execution */
	unsigned used, muted, points, clock_moves, surprises, membarriers;
	int64_t now_ns;
	const world_rules *rules;
	bool failed;
	char failure[2000];
	uint64_t all_points;
} w;

actor *
world_self(void)
{
	return w.self;
}

actor *
world_actors(void)
{
	return w.actors;
}

int64_t
world_now(void)
{
	return w.now_ns;
}

uint64_t
world_points(void)
{
	return w.all_points;
}

const char *
world_failure(void)
{
	return w.failure;
}

bool
world_has_learned(void)
{
	return shared_has_grown();
}

void
world_forget(void)
{
	shared_forget();
}

void
world_mute(void)
{
	w.muted++;
}

void
world_unmute(void)
{
	w.muted--;
}

bool
world_is_muted(void)
{
	return w.muted > 0;
}

/* ---- the end ---- */

static void
describe_actor(const actor *a, char *out, size_t room)
{
	static const char *const states[] = {
	    [READY] = "can run",
	    [LOCKED] = "waits for a lock",
	    [PARKED] = "sleeps",
	    [JOINING] = "waits for others to end",
	    [GONE] = "has ended",
	};
	char until[48] = "";

	if (a->state == PARKED && a->deadline_ns != QP_TIME_NEVER)
		(void)snprintf(until, sizeof until, " until %.3f ms",
		    (double)(a->deadline_ns - WORLD_BEGAN_NS) / 1e6);
	(void)snprintf(out, room, "\n    %-8s %s%s%s%s", a->name, states[a->state], until,
	    a->verb != NULL ? ", in " : "", a->verb != NULL ? a->verb : "");
}

void
world_fail(const char *format, ...)
{
	size_t used;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(w.failure, sizeof w.failure / 2, format, arguments);
	va_end(arguments);
	used = strlen(w.failure);
	used += (size_t)snprintf(w.failure + used, sizeof w.failure - used,
	    " (%s runs, at %.3f ms)", w.self->name, (double)(w.now_ns - WORLD_BEGAN_NS) / 1e6);
	for (unsigned i = 0; i < w.used; i++) {
		describe_actor(&w.actors[i], w.failure + used, sizeof w.failure - used);
		used = strlen(w.failure);
	}
	w.failed = true;
	trace_say("FAILED");
	fibre_switch(w.self->stack, fibre_main());
	abort(); /* nobody comes back to a failed execution */
}

/* ---- who may go on ---- */

static void
add_option(menu *all, option_kind kind, actor *who)
{
	if (all->count < MOST_OPTIONS)
		all->list[all->count++] = (option){kind, who};
}

/* Those who are ready, from the one behind the running one on, so that nobody is preferred. */
static void
add_ready(menu *all, bool yields)
{
	unsigned self = (unsigned)(w.self - w.actors);

	for (unsigned i = 1; i < w.used; i++) {
		actor *other = &w.actors[(self + i) % w.used];
		if (other->state == READY)
			add_option(all, GO, other);
	}
	if (yields)
		add_option(all, GO, w.self);
}

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/* The next moment at which somebody sleeping wakes or, with `all`, that a scene has named. */
static int64_t
next_instant(bool all)
{
	int64_t next_ns = QP_TIME_NEVER;

	for (unsigned i = 0; i < w.used; i++) {
		const actor *a = &w.actors[i];
		if (a->state == PARKED && a->deadline_ns > w.now_ns)
			next_ns = earlier(next_ns, a->deadline_ns);
		if (all && a->state != GONE && a->instant_ns > w.now_ns)
			next_ns = earlier(next_ns, a->instant_ns);
	}
	return next_ns;
}

static void
move_clock(int64_t to_ns)
{
	w.now_ns = to_ns;
	trace_say("the clock moves");
	for (unsigned i = 0; i < w.used; i++) {
		actor *a = &w.actors[i];
		if (a->state == PARKED && a->deadline_ns <= w.now_ns) {
			a->state = READY;
			a->how = QP_PARK_DEADLINE;
		}
	}
}

static void
list_options(menu *all, bool yields)
{
	bool goes_on = w.self->state == READY;

	all->count = 0;
	if (goes_on && !yields)
		add_option(all, GO, w.self);
	all->cheap = all->count;
	add_ready(all, goes_on && yields);
	if (!goes_on || yields)
		all->cheap = all->count;
	if (all->count == 0)
		return;
	for (unsigned i = 0; i < w.used; i++)
		if (w.actors[i].stored > 0)
			add_option(all, DRAIN, &w.actors[i]);
	if (w.clock_moves > 0 && next_instant(true) != QP_TIME_NEVER)
		add_option(all, MOVE_CLOCK, NULL);
	for (unsigned i = 0; w.surprises > 0 && i < w.used; i++)
		if (w.actors[i].state == PARKED && w.actors[i].word != NULL)
			add_option(all, SURPRISE, &w.actors[i]);
}

/* ---- quiet points ---- */

static void
muted(void (*look)(void))
{
	memory_drain_all();
	world_mute();
	look();
	world_unmute();
}

static void
look_around(void)
{
	for (unsigned i = 0; i < w.used; i++)
		if (w.actors[i].state == LOCKED)
			world_fail(
			    "deadlock: nobody can run, and %s waits for a lock", w.actors[i].name);
	muted(w.rules->quiet);
}

static bool
all_are_gone(void)
{
	for (unsigned i = 0; i < w.used; i++)
		if (w.actors[i].state != GONE)
			return false;
	return true;
}

/* Nobody is ready.  False: the execution is over. */
static bool
let_time_pass(void)
{
	int64_t next_ns;

	if (all_are_gone()) {
		muted(w.rules->end);
		return false;
	}
	look_around();
	next_ns = next_instant(false);
	if (next_ns == QP_TIME_NEVER)
		world_fail("stuck: nobody can run, and no deadline is left");
	move_clock(next_ns);
	return true;
}

/* ---- points ---- */

static void
switch_to(actor *next)
{
	actor *self = w.self;
	int keep = errno; /* each thread has its own */

	if (next == self)
		return;
	w.self = next;
	fibre_switch(self->stack, next->stack);
	errno = keep;
}

static void
surprise(actor *a)
{
	w.surprises--;
	a->state = READY;
	a->how = QP_PARK_SIGNAL;
	trace_say("%s wakes for a signal", a->name);
}

static void
decide(bool yields, bool hangs)
{
	menu all;
	option taken;
	unsigned index;

	choice_place();
	if (w.self->state == READY && !yields && choice_goes_on(hangs))
		return;
	for (;;) {
		list_options(&all, yields);
		if (all.count == 0) {
			if (let_time_pass())
				continue;
			fibre_switch(w.self->stack, fibre_main());
			return;
		}
		index = choice_make(all.count, all.cheap);
		if (index == all.count)
			world_fail("the same choices led elsewhere than before");
		taken = all.list[index];
		switch (taken.kind) {
		case GO:
			switch_to(taken.who);
			return;
		case DRAIN:
			trace_say("a store of %s reaches memory", taken.who->name);
			memory_drain_one(taken.who);
			break;
		case MOVE_CLOCK:
			w.clock_moves--;
			move_clock(next_instant(true));
			break;
		case SURPRISE:
			surprise(taken.who);
			break;
		}
	}
}

static void
count_point(void)
{
	w.all_points++;
	if (++w.points > MOST_POINTS)
		world_fail("no end: more than %u points", MOST_POINTS);
}

void
world_point(const volatile void *object, bool writes)
{
	bool hangs = true;

	if (w.muted > 0)
		return;
	count_point();
	if (choice_is_search())
		hangs = shared_touch(object, (unsigned)(w.self - w.actors), writes);
	decide(false, hangs);
}

void
world_block(actor_state state)
{
	if (w.muted > 0)
		world_fail("%s would sleep where nothing may happen", w.self->name);
	count_point();
	if (state == PARKED && w.self->slept_ns == 0)
		w.self->slept_ns = w.now_ns;
	if (state == PARKED && w.self->word != NULL && w.self->slept_at == 0)
		w.self->slept_at = w.all_points;
	w.self->state = state;
	decide(false, true);
}

void
world_yield(void)
{
	if (w.muted > 0)
		return;
	count_point();
	decide(true, true);
}

void
world_grant_membarriers(unsigned count)
{
	w.membarriers = count;
}

bool
world_membarrier(bool uses)
{
	if (w.membarriers == 0)
		return false;
	w.membarriers -= uses;
	return true;
}

unsigned
world_choose(unsigned options)
{
	unsigned index;

	choice_place();
	index = choice_make(options, options);
	if (index == options)
		world_fail("the same choices led elsewhere than before");
	return index;
}

void
world_pass(int64_t span_ns)
{
	w.self->word = NULL;
	w.self->deadline_ns = w.now_ns + span_ns;
	w.self->may_cancel = false;
	world_block(PARKED);
}

bool
world_cancel(actor *other)
{
	world_point(NULL, true);
	if (other->state != PARKED || !other->may_cancel)
		return false;
	other->cancelled = true;
	other->state = READY;
	return true;
}

/* ---- actors ---- */

static bool
is_over(const actor *joined)
{
	bool others = false;

	if (joined != NULL)
		return joined->state == GONE;
	for (unsigned i = 0; i < w.used; i++)
		others = others || (w.actors[i].in_scene && w.actors[i].state != GONE);
	return !others;
}

void
world_end(void)
{
	if (w.self->stored > 0)
		world_point(NULL, true);
	memory_drain(w.self);
	w.self->verb = NULL;
	trace_say("ends");
	w.self->state = GONE;
	for (unsigned i = 0; i < w.used; i++)
		if (w.actors[i].state == JOINING && is_over(w.actors[i].joins))
			w.actors[i].state = READY;
	decide(false, true);
}

/* What an actor's stack runs, once in an execution: it is gone until the next one begins. */
static void
live(void)
{
	(void)w.self->body(w.self->argument);
	world_end();
}

actor *
world_start(const char *name, void *(*body)(void *), void *argument)
{
	actor *a;

	if (w.self != NULL && w.used == WORLD_ACTORS)
		world_fail("no more than %u actors", WORLD_ACTORS);
	a = &w.actors[w.used++];
	if (a->stack == NULL)
		a->stack = fibre_new(live);
	(void)snprintf(a->name, sizeof a->name, "%s", name);
	a->state = READY;
	a->body = body;
	a->argument = argument;
	a->verb = NULL;
	a->in_scene = a->may_cancel = a->cancelled = a->waits = false;
	a->instant_ns = a->slept_ns = 0;
	a->held = a->stored = 0;
	a->shield = 0;
	a->pocket = NULL;
	memset((void *)&a->hazard, 0, sizeof a->hazard);
	if (w.self != NULL)
		races_start((unsigned)(w.self - w.actors), (unsigned)(a - w.actors));
	return a;
}

static void
join(const actor *joined)
{
	if (!is_over(joined)) {
		w.self->joins = joined;
		world_block(JOINING);
	}
	for (unsigned i = 0; i < w.used; i++)
		if (joined == &w.actors[i] || (joined == NULL && w.actors[i].in_scene))
			races_join((unsigned)(w.self - w.actors), i);
}

void
world_join(const actor *other)
{
	world_point(NULL, true);
	join(other);
}

void
world_join_all(void)
{
	join(NULL);
}

bool
world_run(void *(*body)(void *), const world_rules *rules)
{
	w.used = w.muted = w.points = 0;
	for (unsigned i = 0; i < WORLD_ACTORS; i++)
		w.actors[i].state = UNUSED;
	w.clock_moves = rules->clock_moves;
	w.surprises = rules->surprises;
	w.now_ns = WORLD_BEGAN_NS;
	w.rules = rules;
	w.membarriers = UINT_MAX;
	w.failed = false;
	w.failure[0] = '\0';
	races_begin();
	w.self = NULL;
	w.self = world_start("main", body, NULL);
	fibre_switch(fibre_main(), w.self->stack);
	for (unsigned i = 0; i < w.used; i++)
		if (w.failed || w.actors[i].cancelled)
			fibre_reset(w.actors[i].stack);
	w.self = NULL;
	heap_reset();
	return !w.failed;
}
