/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_fork: in a forked child the parent's sessions are let go of without a byte, and the child's
 * pool opens its own; the parent goes on with its sessions.
 */
#include "redis_kit.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static redis_server *server;

static int
start(void **state)
{
	(void)state;
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

static long long
id_of(qpool_lease *lease)
{
	qpool_error error;
	redisReply *reply;
	long long id;

	if (qpool_redis_command(lease, &reply, &error, "CLIENT ID") != QPOOL_OK)
		return -1;
	id = reply->integer;
	freeReplyObject(reply);
	return id;
}

/* No cmocka in the child: the exit status tells which step failed. */
static int
child(qpool *pool, qpool_lease *held, long long parents)
{
	qpool_lease lease;
	qpool_error error;
	long long id;

	if (qpool_acquire(pool, QPOOL_SEC(5), &lease, &error) != QPOOL_OK)
		return 1;
	id = id_of(&lease);
	if (id < 0 || id == parents)
		return 2;
	if (qpool_release(&lease) != QPOOL_OK)
		return 3;
	if (qpool_release(held) != QPOOL_EFORKED)
		return 4;
	if (qpool_close(pool, QPOOL_SEC(5)) != QPOOL_OK)
		return 5;
	qpool_free(pool);
	return 0;
}

static void
test_fork(void **state)
{
	qpool *pool = kit_pool(redis_server_url(server), NULL, 2);
	qpool_lease held, idle;
	long long held_id, idle_id;
	int status = -1;
	pid_t pid;

	(void)state;
	kit_take(pool, &held);
	kit_take(pool, &idle);
	held_id = id_of(&held);
	idle_id = id_of(&idle);
	kit_do(&held, "MULTI");
	assert_int_equal(qpool_release(&idle), QPOOL_OK);
	pid = fork();
	if (pid == 0)
		_exit(child(pool, &held, idle_id));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The transaction that was open is open still. */
	kit_do(&held, "SET k v");
	kit_do(&held, "EXEC");
	assert_int_equal(id_of(&held), held_id);
	kit_take(pool, &idle);
	assert_int_equal(id_of(&idle), idle_id);
	assert_int_equal(qpool_release(&idle), QPOOL_OK);
	assert_int_equal(qpool_release(&held), QPOOL_OK);
	kit_pool_end(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fork)};

	return cmocka_run_group_tests(tests, start, end);
}
