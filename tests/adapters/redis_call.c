/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_call: commands through a lease on a real server: replies, pipelines, messages, errors, time,
 * and a server that is killed in between.
 */
#include "redis_kit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static redis_server *server;
static qpool *pool;
static qpool_lease lease;
static qpool_error error;

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

static void
test_commands(void **state)
{
	const char *const argv[] = {"SET", "k\0y", "v\0\r\n"};
	const size_t lengths[] = {3, 3, 4};
	redisReply *reply;

	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(
	    qpool_redis_command(&lease, &reply, &error, "SET %s %b", "a", "b\0c", (size_t)3),
	    QPOOL_OK);
	assert_int_equal(reply->type, REDIS_REPLY_STATUS);
	freeReplyObject(reply);
	assert_int_equal(qpool_redis_command(&lease, &reply, &error, "GET a"), QPOOL_OK);
	assert_int_equal(reply->len, 3);
	assert_memory_equal(reply->str, "b\0c", 3);
	freeReplyObject(reply);
	assert_int_equal(qpool_redis_argv(&lease, NULL, &error, 3, argv, lengths), QPOOL_OK);
	assert_int_equal(
	    qpool_redis_command(&lease, &reply, NULL, "GET %b", "k\0y", (size_t)3), QPOOL_OK);
	assert_memory_equal(reply->str, "v\0\r\n", 4);
	freeReplyObject(reply);
	assert_int_equal(qpool_redis_command(&lease, &reply, &error, "GET none"), QPOOL_OK);
	assert_int_equal(reply->type, REDIS_REPLY_NIL);
	freeReplyObject(reply);
}

static void
test_mistakes(void **state)
{
	redisReply *reply = (void *)&error;

	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_command(&lease, &reply, &error, ""), QPOOL_EINVAL);
	assert_null(reply);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "GET %y", "x"), QPOOL_EINVAL);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, NULL), QPOOL_EINVAL);
	assert_int_equal(qpool_redis_argv(&lease, NULL, &error, 0, NULL, NULL), QPOOL_EINVAL);
	assert_int_equal(
	    qpool_redis_argv(&lease, NULL, &error, 2, (const char *[]){"GET", NULL}, NULL),
	    QPOOL_EINVAL);
	kit_says(&error, "is NULL");
	assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_EMISUSE);
	kit_says(&error, "no reply is to come");
	assert_int_equal(qpool_redis_append(&lease, &error, "PING"), QPOOL_OK);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "PING"), QPOOL_EMISUSE);
	assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_OK);
	assert_int_equal(
	    redisAppendCommand(qpool_redis_unguarded_context(&lease), "PING"), REDIS_OK);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "PING"), QPOOL_EMISUSE);
	kit_says(&error, "plain context");
	assert_int_equal(qpool_redis_within(&lease, 0), QPOOL_EINVAL);
	assert_int_equal(qpool_redis_within(&lease, QPOOL_ZERO), QPOOL_EINVAL);
}

static void
test_errors(void **state)
{
	redisReply *reply = (void *)&error;

	(void)state;
	kit_take(pool, &lease);
	kit_do(&lease, "SET text x");
	assert_int_equal(qpool_redis_command(&lease, &reply, &error, "LPUSH text y"), QPOOL_EPEER);
	assert_null(reply);
	kit_says(&error, "WRONGTYPE");
	assert_string_equal(error.native, "WRONGTY");
	/* What it was sent is the program's data. */
	assert_int_equal(
	    qpool_redis_command(&lease, &reply, &error, "NOSUCH my-data"), QPOOL_EPEER);
	kit_says(&error, "unknown command 'NOSUCH'");
	kit_hides(&error, "my-data");
	kit_text(&lease, "PONG", "PING");
}

