/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed_scene: one keyed pool in the middle of something, a fork, and what must be true of parent and child
 * afterwards; as scene.h, over keys.
 */
#ifndef FORK_KEYED_SCENE_H
#define FORK_KEYED_SCENE_H

#include "wire.h"

#include <pthread.h>

#define KEYED_TOTAL   4
#define KEYED_PER_KEY 3
#define KEYED_ACTORS  4

typedef struct keyed_scene {
	wire peer;
	qpool_keyed *keyed;
	qpool_options options;
	pid_t (*fork)(void);
	pid_t child; /* once it forked; 0 in the child */
	bool has_forked;
	bool is_closed;                /* what the child finds: ECLOSED */
	qpool_lease lease;             /* of the thread that forks, under "a" */
	qpool_lease more[KEYED_TOTAL]; /* likewise, under any key */
	pthread_t actors[KEYED_ACTORS];
	unsigned count;
	atomic_uint told; /* between actors and the stage */
} keyed_scene;

typedef struct keyed_state {
	const char *name;
	/* Set the stage and fork, there or inside: returns in both processes. */
	void (*play)(keyed_scene *s);
	/* In the parent, after its child has ended: let everybody go on. */
	void (*after)(keyed_scene *s);
} keyed_state;

typedef struct keyed_deed {
	const char *name;
	void (*act)(keyed_scene *s);
} keyed_deed;

extern const keyed_state keyed_states[], keyed_inside[];
extern const size_t keyed_states_count, keyed_inside_count;
extern const keyed_deed keyed_deeds[];
extern const size_t keyed_deeds_count;

/* Once. */
void keyed_forks(keyed_scene *s);
void keyed_must(qpool_err err, const qpool_error *error);
qpool_lease keyed_take(keyed_scene *s, const char *key);
/* One idle under each of these keys, a letter each. */
void keyed_warm(keyed_scene *s, const char *letters);
void keyed_actor(keyed_scene *s, void *(*body)(void *));
void keyed_await_told(keyed_scene *s, unsigned count);
/* A pool with the scene's options as they are now. */
void keyed_another_pool(keyed_scene *s);
bool keyed_is_own(const qpool_lease *lease);
/* Of all that the calling thread holds, what is of this process. */
unsigned keyed_holds_own(const keyed_scene *s);
/* End it; what it answers is right for whose it is. */
void keyed_end(qpool_lease *lease, qpool_err (*end)(qpool_lease *));
void keyed_end_all(keyed_scene *s);
/* Of this process: one of this key, and back. */
void keyed_use(keyed_scene *s, const char *key);
/* Every place, under many keys and under one; and not one more. */
void keyed_use_all(keyed_scene *s);
/* The equations of the statistics. */
void keyed_count(keyed_scene *s);

#endif
