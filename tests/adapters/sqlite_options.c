/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_options: what qpool_sqlite_ops accepts, what it refuses and how it says so.  Nothing is
 * opened.
 */
#include "sqlite_kit.h"

#include <errno.h>

/* Refused with these words, and *ops and *user are untouched. */
static void
refused(const char *target, const qpool_sqlite_options *options, qpool_err code, const char *words)
{
	qpool_ops ops = qpool_ops_init(), before;
	void *user = &ops;
	qpool_error error;

	ops.kind = "untouched";
	before = ops;
	assert_int_equal(qpool_sqlite_ops(target, options, &ops, &user, &error), code);
	assert_int_equal(error.code, code);
	kit_assert_says(&error, words);
	assert_memory_equal(&ops, &before, sizeof ops);
	assert_ptr_equal(user, &ops);
	assert_int_equal(qpool_sqlite_ops(target, options, &ops, &user, NULL), code);
}

static void
accepted(const char *target, const qpool_sqlite_options *options)
{
	qpool_ops ops = qpool_ops_init();
	void *user = NULL;
	qpool_error error;

	if (qpool_sqlite_ops(target, options, &ops, &user, &error) != QPOOL_OK)
		fail_msg("refused: %s", error.message);
	assert_non_null(user);
	ops.destroy(user);
}

static void
fills_the_ops(void **state)
{
	qpool_ops ops = qpool_ops_init();
	void *user = NULL;
	qpool_error error;

	(void)state;
	memset(&error, 7, sizeof error);
	errno = 123;
	assert_int_equal(qpool_sqlite_ops("bank.db", NULL, &ops, &user, &error), QPOOL_OK);
	assert_int_equal(errno, 123);
	assert_int_equal(error.code, 0x07070707);
	assert_string_equal(ops.kind, "sqlite");
	assert_int_equal(ops.size, sizeof ops);
	assert_non_null(ops.open);
	assert_non_null(ops.close);
	assert_null(ops.peek);
	assert_non_null(ops.check);
	assert_non_null(ops.reset);
	assert_non_null(ops.describe);
	assert_non_null(ops.abandon);
	ops.destroy(user);
}

static void
ops_of_another_size(void **state)
{
	struct {
		qpool_ops ops;
		void *later;
	} longer;
	void *user = NULL;
	qpool_error error;

	(void)state;
	memset(&longer, 0x11, sizeof longer);
	longer.ops.size = sizeof longer;
	assert_int_equal(qpool_sqlite_ops("bank.db", NULL, &longer.ops, &user, NULL), QPOOL_OK);
	assert_int_equal(longer.ops.size, sizeof longer);
	assert_null(longer.later);
	longer.ops.destroy(user);
	for (size_t size = 0; size < sizeof(qpool_ops); size += 8) {
		qpool_ops ops = qpool_ops_init();
		ops.size = size;
		assert_int_equal(
		    qpool_sqlite_ops("bank.db", NULL, &ops, &user, &error), QPOOL_EINVAL);
		kit_assert_says(&error, "qpool_ops_init()");
		assert_null(ops.open);
	}
}

static void
no_place_for_the_result(void **state)
{
	qpool_ops ops = qpool_ops_init();
	void *user;
	qpool_error error;

	(void)state;
	assert_int_equal(qpool_sqlite_ops("bank.db", NULL, NULL, &user, &error), QPOOL_EINVAL);
	kit_assert_says(&error, "ops is NULL");
	assert_int_equal(qpool_sqlite_ops("bank.db", NULL, &ops, NULL, &error), QPOOL_EINVAL);
	kit_assert_says(&error, "user is NULL");
}

static void
targets(void **state)
{
	(void)state;
	refused(NULL, NULL, QPOOL_EINVAL, "target is NULL");
	refused("", NULL, QPOOL_EINVAL, "target is empty");
	refused("file://elsewhere/bank.db", NULL, QPOOL_EINVAL, "names a host");
	refused("file://localhostx/bank.db", NULL, QPOOL_EINVAL, "names a host");
	accepted("bank.db", NULL);
	accepted(":memory:", NULL);
	accepted("file:bank.db", NULL);
	accepted("file:/bank.db", NULL);
	accepted("file:///bank.db", NULL);
	accepted("file://localhost/bank.db", NULL);
	accepted("file:", NULL);
	accepted("file://", NULL);
	accepted("file:?", NULL);
	accepted("file:%", NULL);
	accepted("file:%4", NULL);
	accepted("file:a?b", NULL);
	accepted("file:a?b=&=c&&#d", NULL);
}

