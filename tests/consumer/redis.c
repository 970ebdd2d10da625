/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis: a program of somebody who has only what is installed, and wants pooled Redis connections.
 * Built like core.c beside it; REDIS_URL leads to a server.
 */
#include <queuepool/redis.h>

#include <stdio.h>
#include <stdlib.h>

static int
fail(const char *what, const char *message)
{
	fprintf(stderr, "%s: %s\n", what, message);
	return 1;
}

int
main(void)
{
	qpool_redis_options redis = qpool_redis_options_init();
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	const char *url = getenv("REDIS_URL");
	const char *const words[] = {"ECHO", "there"};
	redisReply *reply;
	qpool_error error;
	qpool *pool;
	void *user;

	/* By way of the ops, as who wraps them does; they are not used further. */
	if (qpool_redis_ops("redis://h?pool_max_size=2", &redis, &options, &ops, &user, &error) !=
	    QPOOL_OK)
		return fail("qpool_redis_ops", error.message);
	ops.destroy(user);
	if (options.max_size != 2)
		return fail("qpool_redis_ops", "max_size is not what the words say");

	redis.call_timeout = QPOOL_SEC(10);
	options.open_failure = QPOOL_OPEN_TELL;
	if (qpool_redis_create(&pool, url == NULL ? "redis://localhost" : url, &redis, &options,
		&error) != QPOOL_OK)
		return fail("qpool_redis_create", error.message);
	if (qpool_acquire(pool, QPOOL_SEC(5), &lease, &error) != QPOOL_OK)
		return fail("qpool_acquire", error.message);
	if (qpool_redis_command(&lease, &reply, &error, "ECHO %s", "here") != QPOOL_OK)
		return fail("qpool_redis_command", error.message);
	if (strcmp(reply->str, "here") != 0)
		return fail("qpool_redis_command", reply->str);
	freeReplyObject(reply);
	if (qpool_redis_append_argv(&lease, &error, 2, words, NULL) != QPOOL_OK ||
	    qpool_redis_reply(&lease, &reply, &error) != QPOOL_OK)
		return fail("qpool_redis_reply", error.message);
	freeReplyObject(reply);
	qpool_release(&lease);
	if (qpool_redis_unguarded_context(&lease) != NULL)
		return fail("qpool_redis_unguarded_context", "an empty lease has a context");
	qpool_free(pool);
	return 0;
}
