/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_open: how a session comes to be on a real server: addresses, credentials, database, name; what
 * a refusal is, and that nothing is left of it.
 */
#include "redis_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pg_keep.h"

static redis_server *server; /* wants the password "open sesame"; user app, password "hush:@/" */

static int
start(void **state)
{
	(void)state;
	server = redis_server_start(NULL);
	redis_do(server, "ACL SETUSER default on resetpass %s ~* &* +@all", ">open sesame");
	redis_do(server, "ACL SETUSER app on >hush:@/ ~app:* +@all -client");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	redis_server_end(server);
	return 0;
}

static const char *
url(const char *login, const char *rest)
{
	static char text[256];

	(void)snprintf(
	    text, sizeof text, "redis://%s127.0.0.1:%d%s", login, redis_server_port(server), rest);
	return text;
}

static void
opens(const char *address, const char *user, const char *db, const char *name)
{
	qpool *pool = kit_pool(address, NULL, 1);
	qpool_lease lease;
	char found[64];

	kit_take(pool, &lease);
	kit_text(&lease, user, "ACL WHOAMI");
	if (db != NULL) {
		kit_client_info(&lease, "db", found, sizeof found);
		assert_string_equal(found, db);
		kit_client_info(&lease, "name", found, sizeof found);
		assert_string_equal(found, name);
	}
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_pool_end(pool);
}

static void
test_opens(void **state)
{
	char unix_url[256];

	(void)state;
	opens(url(":open%20sesame@", ""), "default", "0", "");
	opens(url(":open%20sesame@", "/3?client_name=web"), "default", "3", "web");
	opens(url("default:open%20sesame@", "/?pool_name=a+b"), "default", "0", "a-b");
	opens(url("app:hush%3A%40%2F@", ""), "app", NULL, NULL);
	opens(url("admin:@", "/5"), "admin", "5", "");
	(void)snprintf(unix_url, sizeof unix_url, "unix://:open%%20sesame@%s?db=9&client_name=u",
	    redis_server_socket(server));
	opens(unix_url, "default", "9", "u");
	(void)snprintf(unix_url, sizeof unix_url, "redis://:open%%20sesame@localhost:%d",
	    redis_server_port(server));
	opens(unix_url, "default", "0", "");
}

static qpool_error
refused(const char *address, qpool_err code)
{
	unsigned before = kit_descriptors();
	void *session;
	kit k;

	kit_begin(&k, address, NULL);
	assert_int_equal(kit_open(&k, QPOOL_SEC(5), &session), code);
	assert_null(session);
	assert_int_equal(k.error.code, code);
	kit_end(&k);
	assert_int_equal(kit_descriptors(), before);
	return k.error;
}

static void
test_credentials(void **state)
{
	qpool_error error;

	(void)state;
	error = refused(url(":wrong-secret@", ""), QPOOL_EDENIED);
	kit_says(&error, "AUTH: WRONGPASS");
	kit_says(&error, "check user and password");
	kit_hides(&error, "wrong-secret");
	assert_string_equal(error.native, "WRONGPA");
	error = refused(url("nobody:wrong-secret@", ""), QPOOL_EDENIED);
	kit_hides(&error, "wrong-secret");
	error = refused(url("", ""), QPOOL_EDENIED);
	kit_says(&error, "NOAUTH Authentication required; give a password");
	error = refused(url(":open%20sesame@", "/99"), QPOOL_EDENIED);
	kit_says(&error, "SELECT: ERR DB index is out of range");
	kit_hides(&error, "sesame");
	redis_do(server, "ACL SETUSER mute on nopass ~* +get");
	error = refused(url("mute:@", ""), QPOOL_EDENIED);
	kit_says(&error, "PING: NOPERM");
	kit_says(&error, "+ping");
	error = refused(url("app:hush%3A%40%2F@", "/0?client_name=x"), QPOOL_EDENIED);
	kit_says(&error, "CLIENT SETNAME: NOPERM");
	kit_hides(&error, "hush");
}

/* A password for a server that wants none. */
static void
test_needless_password(void **state)
{
	redis_server *open = redis_server_start(NULL);
	char address[128];
	qpool_error error;

	(void)state;
	(void)snprintf(
	    address, sizeof address, "redis://:some-secret@127.0.0.1:%d", redis_server_port(open));
	error = refused(address, QPOOL_EDENIED);
	kit_says(&error, "AUTH: ERR AUTH <password> called without any password configured");
	kit_hides(&error, "some-secret");
	redis_server_end(open);
}

static void
test_nobody_there(void **state)
{
	int port, reserve = pg_keep_port(&port);
	char address[128];
	qpool_error error;

	(void)state;
	(void)snprintf(address, sizeof address, "redis://:a-secret@127.0.0.1:%d", port);
	error = refused(address, QPOOL_EOPEN);
	kit_says(&error, "Connection refused");
	kit_hides(&error, "a-secret");
	assert_int_equal(error.sys_errno, ECONNREFUSED);
	(void)close(reserve);
	error = refused("unix:/no/such/socket", QPOOL_EOPEN);
	kit_says(&error, "No such file or directory");
	memset(address, 'a', sizeof address - 1);
	memcpy(address, "unix:/", 6);
	address[sizeof address - 1] = '\0';
	error = refused(address, QPOOL_EDENIED);
	kit_says(&error, "at most 107");
	error = refused("redis://no-such-host.invalid", QPOOL_EOPEN);
	kit_says(&error, "no address");
}

