/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redis_source: URLs and options, by what the library's own source has read of them.  No server: the
 * archive has the rooms that the shared library hides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "adapters/redis/source.h"

static qpool_error error;
static qpool_options pool;

static qp_redis_source *
made(const char *url, const qpool_redis_options *options)
{
	qp_redis_source *source = NULL;

	pool = qpool_options_init();
	if (qp_redis_source_make(&source, url, options, &pool, &error) != QPOOL_OK)
		fail_msg("%s: %s", url, error.message);
	return source;
}

static void
text(const char *found, const char *expected)
{
	if (expected == NULL)
		assert_null(found);
	else
		assert_string_equal(found == NULL ? "(null)" : found, expected);
}

static void
test_places(void **state)
{
	static const struct {
		const char *url, *host, *port, *path, *user, *password, *shown;
		uint32_t db;
	} cases[] = {
	    {"redis://h", "h", "6379", NULL, NULL, NULL, "h:6379/0", 0},
	    {"REDIS://h:1/", "h", "1", NULL, NULL, NULL, "h:1/0", 0},
	    {"redis://h:65535/15", "h", "65535", NULL, NULL, NULL, "h:65535/15", 15},
	    {"redis://[::1]", "::1", "6379", NULL, NULL, NULL, "[::1]:6379/0", 0},
	    {"redis://[::1]:7/3", "::1", "7", NULL, NULL, NULL, "[::1]:7/3", 3},
	    {"redis://:p@h", "h", "6379", NULL, NULL, "p", "h:6379/0", 0},
	    {"redis://u:@h", "h", "6379", NULL, "u", "", "h:6379/0", 0},
	    {"redis://:@h", "h", "6379", NULL, NULL, NULL, "h:6379/0", 0},
	    {"redis://u:p:q@h", "h", "6379", NULL, "u", "p:q", "h:6379/0", 0},
	    {"redis://u:p@q@h", "h", "6379", NULL, "u", "p@q", "h:6379/0", 0},
	    {"redis://%75:%2F%3f%23%25@h/1", "h", "6379", NULL, "u", "/?#%", "h:6379/1", 1},
	    {"unix:/a/b", NULL, NULL, "/a/b", NULL, NULL, "unix:/a/b?db=0", 0},
	    {"unix:a", NULL, NULL, "a", NULL, NULL, "unix:a?db=0", 0},
	    {"unix:///a", NULL, NULL, "/a", NULL, NULL, "unix:/a?db=0", 0},
	    {"unix:/a%20b?db=4", NULL, NULL, "/a b", NULL, NULL, "unix:/a b?db=4", 4},
	    {"unix://u:p@/a", NULL, NULL, "/a", "u", "p", "unix:/a?db=0", 0},
	    {"redis://h?user=u&password=p%26q&db=2", "h", "6379", NULL, "u", "p&q", "h:6379/2", 2},
	    {"redis://h?&&db=1&", "h", "6379", NULL, NULL, NULL, "h:6379/1", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		qp_redis_source *s = made(cases[i].url, NULL);

		text(s->host, cases[i].host);
		text(s->port, cases[i].port);
		text(s->path, cases[i].path);
		text(s->user, cases[i].user);
		text(s->password, cases[i].password);
		text(s->shown, cases[i].shown);
		assert_int_equal(s->db, cases[i].db);
		qp_redis_source_free(s);
	}
}

static const struct {
	const char *url, *words;
	qpool_err code;
} mistakes[] = {
    {NULL, "url is NULL", QPOOL_EINVAL},
    {"", "url is empty", QPOOL_EINVAL},
    {"hush", "neither redis:// nor unix:", QPOOL_EINVAL},
    {"redis:hush", "neither redis:// nor unix:", QPOOL_EINVAL},
    {"http://u:hush@h", "neither redis:// nor unix:", QPOOL_EINVAL},
    {"rediss://u:hush@h", "TLS", QPOOL_ENOTSUP},
    {"redis://", "no host", QPOOL_EINVAL},
    {"redis://:hush@", "no host", QPOOL_EINVAL},
    {"redis://hush@h", "has no ':' before its '@'", QPOOL_EINVAL},
    {"redis://u:hush", "port", QPOOL_EINVAL},
    {"redis://h:0", "port", QPOOL_EINVAL},
    {"redis://h:65536", "port", QPOOL_EINVAL},
    {"redis://h:", "port", QPOOL_EINVAL},
    {"redis://h:1x", "port", QPOOL_EINVAL},
    {"redis://[::1", "no ']'", QPOOL_EINVAL},
    {"redis://[::1]x:1", "no host", QPOOL_EINVAL},
    {"redis://[]", "no host", QPOOL_EINVAL},
    {"redis://u:hu/sh@h", "'/' in a password is written %2F", QPOOL_EINVAL},
    {"redis://u:hu?sh@h", "%3F", QPOOL_EINVAL},
    {"redis://u:hu#sh@h", "%23", QPOOL_EINVAL},
    {"redis://u:hush%@h", "password has a '%'", QPOOL_EINVAL},
    {"redis://u:hush%0g@h", "password has a '%'", QPOOL_EINVAL},
    {"redis://u:hush%00@h", "password has a '%'", QPOOL_EINVAL},
    {"redis://h/hush", "no number", QPOOL_EINVAL},
    {"redis://h/-1", "no number", QPOOL_EINVAL},
    {"redis://h/1/2", "no number", QPOOL_EINVAL},
    {"redis://h/2147483648", "no number", QPOOL_EINVAL},
    {"redis://h/99999999999999999999", "no number", QPOOL_EINVAL},
    {"redis://h?db=", "no number", QPOOL_EINVAL},
    {"redis://h?db=1&hush=2", "word 2 of the URL's query is not known", QPOOL_EINVAL},
    {"redis://h?hush", "word 1 of the URL's query has no '='", QPOOL_EINVAL},
    {"redis://h?user=%zz", "word 1", QPOOL_EINVAL},
    {"redis://h?reset=hush", "auto, seen, always or none", QPOOL_EINVAL},
    {"redis://h?call_timeout=5", "no duration", QPOOL_EINVAL},
    {"redis://h?call_timeout=0", "no duration", QPOOL_EINVAL},
    {"redis://h?call_timeout=0s", "no duration above 0", QPOOL_EINVAL},
    {"redis://h/3?db=4", "two databases", QPOOL_EINVAL},
    {"redis://::1", "in brackets", QPOOL_EINVAL},
    {"redis://::1:6379/0", "in brackets", QPOOL_EINVAL},
    {"redis://h?call_timeout=-5s", "no duration", QPOOL_EINVAL},
    {"redis://h?role=hush", "primary or any", QPOOL_EINVAL},
    {"redis://h?user=u", "a user and no password", QPOOL_EINVAL},
    {"redis://h?client_name=a%20b", "client_name", QPOOL_EINVAL},
    {"redis://h?pool_max_size=hush", "max_size", QPOOL_EINVAL},
    {"redis://h?pool_maxsize=1", "maxsize", QPOOL_EINVAL},
    {"unix:", "no path", QPOOL_EINVAL},
    {"unix://u:hush@", "no path", QPOOL_EINVAL},
    {"unix://hush", "no path", QPOOL_EINVAL},
    {"unix:/a@b", "%40", QPOOL_EINVAL},
};

/* EINVAL, or the code, and no letter of what may be a password. */
static void
test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
		qp_redis_source *source = (void *)&error;
		qpool_options before;

		pool = qpool_options_init();
		pool.max_size = 7;
		before = pool;
		assert_int_equal(
		    qp_redis_source_make(&source, mistakes[i].url, NULL, &pool, &error),
		    mistakes[i].code);
		if (strstr(error.message, mistakes[i].words) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", mistakes[i].url, error.message,
			    mistakes[i].words);
		if (strstr(mistakes[i].url == NULL ? "" : mistakes[i].url, "pool_") == NULL &&
		    strstr(error.message, "hu") != NULL)
			fail_msg("%s: %s", mistakes[i].url, error.message);
		assert_memory_equal(&pool, &before, sizeof pool);
		assert_ptr_equal(source, (void *)&error);
		assert_int_equal(qp_redis_source_make(&source, mistakes[i].url, NULL, &pool, NULL),
		    mistakes[i].code);
	}
}