static void
a_host_is_not_repeated(void **state)
{
	qpool_ops ops = qpool_ops_init();
	void *user;
	qpool_error error;

	(void)state;
	assert_int_equal(
	    qpool_sqlite_ops("file://me:hunter2@db/x", NULL, &ops, &user, &error), QPOOL_EINVAL);
	kit_assert_hides(&error, "hunter2");
}

static void
sizes(void **state)
{
	struct {
		qpool_sqlite_options options;
		char later[24];
	} longer;
	qpool_sqlite_options options = qpool_sqlite_options_init();

	(void)state;
	memset(&longer, 0, sizeof longer);
	longer.options.size = sizeof longer;
	accepted("bank.db", &longer.options);
	longer.later[23] = 1;
	refused("bank.db", &longer.options, QPOOL_ENOTSUP, "does not know, at byte");
	for (size_t size = 0; size < sizeof size; size++) {
		options.size = size;
		refused("bank.db", &options, QPOOL_EINVAL, "qpool_sqlite_options.size is");
	}
	/* What lies behind the size is not looked at. */
	options.size = offsetof(qpool_sqlite_options, strict);
	options.strict = 77;
	accepted("bank.db", &options);
	options.size = offsetof(qpool_sqlite_options, busy_timeout);
	refused("bank.db", &options, QPOOL_EINVAL, "strict is 77");
}

static void
open_flags(void **state)
{
	static const struct {
		int32_t flags;
		const char *words; /* NULL: accepted */
	} rows[] = {
	    {0, NULL},
	    {SQLITE_OPEN_READONLY, NULL},
	    {SQLITE_OPEN_READWRITE, NULL},
	    {SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
		NULL},
	    {SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_PRIVATECACHE, NULL},
	    {SQLITE_OPEN_READWRITE | SQLITE_OPEN_SHAREDCACHE | SQLITE_OPEN_NOFOLLOW, NULL},
	    {SQLITE_OPEN_CREATE, "open_flags is 0x4; "},
	    {SQLITE_OPEN_NOFOLLOW, "open_flags is 0x1000000; "},
	    {SQLITE_OPEN_READONLY | SQLITE_OPEN_READWRITE, "open_flags is 0x3; "},
	    {SQLITE_OPEN_READONLY | SQLITE_OPEN_CREATE, "open_flags is 0x5; "},
	    {SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX,
		"open_flags is 0x10002, of which 0x10000 "},
	    {SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, "of which 0x80000 "},
	    {-1, "open_flags is 0xffffffff, of which 0x"},
	    {INT32_MIN, "open_flags is 0x80000000, of which 0x80000000 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		qpool_sqlite_options options = qpool_sqlite_options_init();
		options.open_flags = rows[i].flags;
		if (rows[i].words == NULL)
			accepted("bank.db", &options);
		else
			refused("bank.db", &options, QPOOL_EINVAL, rows[i].words);
	}
}

static void
busy_timeouts(void **state)
{
	static const qpool_nsec good[] = {
	    0, 1, QPOOL_SEC(5), QPOOL_MSEC(2147483647), QPOOL_ZERO, QPOOL_FOREVER};
	static const qpool_nsec bad[] = {
	    -1, -3, -QPOOL_SEC(1), INT64_MIN, QPOOL_MSEC(2147483647) + 1, QPOOL_FOREVER - 1};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		qpool_sqlite_options options = qpool_sqlite_options_init();
		options.busy_timeout = good[i];
		accepted("bank.db", &options);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		qpool_sqlite_options options = qpool_sqlite_options_init();
		char words[64];
		options.busy_timeout = bad[i];
		(void)snprintf(words, sizeof words, "busy_timeout is %lld ns; ", (long long)bad[i]);
		refused("bank.db", &options, QPOOL_EINVAL, words);
	}
}

static void
texts(void **state)
{
	static const char *const modes[] = {
	    "wal", "WAL", "Delete", "truncate", "persist", "memory", "keep"};
	static const char *const wrong[] = {
	    "", "wall", "wa", "wal; DROP TABLE t", "keep\n", "default"};
	qpool_sqlite_options options = qpool_sqlite_options_init();

	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		options.journal_mode = modes[i];
		accepted("bank.db", &options);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		options.journal_mode = wrong[i];
		refused("bank.db", &options, QPOOL_EINVAL, "journal_mode is \"");
	}
	options.journal_mode = "OFF";
	refused("bank.db", &options, QPOOL_EINVAL, "journal_mode is \"off\", with which nothing");
	options.journal_mode = NULL;
	options.vfs = "";
	refused("bank.db", &options, QPOOL_EINVAL, "vfs is \"\"");
	options.vfs = NULL;
	options.at_open = "";
	accepted("bank.db", &options);
	options.strict = 2;
	refused("bank.db", &options, QPOOL_EINVAL, "strict is 2; it must be 0 (the default) or 1");
}

