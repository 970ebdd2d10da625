/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_trace: what commands leave behind, told by their names and answers alone.  The room is
 * compiled in; there is no server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/redis/trace.h"

static void
sent(qp_redis_trace *trace, const char *command)
{
	char *bytes = NULL;
	int length = redisFormatCommand(&bytes, command);

	assert_true(length > 0);
	qp_redis_trace_send(trace, bytes, (size_t)length);
	redisFreeCommand(bytes);
}

static bool
got(qp_redis_trace *trace, int type, const char *text)
{
	char copy[64];
	redisReply reply = {.type = type, .str = copy, .len = strlen(text)};

	(void)snprintf(copy, sizeof copy, "%s", text);
	return qp_redis_trace_receive(trace, &reply);
}

/* Commands alone. */
static void
test_names(void **state)
{
	static const char *const leaving[] = {"MULTI", "watch k", "Subscribe a", "PSUBSCRIBE a*",
	    "SSUBSCRIBE a", "MONITOR", "SELECT 1", "AUTH p", "HELLO 3", "RESET", "QUIT", "READONLY",
	    "READWRITE", "ASKING", "CLIENT SETNAME x", "client reply off", "CLIENT TRACKING ON",
	    "CLIENT NO-EVICT on", "CLIENT", "SCRIPT DEBUG YES", "SYNC", "REPLCONF capa eof",
	    "client no-touch on", "CLIENT SETINFO lib-name x", "PSYNC ? -1"};
	static const char *const clean[] = {"PING", "GET k", "SET MULTI WATCH", "CLIENT ID",
	    "client list", "SCRIPT LOAD x", "EVAL x 0", "MULTIPLE", "MULT", "PUBLISH a b",
	    "UNSUBSCRIBE", "EXEC", "UNWATCH", "DISCARD"};

	(void)state;
	for (size_t i = 0; i < sizeof leaving / sizeof leaving[0]; i++) {
		qp_redis_trace trace = {0};
		sent(&trace, leaving[i]);
		if (!qp_redis_trace_is_left(&trace))
			fail_msg("%s leaves nothing", leaving[i]);
	}
	for (size_t i = 0; i < sizeof clean / sizeof clean[0]; i++) {
		qp_redis_trace trace = {0};
		sent(&trace, clean[i]);
		if (qp_redis_trace_is_left(&trace))
			fail_msg("%s leaves something", clean[i]);
	}
}

/* What RESET does not undo, as far as Redis 7.0 goes; what is not known is taken for that. */
static void
test_beyond(void **state)
{
	static const char *const beyond[] = {"SCRIPT DEBUG YES", "script debug sync",
	    "CLIENT NO-EVICT on", "CLIENT NO-TOUCH on", "CLIENT SETINFO lib-name x",
	    "CLIENT NEWER x", "SYNC", "PSYNC ? -1", "REPLCONF capa eof", "quit"};
	static const char *const undone[] = {"MULTI", "WATCH k", "SUBSCRIBE a", "MONITOR",
	    "SELECT 1", "AUTH p", "HELLO 3", "RESET", "READONLY", "CLIENT SETNAME x",
	    "CLIENT TRACKING ON", "CLIENT CACHING YES", "client reply on", "SCRIPT LOAD x",
	    "SCRIPT KILL", "CLIENT ID", "GET k"};

	(void)state;
	for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
		qp_redis_trace trace = {0};
		sent(&trace, beyond[i]);
		if (!trace.is_beyond)
			fail_msg("%s is undone by RESET", beyond[i]);
	}
	for (size_t i = 0; i < sizeof undone / sizeof undone[0]; i++) {
		qp_redis_trace trace = {0};
		sent(&trace, undone[i]);
		if (trace.is_beyond)
			fail_msg("%s is not undone by RESET", undone[i]);
	}
}

/* After these no answer comes to wait for. */
static bool
is_mute(const char *command)
{
	char *bytes = NULL;
	int length = redisFormatCommand(&bytes, command);
	bool found = qp_redis_trace_is_mute(bytes, (size_t)length);

	redisFreeCommand(bytes);
	return found;
}

static void
test_mute(void **state)
{
	(void)state;
	assert_true(is_mute("CLIENT REPLY OFF"));
	assert_true(is_mute("client reply skip"));
	assert_false(is_mute("CLIENT REPLY ON"));
	assert_false(is_mute("CLIENT REPLY")); /* an error, which is answered */
	assert_false(is_mute("CLIENT REPLY NO"));
	assert_false(is_mute("CLIENT ID"));
	assert_false(is_mute("SET REPLY OFF"));
}

static bool
is_left_after(const char *begin, const char *end, int type, const char *answer)
{
	qp_redis_trace trace = {0};

	sent(&trace, begin);
	(void)got(&trace, REDIS_REPLY_STATUS, "OK");
	sent(&trace, end);
	assert_true(qp_redis_trace_is_left(&trace)); /* not before the answer */
	assert_true(qp_redis_trace_is_pending(&trace));
	(void)got(&trace, type, answer);
	assert_false(qp_redis_trace_is_pending(&trace));
	return qp_redis_trace_is_left(&trace);
}