static void
test_pipeline(void **state)
{
	enum { COUNT = 10000 };
	char value[1000];
	redisReply *reply;

	(void)state;
	kit_take(pool, &lease);
	memset(value, 'v', sizeof value);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(
		    qpool_redis_append(&lease, &error, "ECHO %d%b", i, value, sizeof value),
		    QPOOL_OK);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(qpool_redis_reply(&lease, &reply, &error), QPOOL_OK);
		assert_int_equal(atoi(reply->str), i);
		freeReplyObject(reply);
	}
	assert_int_equal(qpool_redis_reply(&lease, &reply, &error), QPOOL_EMISUSE);
	/* One of them fails: the others do not. */
	assert_int_equal(qpool_redis_append(&lease, &error, "NOSUCH"), QPOOL_OK);
	assert_int_equal(qpool_redis_append(&lease, &error, "PING"), QPOOL_OK);
	assert_int_equal(qpool_redis_reply(&lease, &reply, &error), QPOOL_EPEER);
	assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_OK);
}

static void
test_messages(void **state)
{
	redisReply *reply;

	(void)state;
	kit_take(pool, &lease);
	kit_do(&lease, "SUBSCRIBE a b");
	assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_OK); /* of b */
	assert_int_equal(qpool_redis_within(&lease, QPOOL_MSEC(50)), QPOOL_OK);
	assert_int_equal(qpool_redis_reply(&lease, &reply, &error), QPOOL_ETIMEOUT);
	redis_do(server, "PUBLISH b news");
	assert_int_equal(qpool_redis_within(&lease, QPOOL_DEFAULT), QPOOL_OK);
	assert_int_equal(qpool_redis_reply(&lease, &reply, &error), QPOOL_OK);
	assert_string_equal(reply->element[2]->str, "news");
	freeReplyObject(reply);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_take(pool, &lease);
	kit_text(&lease, "PONG", "PING");
	assert_int_equal(kit_closes(pool, QPOOL_WHY_RESET), 0);
}

/* While messages may come, the next reply is not the answer to the last command. */
static void
test_listener(void **state)
{
	redisReply *reply;

	(void)state;
	kit_take(pool, &lease);
	kit_do(&lease, "SUBSCRIBE a");
	redis_do(server, "PUBLISH a news");
	assert_int_equal(qpool_redis_command(&lease, &reply, &error, "PING"), QPOOL_EMISUSE);
	kit_says(&error, "qpool_redis_append");
	assert_int_equal(qpool_redis_append(&lease, &error, "UNSUBSCRIBE a"), QPOOL_OK);
	assert_int_equal(qpool_redis_reply(&lease, &reply, &error), QPOOL_OK);
	assert_string_equal(reply->element[2]->str, "news");
	freeReplyObject(reply);
	assert_int_equal(qpool_redis_reply(&lease, &reply, &error), QPOOL_OK);
	assert_string_equal(reply->element[0]->str, "unsubscribe");
	freeReplyObject(reply);
	/* Refused, it listens to nothing. */
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "SUBSCRIBE"), QPOOL_EPEER);
	kit_text(&lease, "PONG", "PING");
	/* The answer of what was asked for before is one, also when it is late. */
	assert_int_equal(qpool_redis_append(&lease, &error, "BLPOP none 0"), QPOOL_OK);
	assert_int_equal(qpool_redis_append(&lease, &error, "SUBSCRIBE a"), QPOOL_OK);
	assert_int_equal(qpool_redis_within(&lease, QPOOL_MSEC(20)), QPOOL_OK);
	assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_EUNKNOWN);
}

/* Nobody would answer, and the one who waits would wait for ever. */
static void
test_mute(void **state)
{
	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(
	    qpool_redis_command(&lease, NULL, &error, "CLIENT REPLY OFF"), QPOOL_EINVAL);
	kit_says(&error, "CLIENT REPLY");
	assert_int_equal(qpool_redis_append(&lease, &error, "client reply SKIP"), QPOOL_EINVAL);
	kit_text(&lease, "PONG", "PING");
	kit_do(&lease, "CLIENT REPLY ON");
}

