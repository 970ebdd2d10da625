/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_wrong: a peer that answers wrongly, late, in pieces or repeats what it was sent, and one that
 * cuts off, or falls silent, at every byte of every dialogue: open, check, reset and a command.  Never a
 * hang, never a password in a message, never a descriptor left.
 */
#include "redis_kit.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "redis_fake.h"

#define SECRET  "hush-hush"
#define WELCOME "+OK\r\n+OK\r\n+OK\r\n+PONG\r\n" /* AUTH, SELECT, CLIENT SETNAME, PING */
#define AGAIN   "+RESET\r\n+OK\r\n+OK\r\n+OK\r\n"
#define HELD    QPOOL_SEC(2) /* what no silent peer may take */

static redis_fake *fake;
static kit k;

static int
begin(void **state)
{
	char url[160];

	(void)state;
	fake = redis_fake_start();
	(void)snprintf(url, sizeof url, "redis://app:" SECRET "@127.0.0.1:%d/3?client_name=web",
	    redis_fake_port(fake));
	kit_begin(&k, url, NULL);
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	kit_end(&k);
	redis_fake_end(fake);
	return 0;
}

/* The message of the last failure, whatever it is. */
static void
fits(qpool_err err)
{
	assert_int_equal(k.error.code, err);
	assert_true(k.error.message[0] != '\0');
	kit_hides(&k.error, "hush");
	kit_says(&k.error, "redis 127.0.0.1:");
}

static void
open_fails(const fake_turn *turns, qpool_nsec budget)
{
	unsigned before;
	int64_t start = kit_now();
	void *session;

	redis_fake_tell(fake, turns);
	before = kit_descriptors();
	assert_int_equal(kit_open(&k, budget, &session), QPOOL_EOPEN);
	assert_true(kit_now() - start < HELD);
	assert_null(session);
	fits(QPOOL_EOPEN);
	/* The fake's own may still be open, or not. */
	assert_in_range(kit_descriptors(), before - 1, before + 1);
}

static void *
opened(const fake_turn *turns)
{
	void *session;

	redis_fake_tell(fake, turns);
	if (kit_open(&k, QPOOL_SEC(5), &session) != QPOOL_OK)
		fail_msg("%s", k.error.message);
	return session;
}

/* ---- at every byte ---- */

static void
test_open(void **state)
{
	(void)state;
	for (size_t length = 0; length < strlen(WELCOME); length++) {
		fake_turn turns[] = {
		    {4, length == 0 ? NULL : WELCOME, length, FAKE_HANGS_UP, 0}, {0}};

		open_fails(turns, QPOOL_SEC(5));
		turns[0].then = FAKE_IS_SILENT;
		open_fails(turns, QPOOL_MSEC(20));
	}
	/* It hears the first words only. */
	for (unsigned commands = 1; commands < 4; commands++)
		open_fails((fake_turn[]){{commands, NULL, 0, FAKE_HANGS_UP, 0}, {0}}, QPOOL_SEC(5));
}

static void
test_check(void **state)
{
	static const char pong[] = "+PONG\r\n";

	(void)state;
	for (size_t length = 0; length < strlen(pong); length++) {
		fake_turn turns[] = {{4, WELCOME, 0, FAKE_GOES_ON, 0},
		    {1, length == 0 ? NULL : pong, length, FAKE_HANGS_UP, 0}, {0}};
		void *session = opened(turns);

		assert_int_equal(kit_check(&k, session, QPOOL_SEC(5)), QPOOL_ECHECK);
		fits(QPOOL_ECHECK);
		kit_close(&k, session);
		turns[1].then = FAKE_IS_SILENT;
		session = opened(turns);
		assert_int_equal(kit_check(&k, session, QPOOL_MSEC(20)), QPOOL_EAGAIN);
		fits(QPOOL_EAGAIN);
		/* Still owed: peek does not know, and no second PING goes out, so none is answered. */
		assert_int_equal(k.ops.peek(k.user, session, &k.error), QPOOL_EAGAIN);
		assert_int_equal(kit_check(&k, session, QPOOL_MSEC(5)), QPOOL_EAGAIN);
		kit_close(&k, session);
	}
}

