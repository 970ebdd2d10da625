/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_plain: the context in the hands of its holder: what the functions say of it, how it leaves the
 * pool, and that its SIGPIPE does not reach a program which never thought of it.
 */
#include "redis_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static redis_server *server;
static qpool *pool;
static qpool_lease lease;
static qpool_error error;
static char word[] = "word";

static int
begin(void **state)
{
	(void)state;
	pool = kit_pool(redis_server_url(server), NULL, 2);
	memset(&lease, 0, sizeof lease);
	memset(&error, 0, sizeof error);
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	(void)qpool_release(&lease);
	kit_pool_end(pool);
	return 0;
}

static int
start(void **state)
{
	(void)state;
	/* As a program has it that never thought of it. */
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

/* An answer that the holder left unread is not taken for the reset's own, though it reads the same. */
static void
test_same_answer(void **state)
{
	redisContext *c;
	int done = 0;

	(void)state;
	kit_take(pool, &lease);
	c = qpool_redis_unguarded_context(&lease);
	assert_int_equal(redisAppendCommand(c, "RESET"), REDIS_OK);
	while (!done)
		assert_int_equal(redisBufferWrite(c, &done), REDIS_OK);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_RESET), 1);
}

/* The holder's settings of the context do not stay. */
static void
test_context_settings(void **state)
{
	struct timeval span = {0, 1000};
	socklen_t size = sizeof span;
	int fd;

	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(redisSetTimeout(qpool_redis_unguarded_context(&lease), span), REDIS_OK);
	/* Nor do they cut short what waits by the pool's own time. */
	kit_do(&lease, "BLPOP none 0.05");
	fd = qpool_redis_unguarded_context(&lease)->fd;
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
	qpool_redis_unguarded_context(&lease)->flags &= ~REDIS_BLOCK;
	kit_do(&lease, "BLPOP none 0.05");
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_unguarded_context(&lease)->fd, fd);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_not_equal(qpool_redis_unguarded_context(&lease)->flags & REDIS_BLOCK, 0);
	assert_int_equal(getsockopt(qpool_redis_unguarded_context(&lease)->fd, SOL_SOCKET,
			     SO_RCVTIMEO, &span, &size),
	    0);
	assert_int_equal(span.tv_sec + span.tv_usec, 0);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

/* A reply that the plain context has in hand is not the function's. */
static void
test_mixed(void **state)
{
	redisReply *reply = NULL;
	redisContext *c;
	int done = 0;

	(void)state;
	kit_take(pool, &lease);
	c = qpool_redis_unguarded_context(&lease);
	assert_int_equal(redisAppendCommand(c, "ECHO a"), REDIS_OK);
	assert_int_equal(redisAppendCommand(c, "ECHO b"), REDIS_OK);
	while (!done)
		assert_int_equal(redisBufferWrite(c, &done), REDIS_OK);
	redis_do(server, "PING"); /* one thread: what came before it has been answered */
	assert_int_equal(redisGetReply(c, (void **)&reply), REDIS_OK);
	freeReplyObject(reply);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "ECHO c"), QPOOL_EMISUSE);
	kit_says(&error, "plain context");
	assert_int_equal(redisGetReply(c, (void **)&reply), REDIS_OK);
	assert_string_equal(reply->str, "b");
	freeReplyObject(reply);
	kit_text(&lease, "PONG", "PING");
	/* The functions' own replies, which come in one piece, are no such thing. */
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(qpool_redis_append(&lease, &error, "PING"), QPOOL_OK);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_OK);
}

/* What was queued goes with the context. */
static void
test_detach_queued(void **state)
{
	redisReply *reply = NULL;
	redisContext *c;

	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_append(&lease, &error, "ECHO a"), QPOOL_OK);
	assert_int_equal(qpool_redis_append(&lease, &error, "ECHO b"), QPOOL_OK);
	c = qpool_redis_detach(&lease);
	assert_non_null(c);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(redisGetReply(c, (void **)&reply), REDIS_OK);
		assert_string_equal(reply->str, i == 0 ? "a" : "b");
		freeReplyObject(reply);
	}
	redisFree(c);
}

static void
test_context(void **state)
{
	redisContext *context;
	redisReply *reply;

	(void)state;
	kit_take(pool, &lease);
	context = qpool_redis_unguarded_context(&lease);
	reply = redisCommand(context, "SET k v");
	assert_false(qpool_redis_note(&lease, reply));
	freeReplyObject(reply);
	redis_do(server, "CLIENT KILL TYPE normal SKIPME yes");
	/* hiredis reads the end before it writes a second time, which would raise SIGPIPE. */
	assert_null(redisCommand(context, "PING"));
	assert_true(qpool_redis_note(&lease, NULL));
	assert_int_equal(context->err, REDIS_ERR_EOF); /* as hiredis said */
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 1);
	kit_take(pool, &lease);
	context = qpool_redis_detach(&lease);
	assert_non_null(context);
	assert_null(lease.resource);
	reply = redisCommand(context, "PING");
	assert_string_equal(reply->str, "PONG");
	freeReplyObject(reply);
	redisFree(context);
	kit_take(pool, &lease);
}

static qpool_err
use_dead(redisContext *context, void *user, qpool_error *e)
{
	redisReply *reply;

	(void)user;
	/* Down a Unix socket the first write after the end raises SIGPIPE, down TCP a later one. */
	for (unsigned i = 0; i < 20 && context->err == 0; i++) {
		int done;
		assert_int_equal(redisAppendCommand(context, "PING"), REDIS_OK);
		(void)redisBufferWrite(context, &done);
		(void)poll(NULL, 0, 1); /* the other end's answer to what came */
	}
	reply = redisCommand(context, "PING");
	assert_null(reply);
	e->code = QPOOL_EPEER;
	errno = 4711;
	return QPOOL_EPEER;
}