static void
test_ends(void **state)
{
	(void)state;
	assert_false(is_left_after("MULTI", "EXEC", REDIS_REPLY_ARRAY, ""));
	assert_false(is_left_after("WATCH k", "exec", REDIS_REPLY_NIL, ""));
	assert_false(is_left_after("MULTI", "EXEC", REDIS_REPLY_ERROR, "EXECABORT Transaction"));
	assert_true(is_left_after("WATCH k", "EXEC", REDIS_REPLY_ERROR, "ERR EXEC without MULTI"));
	assert_true(is_left_after("MULTI", "EXEC", REDIS_REPLY_ERROR, "NOPERM"));
	assert_false(is_left_after("MULTI", "DISCARD", REDIS_REPLY_STATUS, "OK"));
	assert_true(is_left_after("MULTI", "DISCARD", REDIS_REPLY_ERROR, "NOPERM"));
	assert_false(is_left_after("WATCH k", "UNWATCH", REDIS_REPLY_STATUS, "OK"));
	assert_true(is_left_after("MULTI", "UNWATCH", REDIS_REPLY_STATUS, "QUEUED"));
	assert_true(is_left_after("SELECT 1", "EXEC", REDIS_REPLY_ARRAY, ""));
}

/* In a pipeline answers come later than commands. */
static void
test_pipeline(void **state)
{
	qp_redis_trace trace = {0};

	(void)state;
	sent(&trace, "MULTI");
	sent(&trace, "GET k");
	sent(&trace, "EXEC");
	sent(&trace, "GET k");
	assert_false(got(&trace, REDIS_REPLY_STATUS, "OK"));
	assert_false(got(&trace, REDIS_REPLY_STATUS, "QUEUED"));
	assert_true(got(&trace, REDIS_REPLY_ARRAY, ""));
	assert_false(qp_redis_trace_is_left(&trace));
	assert_true(qp_redis_trace_is_pending(&trace));
	assert_false(got(&trace, REDIS_REPLY_NIL, ""));
	assert_false(qp_redis_trace_is_pending(&trace));
	/* The next one is open until its own end. */
	sent(&trace, "MULTI");
	sent(&trace, "EXEC");
	sent(&trace, "WATCH k");
	for (unsigned i = 0; i < 3; i++)
		(void)got(&trace, REDIS_REPLY_STATUS, "OK");
	assert_true(qp_redis_trace_is_left(&trace));
}

/* What comes unasked is no answer; what was asked for before is. */
static void
test_listening(void **state)
{
	qp_redis_trace trace = {0};

	(void)state;
	sent(&trace, "GET k");
	sent(&trace, "SUBSCRIBE a b");
	assert_true(qp_redis_trace_is_listening(&trace));
	assert_true(qp_redis_trace_is_pending(&trace));
	(void)got(&trace, REDIS_REPLY_NIL, "");
	assert_false(qp_redis_trace_hears(&trace));
	assert_true(qp_redis_trace_is_pending(&trace));
	(void)got(&trace, REDIS_REPLY_ARRAY, "");
	assert_true(qp_redis_trace_hears(&trace));
	for (unsigned i = 0; i < 5; i++)
		assert_false(got(&trace, i == 3 ? REDIS_REPLY_ERROR : REDIS_REPLY_ARRAY, "ERR"));
	assert_false(qp_redis_trace_is_pending(&trace));
	assert_true(qp_redis_trace_is_listening(&trace));
	assert_string_equal(qp_redis_trace_words(&trace), "SUBSCRIBE or MONITOR");
	sent(&trace, "UNSUBSCRIBE a");
	assert_false(qp_redis_trace_is_pending(&trace));
	assert_int_equal(trace.read, 2);
}

/* Refused, it leaves a session that goes on as before. */
static void
test_not_listening(void **state)
{
	qp_redis_trace trace = {0};

	(void)state;
	sent(&trace, "SUBSCRIBE a");
	(void)got(&trace, REDIS_REPLY_ERROR, "NOPERM");
	assert_false(qp_redis_trace_is_listening(&trace));
	assert_false(qp_redis_trace_is_left(&trace));
	sent(&trace, "GET k");
	assert_true(qp_redis_trace_is_pending(&trace));
	(void)got(&trace, REDIS_REPLY_NIL, "");
	assert_false(qp_redis_trace_is_pending(&trace));
	/* Of two, the second may have been heard. */
	sent(&trace, "SUBSCRIBE a");
	sent(&trace, "SUBSCRIBE b");
	(void)got(&trace, REDIS_REPLY_ERROR, "NOPERM");
	assert_true(qp_redis_trace_is_listening(&trace));
}

/* A command is anybody's bytes; none of them is read past the end. */
static void
test_bytes(void **state)
{
	static const char command[] = "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n";

	(void)state;
	for (size_t length = 0; length < sizeof command; length++) {
		char *copy = malloc(length + 1);
		qp_redis_trace trace = {0};

		memcpy(copy, command, length);
		qp_redis_trace_send(&trace, copy, length);
		assert_int_equal(trace.sent, 1);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_beyond),
	    cmocka_unit_test(test_mute),
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_pipeline),
	    cmocka_unit_test(test_listening),
	    cmocka_unit_test(test_not_listening),
	    cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
