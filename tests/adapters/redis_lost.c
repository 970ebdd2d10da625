/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_lost: sessions that die while they are idle or lent: killed by the server, silent, gone with a
 * server that comes back; and a crowd of threads that goes through such a loss.
 */
#include "redis_kit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static redis_server *server;

static int
start(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_DFL);
	server = redis_server_start(NULL);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	redis_server_end(server);
	return 0;
}

/* An acquire after the server closed the idle session gets another one. */
static void
test_closed_while_idle(void **state)
{
	qpool *pool = kit_pool(redis_server_unix(server), NULL, 1);
	qpool_lease lease;
	uint64_t id;

	(void)state;
	kit_take(pool, &lease);
	id = qpool_resource_id(&lease);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	redis_do(server, "CLIENT KILL TYPE normal SKIPME yes");
	kit_take(pool, &lease);
	assert_int_not_equal(qpool_resource_id(&lease), id);
	kit_text(&lease, "PONG", "PING");
	assert_int_equal(kit_closes(pool, QPOOL_WHY_CHECK), 1);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_pool_end(pool);
}

/* A server that is stopped answers no PING; one that goes on is not held against it. */
static void
test_silent(void **state)
{
	void *session;
	kit k;

	(void)state;
	kit_begin(&k, redis_server_url(server), NULL);
	assert_int_equal(kit_open(&k, QPOOL_SEC(5), &session), QPOOL_OK);
	assert_int_equal(kit_check(&k, session, QPOOL_SEC(5)), QPOOL_OK);
	redis_server_signal(server, SIGSTOP);
	assert_int_equal(k.ops.peek(k.user, session, &k.error), QPOOL_OK);
	assert_int_equal(kit_check(&k, session, QPOOL_MSEC(30)), QPOOL_EAGAIN);
	redis_server_signal(server, SIGCONT);
	assert_int_equal(kit_check(&k, session, QPOOL_SEC(5)), QPOOL_OK);
	assert_int_equal(kit_reset(&k, session, QPOOL_SEC(5)), QPOOL_OK);
	kit_close(&k, session);
	kit_end(&k);
}

/* A session whose user has lost its rights, or is gone, fails its check. */
static void
test_user_gone(void **state)
{
	qpool_redis_options options = qpool_redis_options_init();
	void *session;
	kit k;

	(void)state;
	redis_do(server, "ACL SETUSER guest on >pw ~* +@all");
	options.user = "guest";
	options.password = "pw";
	kit_begin(&k, redis_server_url(server), &options);
	assert_int_equal(kit_open(&k, QPOOL_SEC(5), &session), QPOOL_OK);
	redis_do(server, "ACL SETUSER guest -ping");
	assert_int_equal(kit_check(&k, session, QPOOL_SEC(5)), QPOOL_ECHECK);
	kit_says(&k.error, "NOPERM");
	redis_do(server, "ACL DELUSER guest");
	redis_do(server, "PING"); /* it answers before it closes what it has to */
	assert_int_equal(k.ops.peek(k.user, session, &k.error), QPOOL_ECHECK);
	kit_close(&k, session);
	assert_int_equal(kit_open(&k, QPOOL_SEC(5), &session), QPOOL_EDENIED);
	kit_end(&k);
}

/* ---- a crowd ---- */

typedef struct crowd {
	qpool *pool;
	atomic_bool stop;
	atomic_ullong good, bad, strange;
} crowd;

static void *
work(void *argument)
{
	crowd *c = argument;
	unsigned long long number = (unsigned long long)(uintptr_t)&number;

	while (!atomic_load(&c->stop)) {
		qpool_lease lease;
		qpool_error error;
		redisReply *reply = NULL;
		char text[32];
		qpool_err err = qpool_acquire(c->pool, QPOOL_SEC(10), &lease, &error);

		(void)snprintf(text, sizeof text, "%llx", number++);
		if (err == QPOOL_OK)
			err = qpool_redis_command(&lease, &reply, &error, "ECHO %s", text);
		if (err == QPOOL_OK && strcmp(reply->str, text) != 0)
			atomic_fetch_add(&c->strange, 1);
		atomic_fetch_add(err == QPOOL_OK ? &c->good : &c->bad, 1);
		freeReplyObject(reply);
		(void)qpool_release(&lease);
	}
	return NULL;
}

static void
await_good(crowd *c, unsigned long long more)
{
	unsigned long long goal = atomic_load(&c->good) + more;
	int64_t start = kit_now();

	while (atomic_load(&c->good) < goal) {
		assert_true(kit_now() - start < QPOOL_SEC(30));
		(void)poll(NULL, 0, 1);
	}
}

static void
test_crowd(void **state)
{
	enum { THREADS = 8 };
	crowd c = {.pool = kit_pool(redis_server_url(server), NULL, 4)};
	qpool_stats stats = qpool_stats_init();
	pthread_t threads[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &c), 0);
	for (unsigned round = 0; round < 3; round++) {
		await_good(&c, 500);
		redis_do(server, "CLIENT KILL TYPE normal SKIPME yes");
		await_good(&c, 500);
		redis_server_kill(server);
		redis_server_launch(server);
	}
	await_good(&c, 500);
	atomic_store(&c.stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	/* Nobody got another's answer, and no place is lost. */
	assert_int_equal(atomic_load(&c.strange), 0);
	qpool_get_stats(c.pool, &stats);
	assert_int_equal(stats.idle + stats.empty, 4);
	kit_pool_end(c.pool);
	redis_do(server, "PING");
	assert_int_equal(redis_clients(server), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_closed_while_idle),
	    cmocka_unit_test(test_silent),
	    cmocka_unit_test(test_user_gone),
	    cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, start, end);
}