/* The lease of a pool of the fake, which has done something that RESET undoes. */
static void
dirty(qpool *pool, qpool_lease *lease)
{
	kit_take(pool, lease);
	kit_text(lease, "OK", "MULTI");
}

static void
test_reset(void **state)
{
	(void)state;
	for (size_t length = 0; length < strlen(AGAIN); length++)
		for (int then = FAKE_HANGS_UP; then <= FAKE_IS_SILENT; then++) {
			fake_turn turns[] = {{4, WELCOME, 0, FAKE_GOES_ON, 0},
			    {1, "+OK\r\n", 0, FAKE_GOES_ON, 0},
			    {4, length == 0 ? NULL : AGAIN, length, (fake_then)then, 0}, {0}};
			qpool_options options = qpool_options_init();
			int64_t start = kit_now();
			qpool_lease lease;
			qpool *pool;
			char url[160];

			redis_fake_tell(fake, turns);
			(void)snprintf(url, sizeof url,
			    "redis://app:" SECRET "@127.0.0.1:%d/3?client_name=web",
			    redis_fake_port(fake));
			options.step_budget = QPOOL_MSEC(20);
			assert_int_equal(
			    qpool_redis_create(&pool, url, NULL, &options, &k.error), QPOOL_OK);
			dirty(pool, &lease);
			assert_int_equal(qpool_release(&lease), QPOOL_OK);
			assert_int_equal(kit_closes(pool, QPOOL_WHY_RESET), 1);
			assert_true(kit_now() - start < HELD);
			qpool_free(pool);
		}
}

/* Redis before 6.2 has no RESET, and after MULTI it takes the login for a part of the transaction. */
static void
test_no_reset(void **state)
{
	static const char *const answers[] = {
	    "-ERR unknown command `RESET`, with args beginning with: \r\n+OK\r\n+OK\r\n+OK\r\n",
	    "-ERR unknown command 'RESET'\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n",
	    "+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n",
	    "-ERR can only reset normal client connections\r\n+OK\r\n+OK\r\n+OK\r\n",
	    "+RESET\r\n-WRONGPASS invalid\r\n-NOAUTH Authentication required.\r\n-NOAUTH\r\n",
	    "+RESET\r\n+OK\r\n-ERR DB index is out of range\r\n+OK\r\n",
	    "+RESET\r\n+OK\r\n+OK\r\n-NOPERM\r\n",
	    "+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
	};
	char url[160];

	(void)state;
	(void)snprintf(url, sizeof url, "redis://app:" SECRET "@127.0.0.1:%d/3?client_name=web",
	    redis_fake_port(fake));
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		qpool_lease lease;
		qpool *pool;

		redis_fake_tell(fake,
		    (fake_turn[]){{4, WELCOME, 0, FAKE_GOES_ON, 0},
			{1, "+OK\r\n", 0, FAKE_GOES_ON, 0}, {4, answers[i], 0, FAKE_GOES_ON, 0},
			{1, "+hi\r\n", 0, FAKE_GOES_ON, 0}, {0}});
		pool = kit_pool(url, NULL, 1);
		dirty(pool, &lease);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		if (kit_closes(pool, QPOOL_WHY_RESET) != 1)
			fail_msg("answer %zu was taken for a reset", i);
		kit_pool_end(pool);
	}
}

