/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scene: one pool in the middle of something, a fork, and what must be true of parent and child afterwards.
 * A state says what goes on when the process forks; a deed, what the child does with the pool it inherits.
 */
#ifndef FORK_SCENE_H
#define FORK_SCENE_H

#include "wire.h"

#include <pthread.h>

#define SCENE_SIZE   4
#define SCENE_ACTORS 8

typedef struct scene {
	wire peer;
	qpool *pool;
	qpool_options options;
	pid_t (*fork)(void);
	pid_t child; /* once it forked; 0 in the child */
	bool has_forked;
	bool is_closed;    /* what the child finds: ECLOSED */
	bool has_company;  /* there were other threads */
	bool is_inside;    /* it forked inside a verb, which returned before the deed */
	qpool_lease lease; /* of the thread that forks */
	qpool_err err;     /* of the verb it forked in */
	pthread_t actors[SCENE_ACTORS];
	unsigned count;
	atomic_uint told; /* between actors and the stage */
} scene;

typedef struct scene_state {
	const char *name;
	/* Set the stage and fork, there or inside: returns in both processes. */
	void (*play)(scene *s);
	/* In the parent, after its child has ended: let everybody go on. */
	void (*after)(scene *s);
} scene_state;

typedef struct scene_deed {
	const char *name;
	void (*act)(scene *s);
} scene_deed;

extern const scene_state scene_states[];
extern const size_t scene_states_count;
extern const scene_state scene_inside[];
extern const size_t scene_inside_count;
extern const scene_deed scene_deeds[];
extern const size_t scene_deeds_count;

/* Without the handlers of pthread_atfork; the other way is wire_fork. */
pid_t scene_clone(void);

/* Once; in the child a watch is set that ends it when it hangs. */
void scene_forks(scene *s);
/* The cell. */
void scene_run(const scene_state *state, const scene_deed *deed, pid_t (*how)(void));
/* What states need: a verb that must succeed, a lease, so many idle, another thread, its word, and a pool with the
 * scene's options as they are now. */
void scene_must(qpool_err err, const qpool_error *error);
qpool_lease scene_take(scene *s);
void scene_warm(scene *s, unsigned count);
void scene_actor(scene *s, void *(*body)(void *));
void scene_await_told(scene *s, unsigned count);
void scene_another_pool(scene *s);
/* Is what this thread holds, if anything, of this process? */
bool scene_holds_own(const scene *s);
/* Of this process: all SCENE_SIZE at once, opened by this process, and back. */
void scene_use_all(scene *s);
/* The equations of the statistics. */
void scene_count(scene *s);

#endif
