/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis: a pool of Redis sessions: commands, a transaction that watches a key, and a pipeline.
 * qpool_redis_create(3) and qpool_redis_command(3) quote it.
 *
 *     redis redis://user:password@host/database
 */
#include <queuepool/redis.h>
#include <stdio.h>
#include <stdlib.h>

/* [man: command] */
/* Add to a number, unless somebody else did meanwhile: then *done is
 * false.  A lease that ends in the middle leaves no WATCH behind. */
static qpool_err
add(qpool_lease *lease, long cents, bool *done, qpool_error *error)
{
	redisReply *old = NULL, *now = NULL;
	char sum[32];
	const char *const set[] = {"SET", "ann", sum};
	qpool_err err;

	err = qpool_redis_command(lease, NULL, error, "WATCH ann");
	if (err == QPOOL_OK)
		err = qpool_redis_command(lease, &old, error, "GET ann");
	if (err == QPOOL_OK)
		err = qpool_redis_command(lease, NULL, error, "MULTI");
	if (err == QPOOL_OK) {
		cents += old->str != NULL ? atol(old->str) : 0;
		(void)snprintf(sum, sizeof sum, "%ld", cents);
		err = qpool_redis_argv(lease, NULL, error, 3, set, NULL);
	}
	if (err == QPOOL_OK)
		err = qpool_redis_command(lease, &now, error, "EXEC");
	*done = err == QPOOL_OK && now->type != REDIS_REPLY_NIL;
	freeReplyObject(old);
	freeReplyObject(now);
	return err;
}
/* [end] */

/* [man: pipeline] */
/* Three answers for one round trip. */
static qpool_err
show(qpool_lease *lease, qpool_error *error)
{
	qpool_err err = QPOOL_OK;

	for (int i = 0; i < 3 && err == QPOOL_OK; i++)
		err = qpool_redis_append(lease, error, "INCRBY ann %d", i);
	for (int i = 0; i < 3 && err == QPOOL_OK; i++) {
		redisReply *reply;

		err = qpool_redis_reply(lease, &reply, error);
		if (err != QPOOL_OK)
			break;
		printf("ann: %lld\n", reply->integer);
		freeReplyObject(reply);
	}
	return err;
}
/* [end] */

/* [man: create] */
int
main(int argc, char **argv)
{
	const char *url = argc > 1 ? argv[1] : "redis://localhost";
	qpool_redis_options redis = qpool_redis_options_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	bool done = false;
	qpool_error why;
	qpool_err err;
	qpool *pool = NULL;

	redis.call_timeout = QPOOL_SEC(2);
	err = qpool_redis_create(&pool, url, &redis, NULL, &why);
	if (err == QPOOL_OK)
		err = qpool_acquire(pool, QPOOL_SEC(5), &lease, &why);
	while (err == QPOOL_OK && !done)
		err = add(&lease, 70, &done, &why);
	if (err == QPOOL_OK)
		err = show(&lease, &why);
	if (err != QPOOL_OK)
		fprintf(stderr, "redis: %s\n", why.message);
	qpool_release(&lease);
	qpool_free(pool);
	return err != QPOOL_OK;
}
/* [end] */