/* A reply that comes after the lease is not the next holder's, whatever is sent at the return. */
static void
test_late_reply(void **state)
{
	static const char *const resets[] = {"none", "seen", "auto", "always"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		qpool_options options = qpool_options_init();
		redisContext *context;
		qpool_lease lease;
		char url[160];
		qpool *pool;
		int done = 0;

		redis_fake_tell(fake,
		    (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
			{1, "+late\r\n+RESET\r\n$7\r\nqpool-1\r\n", 0, FAKE_GOES_ON, 15}, {0}});
		(void)snprintf(url, sizeof url, "%s?reset=%s", redis_fake_url(fake), resets[i]);
		options.step_budget = QPOOL_SEC(2);
		assert_int_equal(
		    qpool_redis_create(&pool, url, NULL, &options, &k.error), QPOOL_OK);
		kit_take(pool, &lease);
		context = qpool_redis_unguarded_context(&lease);
		assert_int_equal(redisAppendCommand(context, "GET k"), REDIS_OK);
		while (!done)
			assert_int_equal(redisBufferWrite(context, &done), REDIS_OK);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		(void)poll(NULL, 0, 30); /* its first byte has come */
		redis_fake_tell(fake, (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
					  {1, "+fresh\r\n", 0, FAKE_GOES_ON, 0},
					  {1, "+RESET\r\n", 0, FAKE_GOES_ON, 0}, {0}});
		kit_take(pool, &lease);
		kit_text(&lease, "fresh", "GET k");
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		assert_int_equal(
		    kit_closes(pool, QPOOL_WHY_RESET) + kit_closes(pool, QPOOL_WHY_CHECK), 1);
		kit_pool_end(pool);
	}
}