static void
describes(const char *target, const char *expected)
{
	qpool_ops ops = qpool_ops_init();
	void *user;
	char out[256], small[8];

	assert_int_equal(qpool_sqlite_ops(target, NULL, &ops, &user, NULL), QPOOL_OK);
	ops.describe(user, NULL, out, sizeof out);
	assert_string_equal(out, expected);
	memset(small, 'x', sizeof small);
	ops.describe(user, NULL, small, 7);
	assert_string_equal(small, "sqlite");
	assert_int_equal(small[7], 'x');
	ops.describe(user, NULL, small, 0);
	ops.abandon(user, NULL);
	ops.destroy(user);
}

static void
names_for_people(void **state)
{
	(void)state;
	describes("bank.db", "sqlite:bank.db");
	describes(":memory:", "sqlite::memory:");
	describes("odd?key=name.db", "sqlite:odd?key=name.db"); /* a path, not a URI */
	describes("a\nb\x7f.db", "sqlite:a?b?.db");
	describes("file:b.db?mode=ro&cache=private", "sqlite:file:b.db?mode=ro&cache=private");
	describes("file:b.db?mode=ro#fragment", "sqlite:file:b.db?mode=ro");
}

static void
keys_are_masked(void **state)
{
	(void)state;
	describes("file:b.db?key=hunter2", "sqlite:file:b.db?key=***");
	describes(
	    "file:b.db?mode=ro&hexkey=6162&psow=0", "sqlite:file:b.db?mode=ro&hexkey=***&psow=0");
	describes("file:b.db?textkey=a=b&vfs=unix", "sqlite:file:b.db?textkey=***&vfs=unix");
	describes("file:b.db?KEY=x", "sqlite:file:b.db?KEY=***");
	describes("file:b.db?%6bey=hunter2", "sqlite:file:b.db?%6bey=***");
	describes("file:b.db?key=&mode=ro", "sqlite:file:b.db?key=&mode=ro");
	describes("file:b.db?key", "sqlite:file:b.db?key");
	describes("file:b.db#x?key=hunter2", "sqlite:file:b.db");
}

static void
long_targets_lose_their_middle(void **state)
{
	char target[600], out[256];
	qpool_ops ops = qpool_ops_init();
	void *user;

	(void)state;
	/* Two-byte characters, so that a careless cut would split one. */
	for (size_t shift = 0; shift < 2; shift++) {
		size_t length = shift;
		memset(target, 'x', sizeof target);
		while (length < 400) {
			memcpy(target + length, "\xc3\xa4", 2);
			length += 2;
		}
		(void)snprintf(target + length, sizeof target - length, "/bank.db");
		assert_int_equal(qpool_sqlite_ops(target, NULL, &ops, &user, NULL), QPOOL_OK);
		ops.describe(user, NULL, out, sizeof out);
		ops.destroy(user);
		assert_in_range(strlen(out), 90, 110);
		assert_non_null(strstr(out, "..."));
		assert_string_equal(out + strlen(out) - 8, "/bank.db");
		for (const char *at = out; *at != '\0'; at++)
			if ((unsigned char)*at == 0xc3)
				assert_int_equal((unsigned char)at[1], 0xa4);
			else if ((unsigned char)*at == 0xa4)
				assert_int_equal((unsigned char)at[-1], 0xc3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fills_the_ops),
	    cmocka_unit_test(ops_of_another_size),
	    cmocka_unit_test(no_place_for_the_result),
	    cmocka_unit_test(targets),
	    cmocka_unit_test(a_host_is_not_repeated),
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(open_flags),
	    cmocka_unit_test(busy_timeouts),
	    cmocka_unit_test(texts),
	    cmocka_unit_test(names_for_people),
	    cmocka_unit_test(keys_are_masked),
	    cmocka_unit_test(long_targets_lose_their_middle),
	};

	return cmocka_run_group_tests_name("sqlite_options", tests, NULL, NULL);
}
