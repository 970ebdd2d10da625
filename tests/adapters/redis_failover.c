/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_failover: two servers, of which the primary becomes the other's replica while a pool is open.
 */
#include "redis_kit.h"

#include <pthread.h>
#include <string.h>

static redis_server *old, *new;
static qpool *pool;
static qpool_error error;

/* The pool, with two idle sessions. */
static int
begin(void **state)
{
	qpool_lease leases[2];

	(void)state;
	pool = kit_pool(redis_server_url(old), NULL, 3);
	for (unsigned i = 0; i < 2; i++)
		kit_take(pool, &leases[i]);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(qpool_release(&leases[i]), QPOOL_OK);
	return 0;
}

static void
fail_over(void)
{
	redis_do(old, "REPLICAOF 127.0.0.1 %d", redis_server_port(new));
	redis_await_info(old, "replication", "master_link_status:up");
}

static int
finish(void **state)
{
	(void)state;
	kit_pool_end(pool);
	redis_do(old, "REPLICAOF NO ONE");
	return 0;
}

/* One write is refused; it spoils its session, and those who were idle are asked who they are. */
static void
test_readonly(void **state)
{
	qpool_lease lease;

	(void)state;
	fail_over();
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "SET k v"), QPOOL_EPEER);
	kit_says(&error, "READONLY");
	assert_string_equal(error.native, "READONL");
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "GET k"), QPOOL_EPEER);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 1);
	/* The idle one answers HELLO as a replica: closed, and a new one is opened. */
	kit_take(pool, &lease);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_CHECK), 1);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	/* That one has seen no write refused. */
	qpool_suspect(pool);
	kit_take(pool, &lease);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_CHECK), 1);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

/* The server was promoted again: the idle session is as good as ever. */
static void
test_primary_again(void **state)
{
	qpool_lease lease;

	(void)state;
	fail_over();
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "SET k v"), QPOOL_EPEER);
	redis_do(old, "REPLICAOF NO ONE");
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_take(pool, &lease);
	kit_do(&lease, "SET k v");
	assert_int_equal(kit_closes(pool, QPOOL_WHY_CHECK), 0);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

/* By a script, in a transaction, in a pipeline, by the plain context. */
static void
test_other_ways(void **state)
{
	qpool_lease lease;
	redisReply *reply;

	(void)state;
	fail_over();
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "EVAL %s 1 k",
			     "return redis.call('SET', KEYS[1], 'v')"),
	    QPOOL_EPEER);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 1);
	kit_take(pool, &lease);
	kit_do(&lease, "MULTI");
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "SET k v"), QPOOL_EPEER);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 2);
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_append(&lease, &error, "GET k"), QPOOL_OK);
	assert_int_equal(qpool_redis_append(&lease, &error, "SET k v"), QPOOL_OK);
	assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_OK);
	assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_EPEER);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 3);
	kit_take(pool, &lease);
	reply = redisCommand(qpool_redis_unguarded_context(&lease), "SET k v");
	assert_true(qpool_redis_note(&lease, reply));
	freeReplyObject(reply);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 4);
}

/* A pool that is meant for replicas, too: a write is refused, and that is all. */
static void
test_any_role(void **state)
{
	char url[80];
	qpool_lease leases[2];
	qpool *any;

	(void)state;
	fail_over();
	(void)snprintf(url, sizeof url, "%s?role=any", redis_server_url(old));
	any = kit_pool(url, NULL, 2);
	for (unsigned i = 0; i < 2; i++)
		kit_take(any, &leases[i]);
	assert_int_equal(qpool_release(&leases[1]), QPOOL_OK);
	assert_int_equal(qpool_redis_command(&leases[0], NULL, &error, "SET k v"), QPOOL_EPEER);
	kit_says(&error, "READONLY");
	kit_do(&leases[0], "GET k");
	assert_int_equal(qpool_release(&leases[0]), QPOOL_OK);
	for (unsigned i = 0; i < 2; i++)
		kit_take(any, &leases[i]);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(qpool_release(&leases[i]), QPOOL_OK);
	assert_int_equal(kit_closes(any, QPOOL_WHY_CHECK), 0);
	assert_int_equal(kit_closes(any, QPOOL_WHY_DISCARDED), 0);
	kit_pool_end(any);
}

/* Reads on a replica are nobody's failure. */
static void
test_reads(void **state)
{
	qpool_lease lease;

	(void)state;
	fail_over();
	for (unsigned i = 0; i < 3; i++) {
		kit_take(pool, &lease);
		kit_do(&lease, "GET k");
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
	}
	assert_int_equal(kit_closes(pool, QPOOL_WHY_CHECK), 0);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 0);
}

/* Who waits in a blocking command is told, and takes it as the same. */
static void *
demote(void *argument)
{
	(void)argument;
	redis_await_info(old, "clients", "blocked_clients:1");
	redis_do(old, "REPLICAOF 127.0.0.1 %d", redis_server_port(new));
	return NULL;
}

static void
test_unblocked(void **state)
{
	pthread_t thread;
	qpool_lease lease;

	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(pthread_create(&thread, NULL, demote, NULL), 0);
	assert_int_equal(
	    qpool_redis_command(&lease, NULL, &error, "BLPOP nothing 20"), QPOOL_EPEER);
	kit_says(&error, "UNBLOCKED");
	(void)pthread_join(thread, NULL);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 1);
}

/* An operator's CLIENT UNBLOCK has the same first word, and means nothing of the kind. */
static void *
unblock(void *argument)
{
	redis_await_info(old, "clients", "blocked_clients:1");
	redis_do(old, "CLIENT UNBLOCK %lld ERROR", *(long long *)argument);
	return NULL;
}

static void
test_operator(void **state)
{
	pthread_t thread;
	qpool_lease lease;
	redisReply *reply;
	long long id;

	(void)state;
	kit_take(pool, &lease);
	reply = kit_ask(&lease, "CLIENT ID");
	id = reply->integer;
	freeReplyObject(reply);
	assert_int_equal(pthread_create(&thread, NULL, unblock, &id), 0);
	assert_int_equal(
	    qpool_redis_command(&lease, NULL, &error, "BLPOP nothing 20"), QPOOL_EPEER);
	kit_says(&error, "UNBLOCKED");
	(void)pthread_join(thread, NULL);
	kit_do(&lease, "PING");
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 0);
}

static int
start(void **state)
{
	(void)state;
	old = redis_server_start(NULL);
	new = redis_server_start(NULL);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	redis_server_end(old);
	redis_server_end(new);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_readonly),
	    TEST(test_primary_again),
	    TEST(test_other_ways),
	    TEST(test_any_role),
	    TEST(test_reads),
	    TEST(test_unblocked),
	    TEST(test_operator),
	};

	return cmocka_run_group_tests(tests, start, end);
}