/* HELLO is from 6.0 on; who cannot answer it, or does not say that it is a primary, is not trusted. */
static void
test_role(void **state)
{
	static const struct {
		const char *answer;
		bool is_good;
	} roles[] = {
	    {"-ERR unknown command `HELLO`\r\n", false},
	    {"-NOPERM this user has no permissions\r\n", false},
	    {"*2\r\n$4\r\nrole\r\n$7\r\nreplica\r\n", false},
	    {"*2\r\n$4\r\nrole\r\n$6\r\nmaster\r\n", true},
	    {"*4\r\n:1\r\n:2\r\n$4\r\nrole\r\n$6\r\nmaster\r\n", true},
	    {"*3\r\n$6\r\nmaster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n", false},
	    {"*1\r\n$4\r\nrole\r\n", false},
	    {"*2\r\n$4\r\nrole\r\n:1\r\n", false},
	    {"*0\r\n", false},
	    {"+OK\r\n", false},
	    {"$-1\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		const fake_turn asked[] = {{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
		    {1, roles[i].answer, 0, FAKE_GOES_ON, 0}, {1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
		    {0}};
		const fake_turn refusing[] = {{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
		    {1, "-READONLY You can't write\r\n", 0, FAKE_GOES_ON, 0}, {0}};
		qpool_lease first, second;
		qpool *pool;

		redis_fake_tell(fake, asked);
		pool = kit_pool(redis_fake_url(fake), NULL, 2);
		kit_take(pool, &first);
		redis_fake_tell(fake, refusing);
		kit_take(pool, &second);
		assert_int_equal(qpool_release(&first), QPOOL_OK);
		assert_int_equal(
		    qpool_redis_command(&second, NULL, &k.error, "SET k v"), QPOOL_EPEER);
		kit_take(pool, &first);
		if ((kit_closes(pool, QPOOL_WHY_CHECK) == 0) != roles[i].is_good)
			fail_msg("role %zu", i);
		assert_int_equal(qpool_release(&first), QPOOL_OK);
		/* Once is enough: the next time it is asked by PING. */
		qpool_suspect(pool);
		kit_take(pool, &first);
		if (roles[i].is_good)
			assert_int_equal(kit_closes(pool, QPOOL_WHY_CHECK), 0);
		assert_int_equal(qpool_release(&first), QPOOL_OK);
		assert_int_equal(qpool_release(&second), QPOOL_OK);
		kit_pool_end(pool);
	}
}

static void
test_command(void **state)
{
	static const char answer[] = "*2\r\n$5\r\nhello\r\n:12\r\n";

	(void)state;
	for (size_t length = 0; length < strlen(answer); length++)
		for (int then = FAKE_HANGS_UP; then <= FAKE_IS_SILENT; then++) {
			fake_turn turns[] = {{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
			    {1, length == 0 ? NULL : answer, length, (fake_then)then, 0}, {0}};
			qpool_redis_options options = qpool_redis_options_init();
			redisReply *reply = NULL;
			qpool_lease lease;
			qpool *pool;

			options.call_timeout = QPOOL_MSEC(20);
			redis_fake_tell(fake, turns);
			pool = kit_pool(redis_fake_url(fake), &options, 1);
			kit_take(pool, &lease);
			assert_int_equal(
			    qpool_redis_command(&lease, &reply, &k.error, "GET k"), QPOOL_EUNKNOWN);
			assert_null(reply);
			kit_says(&k.error, "may or may not have taken effect");
			assert_int_equal(qpool_release(&lease), QPOOL_OK);
			assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 1);
			kit_pool_end(pool);
		}
}

/* ---- wrongly ---- */

static void
test_nonsense(void **state)
{
	static const char *const answers[] = {"HTTP/1.1 400 Bad Request\r\n\r\n",
	    "220 mail.example ESMTP\r\n", "\r\n\r\n", "+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
	    "+PONG\r\n+OK\r\n+OK\r\n+OK\r\n", ":1\r\n:1\r\n:1\r\n:1\r\n",
	    "$-1\r\n$-1\r\n$-1\r\n$-1\r\n", "*0\r\n*0\r\n*0\r\n*0\r\n", "$2\r\nOKxx$2\r\nOK\r\n",
	    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
	    "$99999999999999999999\r\n", "*-7\r\n", "+OK\r\n+OK\r\n+OK\r\n+PONG\r\n+PONG\r\n",
	    "\x16\x03\x01\x02", "-\r\n-\r\n-\r\n-\r\n", "%1\r\n+a\r\n+b\r\n",
	    "-LOADING Redis is loading the dataset in memory\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		void *session;
		qpool_err err;

		redis_fake_tell(fake, (fake_turn[]){{4, answers[i], 0, FAKE_HANGS_UP, 0}, {0}});
		err = kit_open(&k, QPOOL_SEC(5), &session);
		/* An error without a word is still a refusal of AUTH. */
		if (err !=
		    (answers[i][0] == '-' && answers[i][1] == '\r' ? QPOOL_EDENIED : QPOOL_EOPEN))
			fail_msg("answer %zu: %s", i, qpool_err_name(err));
		fits(err);
		if (i < 3)
			kit_says(&k.error, "is this a Redis server?");
	}
}

/* A server without AUTH repeats its arguments; others might repeat anything. */
static void
test_repeats(void **state)
{
	static const char *const answers[] = {
	    "-ERR unknown command 'AUTH', with args beginning with: 'app' '" SECRET "' \r\n",
	    "-ERR unknown command `AUTH`, with args beginning with: `app`, `" SECRET "`, \r\n",
	    "-ERR who is " SECRET "? " SECRET "!\r\n",
	    "-" SECRET " is wrong\r\n",
	    "-" SECRET "\r\n",
	};
	static char longer[120][700];
	void *session;

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		redis_fake_tell(fake, (fake_turn[]){{4, answers[i], 0, FAKE_HANGS_UP, 0}, {0}});
		assert_int_equal(kit_open(&k, QPOOL_SEC(5), &session), QPOOL_EDENIED);
		fits(QPOOL_EDENIED);
	}
	/* Cut anywhere, by the message's room or by the reader's, no half of it is left. */
	for (int i = 0; i < 120; i++) {
		(void)snprintf(longer[i], sizeof longer[i], "-%0*d" SECRET SECRET SECRET "\r\n",
		    i < 60 ? 110 + i : 420 + i, 0);
		redis_fake_tell(fake, (fake_turn[]){{4, longer[i], 0, FAKE_HANGS_UP, 0}, {0}});
		assert_int_equal(kit_open(&k, QPOOL_SEC(5), &session), QPOOL_EDENIED);
		fits(QPOOL_EDENIED);
	}
}

/* Stars take less room than a long password: half of the last one must not come into sight. */
static void
test_long_secret(void **state)
{
	char url[200], secret[96], answer[1024] = "-";
	void *session;
	kit l;

	(void)state;
	for (size_t i = 0; i < sizeof secret - 1; i++)
		secret[i] = (char)('A' + i % 23);
	secret[sizeof secret - 1] = '\0';
	for (unsigned i = 0; i < 8; i++)
		memcpy(answer + 1 + i * (sizeof secret - 1), secret, sizeof secret - 1);
	memcpy(answer + 1 + 8 * (sizeof secret - 1), "\r\n", 3);
	(void)snprintf(url, sizeof url, "redis://:%s@127.0.0.1:%d", secret, redis_fake_port(fake));
	redis_fake_tell(fake, (fake_turn[]){{2, answer, 0, FAKE_HANGS_UP, 0}, {0}});
	kit_begin(&l, url, NULL);
	assert_int_equal(kit_open(&l, QPOOL_SEC(5), &session), QPOOL_EDENIED);
	kit_says(&l.error, "****");
	kit_hides(&l.error, "ABC");
	kit_end(&l);
}

/* An EXEC's answer is an array, in which one command may have been refused; before 7.0 a script's write is in
 * the script's own words. */
static void
test_refused_within(void **state)
{
	static const struct {
		const char *answer;
		qpool_err err;
		unsigned spoiled;
	} answers[] = {
	    {"*2\r\n:1\r\n-READONLY no\r\n", QPOOL_OK, 1},
	    {"-ERR Error running script: @user_script:1: -READONLY You can't write\r\n",
		QPOOL_EPEER, 1},
	    {"*2\r\n:1\r\n-ERR no\r\n", QPOOL_OK, 0},
	    {"-ERR READONLY is a word\r\n", QPOOL_EPEER, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		qpool_lease lease;
		qpool *pool;

		redis_fake_tell(fake, (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
					  {1, "+OK\r\n", 0, FAKE_GOES_ON, 0},
					  {1, answers[i].answer, 0, FAKE_GOES_ON, 0}, {0}});
		pool = kit_pool(redis_fake_url(fake), NULL, 1);
		kit_take(pool, &lease);
		kit_text(&lease, "OK", "PING");
		assert_int_equal(
		    qpool_redis_command(&lease, NULL, &k.error, "EXEC"), answers[i].err);
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), answers[i].spoiled);
		kit_pool_end(pool);
	}
}