/* hiredis 0.14 counts a command's bytes in an int. */
static void
test_too_long(void **state)
{
	const char *const argv[] = {"SET", "k", "v"};
	const size_t lengths[] = {3, 1, SIZE_MAX / 2};
	const size_t more[] = {3, 1, (size_t)1 << 31};
	const size_t wraps[] = {3, SIZE_MAX - 1, 64};

	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_argv(&lease, NULL, &error, 3, argv, lengths), QPOOL_EINVAL);
	assert_int_equal(qpool_redis_argv(&lease, NULL, &error, 3, argv, more), QPOOL_EINVAL);
	kit_says(&error, "too long");
	assert_int_equal(qpool_redis_append_argv(&lease, &error, 3, argv, wraps), QPOOL_EINVAL);
	kit_text(&lease, "PONG", "PING");
}

/* RESP3: what the server says unasked is not the next command's answer. */
static void
test_push(void **state)
{
	(void)state;
	if (HIREDIS_MAJOR < 1)
		skip();
	kit_take(pool, &lease);
	kit_do(&lease, "HELLO 3");
	kit_do(&lease, "CLIENT TRACKING ON");
	redis_do(server, "SET tracked 1");
	kit_text(&lease, "1", "GET tracked");
	redis_do(server, "SET tracked 2");
	kit_text(&lease, "PONG", "PING");
	kit_text(&lease, "2", "GET tracked");
	redis_do(server, "SET tracked 3");
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_RESET), 0);
	kit_take(pool, &lease);
	kit_text(&lease, "3", "GET tracked");
}

/* The server logged us out: the session is of no use to anybody. */
static void
test_logged_out(void **state)
{
	(void)state;
	kit_take(pool, &lease);
	redis_do(server, "ACL SETUSER default resetpass >pw");
	kit_do(&lease, "RESET");
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "GET k"), QPOOL_EPEER);
	kit_says(&error, "NOAUTH");
	redis_do(server, "ACL SETUSER default nopass");
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 1);
}

static void
test_time(void **state)
{
	int64_t start;

	(void)state;
	kit_take(pool, &lease);
	kit_do(&lease, "DEL list");
	assert_int_equal(qpool_redis_within(&lease, QPOOL_MSEC(60)), QPOOL_OK);
	start = kit_now();
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "BLPOP list 0"), QPOOL_EUNKNOWN);
	assert_in_range(kit_now() - start, QPOOL_MSEC(60), QPOOL_SEC(2));
	kit_says(&error, "no answer within 60 ms");
	kit_says(&error, "may or may not");
	/* Nothing more goes out on it, not by its context either. */
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "PING"), QPOOL_EPEER);
	assert_null(redisCommand(qpool_redis_unguarded_context(&lease), "PING"));
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 1);
	/* The next one waits as long as the pool says. */
	kit_take(pool, &lease);
	kit_do(&lease, "BLPOP list 0.1");
}

/* The server takes nothing: a command that does not fit the socket's buffers ends by the clock. */
static void
test_stuck(void **state)
{
	size_t length = 64 << 20;
	char *value = calloc(1, length);
	int64_t start;

	(void)state;
	kit_take(pool, &lease);
	redis_server_signal(server, SIGSTOP);
	assert_int_equal(qpool_redis_within(&lease, QPOOL_MSEC(80)), QPOOL_OK);
	start = kit_now();
	assert_int_equal(
	    qpool_redis_command(&lease, NULL, &error, "SET k %b", value, length), QPOOL_EUNKNOWN);
	assert_in_range(kit_now() - start, QPOOL_MSEC(80), QPOOL_SEC(5));
	redis_server_signal(server, SIGCONT);
	free(value);
}

/* The other end is gone: no SIGPIPE, which would end this program (a Unix socket raises it at once), and the
 * rest are suspect. */
