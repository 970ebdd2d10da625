/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_stuck: sockets as no server makes them at will: one that takes nothing though it says it would,
 * one that never ceases to speak, and one that is cut off while it says who it is.  The library finds
 * this program's send and recv.
 */
#include "redis_kit.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "redis_fake.h"

static atomic_int full = -1, endless = -1; /* descriptors */
static redis_fake *fake;
static qpool_error error;

/* Under libc's names, whose declarations are in the way. */
#define FOUND __attribute__((visibility("default")))
FOUND ssize_t our_send(int fd, const void *bytes, size_t length, int flags) __asm__("send");
FOUND ssize_t our_recv(int fd, void *bytes, size_t length, int flags) __asm__("recv");

ssize_t
our_send(int fd, const void *bytes, size_t length, int flags)
{
	if (fd == full) {
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

/* What is really there stays, so that poll has something to see. */
ssize_t
our_recv(int fd, void *bytes, size_t length, int flags)
{
	if (fd == endless && length > 1) {
		static atomic_uint count;
		memset(bytes, atomic_fetch_add(&count, 1) == 0 ? '+' : 'x', 1);
		return 1;
	}
	return syscall(SYS_recvfrom, fd, bytes, length, flags, NULL, NULL);
}

static void
set(atomic_int *which, qpool_lease *lease)
{
	atomic_store(which, qpool_redis_unguarded_context(lease)->fd);
}

/* Not a byte went out, so nothing is in doubt. */
static void
test_full(void **state)
{
	qpool *pool;
	qpool_lease lease;

	(void)state;
	redis_fake_tell(fake, (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0}, {0}});
	for (unsigned i = 0; i < 2; i++) {
		pool = kit_pool(redis_fake_url(fake), NULL, 1);
		kit_take(pool, &lease);
		set(&full, &lease);
		assert_int_equal(qpool_redis_within(&lease, QPOOL_MSEC(20)), QPOOL_OK);
		if (i == 0) {
			assert_int_equal(
			    qpool_redis_command(&lease, NULL, &error, "GET k"), QPOOL_ETIMEOUT);
		} else {
			assert_int_equal(qpool_redis_append(&lease, &error, "GET k"), QPOOL_OK);
			assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_ETIMEOUT);
		}
		kit_says(&error, "nothing was sent");
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
		assert_int_equal(kit_closes(pool, QPOOL_WHY_DISCARDED), 1);
		atomic_store(&full, -1);
		kit_pool_end(pool);
	}
}

/* Half a PING cannot be taken back, and what cannot be sent is no PING that is late. */
static void
test_check(void **state)
{
	redisContext *context;
	void *session;
	kit k;

	(void)state;
	redis_fake_tell(fake, (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0}, {0}});
	kit_begin(&k, redis_fake_url(fake), NULL);
	assert_int_equal(kit_open(&k, QPOOL_SEC(5), &session), QPOOL_OK);
	context = *(redisContext **)session; /* a session's first member */
	atomic_store(&full, context->fd);
	assert_int_equal(kit_check(&k, session, QPOOL_MSEC(20)), QPOOL_ECHECK);
	atomic_store(&full, -1);
	kit_close(&k, session);
	kit_end(&k);
}

/* Each piece comes at once, and none is the last. */
static void
test_endless(void **state)
{
	qpool_lease lease;
	int64_t begun;
	qpool *pool;

	(void)state;
	redis_fake_tell(fake, (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
				  {1, "+", 0, FAKE_GOES_ON, 0}, {1, "y", 0, FAKE_GOES_ON, 0}, {0}});
	pool = kit_pool(redis_fake_url(fake), NULL, 1);
	kit_take(pool, &lease);
	assert_int_equal(qpool_redis_within(&lease, QPOOL_MSEC(10)), QPOOL_OK);
	assert_int_equal(qpool_redis_append(&lease, &error, "GET k"), QPOOL_OK);
	assert_int_equal(qpool_redis_append(&lease, &error, "GET k"), QPOOL_OK);
	set(&endless, &lease);
	begun = kit_now();
	assert_int_equal(qpool_redis_reply(&lease, NULL, &error), QPOOL_EUNKNOWN);
	assert_in_range(kit_now() - begun, 0, QPOOL_SEC(5));
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	atomic_store(&endless, -1);
	kit_pool_end(pool);
}

static const char role[] = "*2\r\n$4\r\nrole\r\n$6\r\nmaster\r\n";

/* HELLO, cut off or silent at every byte: the session that is asked is closed, and in time. */
static void
role_is_cut(size_t length, fake_then then)
{
	qpool_options options = qpool_options_init();
	qpool_lease first, second;
	qpool *pool;

	options.step_budget = then == FAKE_GOES_ON ? QPOOL_SEC(5) : QPOOL_MSEC(20);
	redis_fake_tell(fake, (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
				  {1, length == 0 ? NULL : role, length, then, 0}, {0}});
	assert_int_equal(
	    qpool_redis_create(&pool, redis_fake_url(fake), NULL, &options, &error), QPOOL_OK);
	kit_take(pool, &first);
	redis_fake_tell(fake, (fake_turn[]){{1, "+PONG\r\n", 0, FAKE_GOES_ON, 0},
				  {1, "-READONLY no\r\n", 0, FAKE_GOES_ON, 0}, {0}});
	kit_take(pool, &second);
	assert_int_equal(qpool_release(&first), QPOOL_OK);
	assert_int_equal(qpool_redis_command(&second, NULL, &error, "SET k v"), QPOOL_EPEER);
	kit_take(pool, &first);
	assert_int_equal(kit_closes(pool, QPOOL_WHY_CHECK), length == strlen(role) ? 0 : 1);
	assert_int_equal(qpool_release(&first), QPOOL_OK);
	assert_int_equal(qpool_release(&second), QPOOL_OK);
	qpool_free(pool);
}

static void
test_role_cut(void **state)
{
	(void)state;
	for (size_t length = 0; length < strlen(role); length++)
		for (int then = FAKE_HANGS_UP; then <= FAKE_IS_SILENT; then++)
			role_is_cut(length, (fake_then)then);
	role_is_cut(strlen(role), FAKE_GOES_ON);
}

static int
start(void **state)
{
	(void)state;
	fake = redis_fake_start();
	return 0;
}

static int
end(void **state)
{
	(void)state;
	redis_fake_end(fake);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_check),
	    cmocka_unit_test(test_endless),
	    cmocka_unit_test(test_role_cut),
	};

	return cmocka_run_group_tests(tests, start, end);
}