/* No room: it says so before it reads, and hangs up. */
static void
test_full_at_once(void **state)
{
	void *session;

	(void)state;
	redis_fake_tell(fake,
	    (fake_turn[]){{0, "-ERR max number of clients reached\r\n", 0, FAKE_HANGS_UP, 0}, {0}});
	for (unsigned i = 0; i < 20; i++) {
		qpool_err err = kit_open(&k, QPOOL_SEC(5), &session);
		/* A reset of the connection may overtake the words. */
		if (err != QPOOL_EFULL)
			assert_int_equal(err, QPOOL_EOPEN);
		fits(err);
	}
}

/* ---- late ---- */

/* Each byte is in time, all of them are not. */
static void
test_drips(void **state)
{
	qpool_redis_options options = qpool_redis_options_init();
	qpool_lease lease;
	int64_t start;
	qpool *pool;

	(void)state;
	open_fails((fake_turn[]){{4, WELCOME, 0, FAKE_IS_SILENT, 20}, {0}}, QPOOL_MSEC(100));
	redis_fake_tell(
	    fake, (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
		      {1, "$400\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0,
			  FAKE_IS_SILENT, 20},
		      {0}});
	options.call_timeout = QPOOL_MSEC(100);
	pool = kit_pool(redis_fake_url(fake), &options, 1);
	kit_take(pool, &lease);
	start = kit_now();
	assert_int_equal(qpool_redis_command(&lease, NULL, &k.error, "GET k"), QPOOL_EUNKNOWN);
	assert_in_range(kit_now() - start, QPOOL_MSEC(100), QPOOL_MSEC(700));
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_pool_end(pool);
}

