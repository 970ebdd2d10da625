/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_scene: a pool of one session before a proxy, and what its callbacks heard.  The tests of the return come in.
 */
#ifndef PG_SCENE_H
#define PG_SCENE_H

#include "pg_reset_rows.h"

#include <queuepool/postgres.h>

/* Of the whole program: from scene_begin to scene_finish, cmocka's set-up and tear-down. */
extern pg_server *server;
extern pg_proxy *proxy;
int scene_begin(void **state);
int scene_finish(void **state);

typedef struct scene {
	qpool *pool;
	qpool_options options;
	qpool_pg_options pg;
	qpool_lease lease;
	qpool_error error;
	unsigned returns, notices, dirty_count;
	char dirty[512], site[256];
	qpool_err answer; /* of on_return */
	const char *sql;  /* run by on_return */
} scene;

/* One session, 16 s for a return. */
scene scene_init(void);
/* `more` is for the conninfo. */
void scene_open(scene *s, const char *more);
/* Acquire and touch. */
PGconn *take(scene *s);
void put(scene *s);
qpool_stats stats(const scene *s);
void scene_end(scene *s);

#endif