static void
test_killed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		qpool *p = kit_pool(
		    i == 0 ? redis_server_url(server) : redis_server_unix(server), NULL, 2);
		qpool_lease other;
		redisReply *reply;

		kit_take(p, &lease);
		kit_take(p, &other);
		assert_int_equal(qpool_release(&other), QPOOL_OK);
		redis_server_kill(server);
		for (unsigned j = 0; j < 3; j++) {
			qpool_err err = qpool_redis_command(&lease, &reply, &error, "PING");
			assert_true(err == QPOOL_EUNKNOWN || err == QPOOL_EPEER);
			assert_null(reply);
		}
		redis_server_launch(server);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		kit_take(p, &lease);
		kit_text(&lease, "PONG", "PING");
		assert_int_equal(kit_closes(p, QPOOL_WHY_DISCARDED), 1);
		assert_int_equal(kit_closes(p, QPOOL_WHY_CHECK), 1);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		kit_pool_end(p);
	}
}

/* A copy of a lease that has ended leads to nobody's session, also while another has it. */
static void
test_over(void **state)
{
	qpool_lease copy, next;

	(void)state;
	kit_take(pool, &lease);
	copy = lease;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_take(pool, &next);
	assert_int_equal(qpool_redis_command(&copy, NULL, &error, "PING"), QPOOL_EMISUSE);
	kit_says(&error, "the lease is over");
	assert_null(qpool_redis_unguarded_context(&copy));
	assert_int_equal(qpool_release(&next), QPOOL_OK);
}

/* A cancel that comes meanwhile stays pending; errno is as it was. */
static void *
cancelled(void *argument)
{
	qpool_err *err = argument;
	int old;

	(void)pthread_cancel(pthread_self());
	errno = 4711;
	*err = qpool_redis_command(&lease, NULL, &error, "PING");
	if (errno != 4711)
		*err = QPOOL_ESYS;
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	return NULL;
}

static void
test_visit(void **state)
{
	qpool_err err = QPOOL_EINVAL;
	pthread_t thread;

	(void)state;
	kit_take(pool, &lease);
	assert_int_equal(pthread_create(&thread, NULL, cancelled, &err), 0);
	(void)pthread_join(thread, NULL);
	assert_int_equal(err, QPOOL_OK);
	kit_text(&lease, "PONG", "PING");
}

/* A pool of another kind is not taken for one of ours. */
static qpool_err
open_number(void *user, const qpool_step *step, void **out, qpool_error *e)
{
	(void)step;
	(void)e;
	*out = user;
	return QPOOL_OK;
}

static void
close_number(void *user, void *resource, qpool_why why)
{
	(void)user;
	(void)resource;
	(void)why;
}

static void
test_foreign(void **state)
{
	qpool_ops ops = qpool_ops_init();
	qpool *numbers;
	int number = 1;

	(void)state;
	ops.kind = "number";
	ops.open = open_number;
	ops.close = close_number;
	assert_int_equal(qpool_create(&numbers, NULL, &ops, &number, &error), QPOOL_OK);
	kit_take(numbers, &lease);
	assert_null(qpool_redis_unguarded_context(&lease));
	assert_int_equal(qpool_redis_command(&lease, NULL, &error, "PING"), QPOOL_EMISUSE);
	kit_says(&error, "another kind");
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(numbers);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_commands),
	    TEST(test_mistakes),
	    TEST(test_errors),
	    TEST(test_pipeline),
	    TEST(test_messages),
	    TEST(test_listener),
	    TEST(test_mute),
	    TEST(test_too_long),
	    TEST(test_push),
	    TEST(test_logged_out),
	    TEST(test_time),
	    TEST(test_stuck),
	    TEST(test_killed),
	    TEST(test_over),
	    TEST(test_visit),
	    TEST(test_foreign),
	};

	return cmocka_run_group_tests(tests, start, end);
}
