/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * world: a machine of a few threads, a clock and a scheduler, inside one thread of the system.  Its
 * threads are actors: one runs at a time, and before everything that another could notice there is
 * a point, where choice says who goes on.  memory.c and wall.c put it under the core; scenes and
 * their kit play in it.
 *
 *             blocks                  a lock, a wake-up, a deadline, an end
 *   READY ─────────────→ LOCKED, PARKED, JOINING ───────────────────────→ READY
 *     └── its body returns → GONE
 *
 * Time stands still while anybody is READY, except where a choice moves it: then to the next
 * instant that somebody waits for.  When nobody is READY it is a quiet point: the scene's check
 * runs, and then time goes to the next deadline.  Without one, the execution is over, or stuck.
 */
#ifndef EXPLORE_WORLD_H
#define EXPLORE_WORLD_H

#include "mute.h"
#include "races.h"
#include "platform/atomic.h"
#include "platform/compiler.h"
#include "platform/hazard.h"
#include "platform/park.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_ACTORS 12u
#define WORLD_STORES 32u /* in one store buffer */
#define WORLD_NAME   12u
/* Where the clock begins. */
#define WORLD_BEGAN_NS (INT64_C(1000) * 1000000000)

typedef enum actor_state { UNUSED = 0, READY, LOCKED, PARKED, JOINING, GONE } actor_state;

/* A store that only its own actor sees yet. */
typedef struct pending {
	volatile void *object;
	uint64_t value;
	size_t size;
	clocks carried;
} pending;

typedef struct actor {
	struct fibre *stack;
	char name[WORLD_NAME];
	actor_state state;
	void *(*body)(void *);
	void *argument;
	const char *verb; /* what its scene has it do now, for reports; or NULL */
	/* PARKED: */
	const qp_atomic_u32 *word; /* NULL: it only lets time pass */
	int64_t deadline_ns;
	qp_parked how;
	bool may_cancel, cancelled;
	/* LOCKED: */
	const void *lock;
	/* JOINING: NULL is all others of the scene */
	const struct actor *joins;
	/* always */
	bool in_scene;       /* not a worker, nor the first actor */
	int64_t instant_ns;  /* a moment that its scene wants the clock to be able to hit */
	int64_t slept_ns;    /* when it first slept since its scene set this to 0 */
	uint64_t slept_at;   /* likewise on a word, as world_points() */
	bool waits;          /* inside an acquire, says its scene, */
	int64_t patience_ns; /* for so long at most, */
	int64_t began_ns;    /* since then; */
	uint64_t began_at;   /* likewise, as world_points() */
	unsigned held;       /* locks */
	void *pocket;
	qp_hazard hazard;
	int shield;
	pending stores[WORLD_STORES]; /* the first `stored` are in the buffer, oldest first */
	unsigned stored;
} actor;

typedef struct world_rules {
	unsigned clock_moves; /* how often in an execution a choice may move the clock */
	unsigned surprises;   /* how often somebody parked may wake for a signal */
	void (*quiet)(void);  /* at quiet points, muted */
	void (*end)(void);    /* when all are gone, muted */
} world_rules;

/* Run body(NULL) on the first actor until nobody is left.  False: it failed, see below. */
bool world_run(void *(*body)(void *), const world_rules *rules);
/* A search: look at fewer choices: only where actors are known to touch the same word.  What is
 * known grows; true if it has grown since this was last asked. */
bool world_has_learned(void);
void world_forget(void);
/* What went wrong, in one line, after world_run returned false. */
const char *world_failure(void);
/* All that happened since the program began. */
uint64_t world_points(void);

/* ---- on an actor ---- */

/* End the execution: it has failed. */
QP_NORETURN QP_PRINTF(1, 2) void world_fail(const char *format, ...);
/* Somebody else may go on here.  `object` is what the actor will touch next (NULL: count it as
 * touched by all), `writes` says how. */
void world_point(const volatile void *object, bool writes);
/* A new actor, ready to run. */
actor *world_start(const char *name, void *(*body)(void *), void *argument);
/* The actor ends here, wherever it is; does not return. */
void world_end(void);
/* Wait for it, or for all in the scene. */
void world_join(const actor *other);
void world_join_all(void);
/* The running actor is in this state until somebody makes it READY; then this returns. */
void world_block(actor_state state);
/* Let time pass. */
void world_pass(int64_t span_ns);
/* Let others go first. */
void world_yield(void);
/* Grant so many membarriers and refuse all later ones; 0: from the first question on.  Without this,
 * all are granted.  Is there one; it is used up by it. */
void world_grant_membarriers(unsigned count);
bool world_membarrier(bool uses);
/* One of `options`, none better than another. */
unsigned world_choose(unsigned options);
/* Cancel the actor, if it is parked where it may be. */
bool world_cancel(actor *other);

actor *world_self(void);
/* All `WORLD_ACTORS` of them. */
actor *world_actors(void);
int64_t world_now(void);

/* ---- memory, for the world and the wall ---- */

/* The oldest store of its buffer, or all of them, reach memory. */
void memory_drain_one(actor *a);
void memory_drain(actor *a);
/* The same for all actors. */
void memory_drain_all(void);

#endif