static void
test_full(void **state)
{
	redis_server *small = redis_server_start("maxclients 3\n");
	void *sessions[3] = {NULL};
	qpool_err err = QPOOL_OK;
	unsigned count = 0;
	kit k;

	(void)state;
	kit_begin(&k, redis_server_url(small), NULL);
	while (count < 3 && (err = kit_open(&k, QPOOL_SEC(5), &sessions[count])) == QPOOL_OK)
		count++;
	assert_int_equal(count, 2); /* and the test's own */
	assert_int_equal(err, QPOOL_EFULL);
	kit_says(&k.error, "max number of clients");
	while (count > 0)
		kit_close(&k, sessions[--count]);
	kit_end(&k);
	redis_server_end(small);
}

/* A server that loads, or listens and does not accept, costs the budget and no more. */
static void
test_budget(void **state)
{
	int port, listener = pg_keep_port(&port);
	char address[64];
	int64_t start;
	void *session;
	kit k;

	(void)state;
	assert_int_equal(listen(listener, 8), 0);
	(void)snprintf(address, sizeof address, "redis://127.0.0.1:%d", port);
	kit_begin(&k, address, NULL);
	start = kit_now();
	assert_int_equal(kit_open(&k, QPOOL_MSEC(100), &session), QPOOL_EOPEN);
	assert_in_range(kit_now() - start, QPOOL_MSEC(100), QPOOL_SEC(2));
	kit_says(&k.error, "not answered in time");
	kit_end(&k);
	(void)close(listener);
}

static bool
show(void *user, const qpool_entry *entry)
{
	(void)snprintf(user, 200, "%s", entry->describe);
	return true;
}

static void
test_described(void **state)
{
	qpool *pool = kit_pool(url(":open%20sesame@", "/2"), NULL, 1);
	char expected[64], found[200] = "";
	qpool_lease lease;

	(void)state;
	kit_take(pool, &lease);
	(void)qpool_each(pool, show, found);
	(void)snprintf(
	    expected, sizeof expected, "redis 127.0.0.1:%d/2", redis_server_port(server));
	assert_string_equal(found, expected);
	assert_string_equal(qpool_kind(pool), "redis");
	/* Closed on exec. */
	assert_true((fcntl(qpool_redis_unguarded_context(&lease)->fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_pool_end(pool);
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof value;

	assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

/* A server that is gone without a word is noticed. */
static void
test_socket(void **state)
{
	qpool *pool = kit_pool(url(":open%20sesame@", ""), NULL, 1);
	qpool_lease lease;
	int fd;

	(void)state;
	kit_take(pool, &lease);
	fd = qpool_redis_unguarded_context(&lease)->fd;
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 15000);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_pool_end(pool);
}

/* A program that has closed its standard input: hiredis 0.14 would not close descriptor 0. */
static void
test_descriptor_0(void **state)
{
	int aside = fcntl(0, F_DUPFD_CLOEXEC, 3);
	qpool *pool = kit_pool(url(":open%20sesame@", ""), NULL, 1);
	qpool_lease lease;

	(void)state;
	(void)close(0);
	kit_take(pool, &lease);
	assert_int_not_equal(qpool_redis_unguarded_context(&lease)->fd, 0);
	assert_int_equal(fcntl(0, F_GETFD), -1);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	kit_pool_end(pool);
	if (aside >= 0) {
		(void)dup2(aside, 0);
		(void)close(aside);
	}
}

static void
test_arguments(void **state)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();
	qpool_error error;
	qpool_lease empty = QPOOL_LEASE_INIT;
	qpool *pool;
	void *user;

	(void)state;
	assert_int_equal(
	    qpool_redis_ops("redis://h", NULL, NULL, &ops, &user, &error), QPOOL_EINVAL);
	assert_int_equal(
	    qpool_redis_ops("redis://h", NULL, &options, NULL, &user, &error), QPOOL_EINVAL);
	assert_int_equal(
	    qpool_redis_ops("redis://h", NULL, &options, &ops, NULL, &error), QPOOL_EINVAL);
	ops.size = 8;
	assert_int_equal(
	    qpool_redis_ops("redis://h", NULL, &options, &ops, &user, &error), QPOOL_EINVAL);
	options.size = 4;
	assert_int_equal(
	    qpool_redis_create(&pool, "redis://h", NULL, &options, &error), QPOOL_EINVAL);
	options = qpool_options_init();
	options.max_size = 1u << 20;
	assert_int_equal(
	    qpool_redis_create(&pool, "redis://h", NULL, &options, &error), QPOOL_EINVAL);
	assert_null(qpool_redis_unguarded_context(&empty));
	assert_null(qpool_redis_detach(&empty));
	assert_false(qpool_redis_note(&empty, NULL));
	assert_int_equal(qpool_redis_within(&empty, QPOOL_SEC(1)), QPOOL_EMISUSE);
	assert_int_equal(qpool_redis_command(&empty, NULL, &error, "PING"), QPOOL_EMISUSE);
	assert_int_equal(qpool_redis_append(NULL, &error, "PING"), QPOOL_EMISUSE);
	assert_int_equal(qpool_redis_reply(&empty, NULL, &error), QPOOL_EMISUSE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_opens),
	    cmocka_unit_test(test_credentials),
	    cmocka_unit_test(test_needless_password),
	    cmocka_unit_test(test_nobody_there),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_budget),
	    cmocka_unit_test(test_described),
	    cmocka_unit_test(test_socket),
	    cmocka_unit_test(test_descriptor_0),
	    cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, start, end);
}