static void
test_words_win(void **state)
{
	qpool_redis_options options = qpool_redis_options_init();
	qp_redis_source *s;

	(void)state;
	options.db = 3;
	options.user = "u";
	options.password = "p";
	options.client_name = "n";
	options.call_timeout = QPOOL_SEC(1);
	options.reset = QPOOL_REDIS_RESET_SEEN;
	s = made("redis://h", &options);
	assert_int_equal(s->db, 3);
	text(s->user, "u");
	text(s->password, "p");
	text(s->client_name, "n");
	assert_int_equal(s->call_timeout, QPOOL_SEC(1));
	assert_int_equal(s->reset, QPOOL_REDIS_RESET_SEEN);
	assert_int_equal(s->role, QPOOL_REDIS_ROLE_PRIMARY);
	qp_redis_source_free(s);
	s = made("redis://a:b@h/5?client_name=m&call_timeout=2s&reset=none&pool_max_size=20"
		 "&pool_max_idle=5min",
	    &options);
	assert_int_equal(s->db, 5);
	text(s->user, "a");
	text(s->password, "b");
	text(s->client_name, "m");
	assert_int_equal(s->call_timeout, QPOOL_SEC(2));
	assert_int_equal(s->reset, QPOOL_REDIS_RESET_NONE);
	assert_int_equal(pool.max_size, 20);
	assert_int_equal(pool.max_idle, QPOOL_SEC(300));
	qp_redis_source_free(s);
	/* A password alone is not that of another user. */
	s = made("redis://:b@h?call_timeout=forever&reset=always&role=any", &options);
	assert_int_equal(s->role, QPOOL_REDIS_ROLE_ANY);
	text(s->user, NULL);
	text(s->password, "b");
	assert_int_equal(s->call_timeout, QPOOL_FOREVER);
	qp_redis_source_free(s);
}

