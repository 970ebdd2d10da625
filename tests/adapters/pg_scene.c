/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_scene: see the header.  A session that is closed with a query under way ends soon, by the server's settings.
 */
#include "pg_scene.h"

pg_server *server;
pg_proxy *proxy;

int
scene_begin(void **state)
{
	const pg_server_options options = {.conf = "client_connection_check_interval = 100ms\n"};

	(void)state;
	server = pg_server_start(&options);
	proxy = pg_proxy_start(server);
	pg_rows_prepare(server);
	return 0;
}

int
scene_finish(void **state)
{
	(void)state;
	pg_proxy_end(proxy);
	pg_server_end(server);
	return 0;
}

scene
scene_init(void)
{
	scene s = {.options = qpool_options_init(), .pg = qpool_pg_options_init()};

	s.options.max_size = 1;
	s.options.step_budget = QPOOL_SEC(16);
	return s;
}

void
scene_open(scene *s, const char *more)
{
	char conninfo[512];

	(void)snprintf(conninfo, sizeof conninfo, "%s%s", pg_proxy_unix_conninfo(proxy), more);
	s->pg.user = s;
	if (qpool_pg_create(&s->pool, conninfo, &s->pg, &s->options, &s->error) != QPOOL_OK)
		fail_msg("no pool: %s", s->error.message);
}

PGconn *
take(scene *s)
{
	if (qpool_acquire(s->pool, QPOOL_SEC(60), &s->lease, &s->error) != QPOOL_OK)
		fail_msg("no lease: %s", s->error.message);
	assert_non_null(qpool_pg_conn(&s->lease));
	return qpool_pg_conn(&s->lease);
}

void
put(scene *s)
{
	assert_int_equal(qpool_release(&s->lease), QPOOL_OK);
}

qpool_stats
stats(const scene *s)
{
	qpool_stats now = qpool_stats_init();

	qpool_get_stats(s->pool, &now);
	return now;
}

void
scene_end(scene *s)
{
	assert_int_equal(qpool_close(s->pool, QPOOL_SEC(60)), QPOOL_OK);
	qpool_free(s->pool);
}
