/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_idle: a session between two leases: what comes to it unasked, and what it is asked.
 */
#include "pg_scene.h"

#include <poll.h>
#include <stdlib.h>

/* It is read and looked at, and costs neither the session nor a question. */
static void
news_while_idle(void **state)
{
	scene s = scene_init();
	struct pollfd at = {.events = POLLIN};
	PGnotify *news;
	PGconn *conn;
	char *sent;
	int pid;

	(void)state;
	scene_open(&s, "");
	conn = take(&s);
	(void)pg_say(conn, "LISTEN news");
	pid = PQbackendPID(conn);
	at.fd = PQsocket(conn);
	put(&s);
	pg_do(server, "NOTIFY news, 'they come'");
	assert_int_equal(poll(&at, 1, 60000), 1);
	pg_proxy_reset(proxy);
	conn = take(&s);
	assert_int_equal(PQbackendPID(conn), pid);
	sent = pg_proxy_sent(proxy);
	assert_string_equal(sent, "");
	free(sent);
	news = PQnotifies(conn);
	assert_non_null(news);
	assert_string_equal(news->extra, "they come");
	PQfreemem(news);
	put(&s);
	assert_int_equal(stats(&s).opens, 1);
	scene_end(&s);
}

/* So short of time that no answer comes. */
#define TOO_SHORT QPOOL_MSEC(20)

/* A caller's time ended the check: the question stands, and the next one hears the answer to it. */
static void
an_answer_that_comes_late(void **state)
{
	scene s = scene_init();
	PGconn *conn;
	char *sent;
	int pid;

	(void)state;
	s.options.check_after = QPOOL_ZERO;
	scene_open(&s, "");
	pid = PQbackendPID(take(&s));
	put(&s);
	pg_proxy_set(proxy, PG_HOLD_REPLIES);
	pg_proxy_reset(proxy);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    qpool_acquire(s.pool, TOO_SHORT, &s.lease, &s.error), QPOOL_ETIMEOUT);
	pg_proxy_set(proxy, PG_PASS);
	conn = take(&s);
	assert_int_equal(PQbackendPID(conn), pid);
	sent = pg_proxy_sent(proxy);
	assert_string_equal(sent, "Q");
	free(sent);
	assert_string_equal(pg_say(conn, "SELECT 7"), "7");
	put(&s);
	assert_int_equal(stats(&s).opens, 1);
	assert_int_equal(stats(&s).checks_failed, 0);
	scene_end(&s);
}

/* No answer within the whole budget is an answer. */
static void
no_answer_at_all(void **state)
{
	scene s = scene_init();

	(void)state;
	s.options.check_after = QPOOL_ZERO;
	s.options.step_budget = TOO_SHORT;
	scene_open(&s, "");
	(void)take(&s);
	put(&s);
	pg_proxy_set(proxy, PG_HOLD_REPLIES);
	/* The first is asked and closed, and no other can be opened. */
	assert_int_equal(
	    qpool_acquire(s.pool, QPOOL_MSEC(500), &s.lease, &s.error), QPOOL_ETIMEOUT);
	assert_int_equal(stats(&s).closes[QPOOL_WHY_CHECK], 1);
	pg_proxy_set(proxy, PG_PASS);
	(void)take(&s);
	put(&s);
	scene_end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(news_while_idle),
	    cmocka_unit_test(an_answer_that_comes_late),
	    cmocka_unit_test(no_answer_at_all),
	};

	return cmocka_run_group_tests_name("pg_idle", tests, scene_begin, scene_finish);
}