static void
test_structs(void **state)
{
	struct {
		qpool_redis_options options;
		unsigned char more[8];
	} longer = {.options = qpool_redis_options_init()};
	qp_redis_source *source;

	(void)state;
	pool = qpool_options_init();
	longer.options.size = sizeof longer;
	assert_int_equal(
	    qp_redis_source_make(&source, "redis://h", &longer.options, &pool, &error), QPOOL_OK);
	qp_redis_source_free(source);
	longer.more[7] = 1;
	assert_int_equal(qp_redis_source_make(&source, "redis://h", &longer.options, &pool, &error),
	    QPOOL_ENOTSUP);
	longer.options.size = 3;
	assert_int_equal(qp_redis_source_make(&source, "redis://h", &longer.options, &pool, &error),
	    QPOOL_EINVAL);
	longer.options = qpool_redis_options_init();
	longer.options.reset = 4;
	assert_int_equal(qp_redis_source_make(&source, "redis://h", &longer.options, &pool, &error),
	    QPOOL_EINVAL);
	longer.options.reset = 0;
	longer.options.role = 2;
	assert_int_equal(qp_redis_source_make(&source, "redis://h", &longer.options, &pool, &error),
	    QPOOL_EINVAL);
	longer.options.role = 0;
	longer.options.call_timeout = QPOOL_ZERO;
	assert_int_equal(qp_redis_source_make(&source, "redis://h", &longer.options, &pool, &error),
	    QPOOL_EINVAL);
	longer.options.call_timeout = 0;
	longer.options.db = UINT32_MAX;
	assert_int_equal(qp_redis_source_make(&source, "redis://h", &longer.options, &pool, &error),
	    QPOOL_EINVAL);
}

/* What goes over the wire. */
static void
test_dialogues(void **state)
{
	qp_redis_source *s = made("redis://h", NULL);

	(void)state;
	assert_memory_equal(s->login, "*1\r\n$4\r\nPING\r\n", s->login_length);
	assert_memory_equal(s->again, "*1\r\n$5\r\nRESET\r\n", s->again_length);
	qp_redis_source_free(s);
	s = made("redis://u:p@h/7?client_name=n", NULL);
	assert_memory_equal(s->again,
	    "*1\r\n$5\r\nRESET\r\n*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n"
	    "*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n"
	    "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nn\r\n",
	    s->again_length);
	qp_redis_source_free(s);
	s = made("redis://h?password=", NULL);
	assert_memory_equal(s->login, "*1\r\n$4\r\nPING\r\n", s->login_length);
	qp_redis_source_free(s);
	s = made("redis://:p@h", NULL);
	assert_memory_equal(
	    s->login, "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n*1\r\n$4\r\nPING\r\n", s->login_length);
	qp_redis_source_free(s);
}

/* The pool's name, unless there is another. */
static void
test_names(void **state)
{
	qpool_redis_options options = qpool_redis_options_init();
	qp_redis_source *s = made("redis://h?pool_name=web+one", NULL);

	(void)state;
	text(s->client_name, "web-one");
	qp_redis_source_free(s);
	options.client_name = "";
	s = made("redis://h?pool_name=web", &options);
	assert_false(s->has[QP_REDIS_SETNAME]);
	qp_redis_source_free(s);
}

/* A long address is cut, not spilt. */
static void
test_long(void **state)
{
	char url[600] = "redis://";
	qp_redis_source *s;

	(void)state;
	memset(url + 8, 'h', 500);
	s = made(url, NULL);
	assert_true(strlen(s->shown) < sizeof s->shown);
	assert_int_equal(strlen(s->host), 500);
	qp_redis_source_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_words_win),
	    cmocka_unit_test(test_structs),
	    cmocka_unit_test(test_dialogues),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