/* One that reads nothing until its answer is read: a pipeline goes both ways at once. */
static void
test_both_full(void **state)
{
	enum { LENGTH = 16 << 20 };
	char *answer = malloc(LENGTH + 32), *value = calloc(1, LENGTH);
	int head = snprintf(answer, 32, "$%d\r\n", LENGTH);
	qpool_lease lease;
	qpool *pool;

	(void)state;
	memset(answer + head, 'x', LENGTH);
	memcpy(answer + head + LENGTH, "\r\n", 3);
	redis_fake_tell(
	    fake, (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
		      {1, answer, 0, FAKE_GOES_ON, 0}, {1, "+OK\r\n", 0, FAKE_GOES_ON, 0}, {0}});
	pool = kit_pool(redis_fake_url(fake), NULL, 1);
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_within(&lease, QPOOL_SEC(20)), QPOOL_OK);
	assert_int_equal(qpool_redis_append(&lease, &k.error, "GET k"), QPOOL_OK);
	assert_int_equal(
	    qpool_redis_append(&lease, &k.error, "SET k %b", value, (size_t)LENGTH), QPOOL_OK);
	assert_int_equal(qpool_redis_reply(&lease, NULL, &k.error), QPOOL_OK);
	assert_int_equal(qpool_redis_reply(&lease, NULL, &k.error), QPOOL_OK);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_pool_end(pool);
	free(answer);
	free(value);
}

/* A late PONG is the answer to the PING before, and no reason to close. */
static void
test_late_pong(void **state)
{
	fake_turn turns[] = {
	    {4, WELCOME, 0, FAKE_GOES_ON, 0}, {1, "+PONG\r\n", 0, FAKE_GOES_ON, 30}, {0}};
	void *session = opened(turns);

	(void)state;
	assert_int_equal(kit_check(&k, session, QPOOL_MSEC(40)), QPOOL_EAGAIN);
	assert_int_equal(kit_check(&k, session, QPOOL_SEC(5)), QPOOL_OK);
	assert_int_equal(k.ops.peek(k.user, session, &k.error), QPOOL_OK);
	kit_close(&k, session);
}

/* A PONG with more behind it fails the check itself, as no peek comes after that. */
static void
test_more_than_pong(void **state)
{
	fake_turn turns[] = {
	    {4, WELCOME, 0, FAKE_GOES_ON, 0}, {1, "+PONG\r\n:1\r\n", 0, FAKE_GOES_ON, 0}, {0}};
	qpool_err err = QPOOL_OK;

	(void)state;
	/* In one piece, but for chance. */
	for (unsigned i = 0; i < 50 && err == QPOOL_OK; i++) {
		void *session = opened(turns);
		err = kit_check(&k, session, QPOOL_SEC(5));
		kit_close(&k, session);
	}
	assert_int_equal(err, QPOOL_ECHECK);
	kit_says(&k.error, "spoke without being asked");
}

static void
test_speaks(void **state)
{
	fake_turn turns[] = {
	    {4, WELCOME, 0, FAKE_GOES_ON, 0}, {1, "+PONG\r\n:1\r\n", 0, FAKE_GOES_ON, 0}, {0}};
	void *session = opened(turns);

	(void)state;
	assert_int_equal(k.ops.peek(k.user, session, &k.error), QPOOL_OK);
	/* Both may come at once: then the second is in the reader. */
	(void)kit_check(&k, session, QPOOL_SEC(5));
	while (k.ops.peek(k.user, session, &k.error) == QPOOL_OK)
		(void)poll(NULL, 0, 1);
	kit_says(&k.error, "spoke without being asked");
	assert_int_equal(kit_reset(&k, session, QPOOL_SEC(5)), QPOOL_ECHECK);
	kit_close(&k, session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_open),
	    TEST(test_check),
	    TEST(test_reset),
	    TEST(test_no_reset),
	    TEST(test_late_reply),
	    TEST(test_role),
	    TEST(test_command),
	    TEST(test_nonsense),
	    TEST(test_repeats),
	    TEST(test_long_secret),
	    TEST(test_refused_within),
	    TEST(test_full_at_once),
	    TEST(test_drips),
	    TEST(test_late_pong),
	    TEST(test_both_full),
	    TEST(test_more_than_pong),
	    TEST(test_speaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