static qpool_err
use_echo(redisContext *context, void *user, qpool_error *e)
{
	redisReply *reply = redisCommand(context, "ECHO %s", (const char *)user);

	(void)e;
	assert_non_null(reply);
	assert_string_equal(reply->str, user);
	freeReplyObject(reply);
	return QPOOL_OK;
}

static qpool_err
use_multi(redisContext *context, void *user, qpool_error *e)
{
	(void)user;
	(void)e;
	freeReplyObject(redisCommand(context, "MULTI"));
	return QPOOL_EAGAIN; /* is passed on */
}

/* What it leaves is undone. */
static void
test_use_leaves(void **state)
{
	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_use(&lease, use_multi, NULL, &error), QPOOL_EAGAIN);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_take(pool, &lease);
	kit_text(&lease, "PONG", "PING");
	assert_int_equal(kit_closes(pool, QPOOL_WHY_RESET), 0);
}

static qpool_err
use_append(redisContext *context, void *user, qpool_error *e)
{
	(void)e;
	assert_int_equal(redisAppendCommand(context, "ECHO %s", (const char *)user), REDIS_OK);
	return QPOOL_OK;
}

static qpool_err
use_read(redisContext *context, void *user, qpool_error *e)
{
	redisReply *reply = NULL;

	(void)e;
	assert_int_equal(redisGetReply(context, (void **)&reply), REDIS_OK);
	assert_string_equal(reply->str, user);
	freeReplyObject(reply);
	return QPOOL_OK;
}

/* What one call has begun the next one ends. */
static void
test_use_in_parts(void **state)
{
	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_use(&lease, use_append, word, &error), QPOOL_OK);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "PING"), QPOOL_EMISUSE);
	assert_int_equal(qpool_redis_use(&lease, use_read, word, &error), QPOOL_OK);
	kit_text(&lease, "PONG", "PING");
}

static bool
is_in(int (*ask)(sigset_t *))
{
	sigset_t set;

	assert_int_equal(ask(&set), 0);
	return sigismember(&set, SIGPIPE) == 1;
}

static int
mask(sigset_t *set)
{
	return pthread_sigmask(SIG_BLOCK, NULL, set);
}

/* Over both kinds of socket, with the signal's default, which would end this program. */
static void
test_use(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		qpool *p = kit_pool(
		    i == 0 ? redis_server_unix(server) : redis_server_url(server), NULL, 1);

		kit_take(p, &lease);
		assert_int_equal(qpool_redis_use(&lease, use_echo, word, &error), QPOOL_OK);
		kit_text(&lease, "PONG", "PING");
		redis_server_kill(server);
		errno = 0;
		assert_int_equal(qpool_redis_use(&lease, use_dead, NULL, &error), QPOOL_EPEER);
		assert_int_equal(errno, 4711); /* as the callback left it */
		assert_false(is_in(mask));
		assert_false(is_in(sigpending));
		if (i == 0) /* the end of use alone is enough */
			assert_int_equal(
			    qpool_redis_use(&lease, use_echo, word, &error), QPOOL_EPEER);
		redis_server_launch(server);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		assert_int_equal(kit_closes(p, QPOOL_WHY_DISCARDED), 1);
		assert_int_equal(qpool_redis_use(&lease, use_echo, word, &error), QPOOL_EMISUSE);
		kit_pool_end(p);
	}
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_use(&lease, NULL, NULL, &error), QPOOL_EINVAL);
	assert_int_equal(qpool_redis_append(&lease, &error, "PING"), QPOOL_OK);
	assert_int_equal(qpool_redis_use(&lease, use_echo, word, &error), QPOOL_EMISUSE);
}

/* A program that blocks it finds it blocked, and what was pending still is. */
static void
test_use_blocked(void **state)
{
	sigset_t set;
	int caught;

	(void)state;
	assert_int_equal(sigemptyset(&set), 0);
	assert_int_equal(sigaddset(&set, SIGPIPE), 0);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	kit_take(pool, &lease);
	assert_int_equal(raise(SIGPIPE), 0);
	assert_int_equal(qpool_redis_use(&lease, use_echo, word, &error), QPOOL_OK);
	assert_true(is_in(mask));
	assert_true(is_in(sigpending));
	assert_int_equal(sigwait(&set, &caught), 0);
	assert_int_equal(caught, SIGPIPE);
	assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
}

/* From hiredis 1.0 on the context itself is as quiet. */
static void
test_quiet(void **state)
{
	qpool *p;

	(void)state;
	if (HIREDIS_MAJOR < 1)
		skip();
	p = kit_pool(redis_server_unix(server), NULL, 1);
	kit_take(p, &lease);
	redis_server_kill(server);
	assert_int_equal(
	    use_dead(qpool_redis_unguarded_context(&lease), NULL, &error), QPOOL_EPEER);
	redis_server_launch(server);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_pool_end(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_same_answer),
	    TEST(test_context_settings),
	    TEST(test_mixed),
	    TEST(test_detach_queued),
	    TEST(test_context),
	    TEST(test_use),
	    TEST(test_use_leaves),
	    TEST(test_use_in_parts),
	    TEST(test_use_blocked),
	    TEST(test_quiet),
	};

	return cmocka_run_group_tests(tests, start, end);
}
