/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_options: what qpool_pg_options and the pool_ words of a conninfo may say, what is refused and how
 * it is said, and what the server is told of it.
 */
#include "pg_source_kit.h"

/* ---- the pool's words ---- */

static void
words_of_the_pool(void **state)
{
	qpool_options pool = qpool_options_init();
	qp_pg_source *source;

	(void)state;
	pool.max_size = 3;
	pool.name = "other";
	source = made_for("pool_max_size=20 pool_max_idle=5min pool_name='a &%+b' "
			  "pool_order=oldest pool_max_uses=nolimit pool_retry_min=0",
	    NULL, &pool);
	assert_int_equal(pool.size, sizeof pool);
	assert_int_equal(pool.max_size, 20);
	assert_int_equal(pool.max_idle, QPOOL_SEC(300));
	assert_int_equal(pool.order, QPOOL_OLDEST_FIRST);
	assert_int_equal(pool.max_uses, QPOOL_NOLIMIT);
	assert_int_equal(pool.retry_min, QPOOL_ZERO);
	assert_int_equal(pool.max_age, 0);
	assert_int_equal(pool.max_overtake, QPOOL_MSEC(3));
	assert_null(pool.name);
	assert_string_equal(pool.name_text, "a &%+b");
	has(source, "fallback_application_name", "a &%+b");
	qp_pg_source_free(source);
	pool.name = "named";
	source = made_for("postgresql://h?pool_max_size=2%31", NULL, &pool);
	assert_int_equal(pool.max_size, 21);
	assert_string_equal(pool.name, "named");
	has(source, "fallback_application_name", "named");
	qp_pg_source_free(source);
}

static void
words_of_the_pool_that_are_refused(void **state)
{
	(void)state;
	refused("pool_max_size=7x", NULL, QPOOL_EINVAL,
	    "pool_max_size is '7x'; it must be a count from 0 to ");
	refused("host=a pool_max_idle=7", NULL, QPOOL_EINVAL,
	    "pool_max_idle is '7'; it must be said with a unit (ns us ms s min h): 7s");
	refused("pool_max_idle=", NULL, QPOOL_EINVAL, "pool_max_idle is ''; it must be a duration");
	refused("pool_max_siz=7", NULL, QPOOL_EINVAL,
	    "pool_max_siz is no option; it must be pool_ and a field of qpool_options or "
	    "qpool_pg_options, such as pool_max_size");
	refused("pool_zzz=7", NULL, QPOOL_EINVAL,
	    "pool_zzz is no option; it must be pool_ and a field of qpool_options or "
	    "qpool_pg_options");
	refused("pool_=7", NULL, QPOOL_EINVAL, "pool_ is no option");
	refused("pool_Zzz=7", NULL, QPOOL_EINVAL, "a word of the conninfo that begins with pool_ ");
	refused("pool_a!b=7", NULL, QPOOL_EINVAL, "a word of the conninfo that begins with pool_ ");
	refused("postgresql://h?pool_a%3Db=7", NULL, QPOOL_EINVAL, "a word of the conninfo that ");
	refused("pool_max_size=1 host=a pool_max_size=1", NULL, QPOOL_EINVAL,
	    "pool_max_size is given twice; it must be given once");
	refused("pool_reset=none pool_reset=none", NULL, QPOOL_EINVAL, "pool_reset is given twice");
	refused("pool_on_event=1", NULL, QPOOL_EINVAL,
	    "pool_on_event cannot be given as text; it must be set in the program");
	refused("pool_at_connect=x", NULL, QPOOL_EINVAL,
	    "pool_at_connect cannot be given as text; it must be set in the program");
	refused("pool_credentials=x", NULL, QPOOL_EINVAL, "pool_credentials cannot be given as");
	refused("pool_name=''", NULL, QPOOL_EINVAL, "pool_name is empty; it must have 1 to ");
}

/* Options of a program built with another header. */
static void
pools_of_another_size(void **state)
{
	struct {
		qpool_options options;
		uint64_t later[4];
	} longer;
	qpool_options shorter = qpool_options_init();
	qp_pg_source *source = NULL;
	qpool_error error;

	(void)state;
	memset(&longer, 0, sizeof longer);
	longer.options.size = sizeof longer;
	qp_pg_source_free(made_for("pool_max_size=4", NULL, &longer.options));
	assert_int_equal(longer.options.size, sizeof longer);
	assert_int_equal(longer.options.max_size, 4);
	longer.later[3] = 1;
	assert_int_equal(
	    qp_pg_source_make(&source, "", NULL, &longer.options, &error), QPOOL_ENOTSUP);
	memset((char *)&shorter + 32, 0x55, sizeof shorter - 32);
	shorter.size = 32;
	qp_pg_source_free(made_for("pool_max_size=4 pool_pooler=transaction", NULL, &shorter));
	assert_int_equal(shorter.size, 32);
	assert_int_equal(shorter.max_size, 4);
	assert_int_equal(shorter.max_age, 0x5555555555555555);
	shorter.size = 3;
	assert_int_equal(qp_pg_source_make(&source, "", NULL, &shorter, &error), QPOOL_EINVAL);
	assert_non_null(strstr(error.message, "qpool_options.size is 3"));
	assert_int_equal(qp_pg_source_make(&source, "", NULL, NULL, &error), QPOOL_EINVAL);
	assert_null(source);
}

/* ---- qpool_pg_options ---- */

static void
sizes(void **state)
{
	struct {
		qpool_pg_options options;
		char later[24];
	} longer;
	qpool_pg_options options = qpool_pg_options_init();

	(void)state;
	memset(&longer, 0, sizeof longer);
	longer.options.size = sizeof longer;
	accepted("", &longer.options);
	longer.later[23] = 1;
	refused("", &longer.options, QPOOL_ENOTSUP, "does not know, at byte");
	for (size_t size = 0; size < sizeof size; size++) {
		options.size = size;
		refused("", &options, QPOOL_EINVAL, "qpool_pg_options.size is");
	}
	options.size = SIZE_MAX;
	refused("", &options, QPOOL_EINVAL, "start from qpool_pg_options_init()");
	/* What lies behind the size is not looked at. */
	options.size = offsetof(qpool_pg_options, isolation_level);
	options.isolation_level = 77;
	accepted("", &options);
	options.size = offsetof(qpool_pg_options, flags);
	refused("", &options, QPOOL_EINVAL, "isolation_level is 77");
}

static void
choices(void **state)
{
	static const struct {
		const char *conninfo;
		uint32_t reset, isolation_level, flags;
	} rows[] = {{"pool_reset=rollback", 0, 0, 0}, {"pool_reset=none", 1, 0, 0},
	    {"pool_reset=smart", 2, 0, 0}, {"pool_reset=FULL", 3, 0, 0},
	    {"pool_isolation_level=default", 0, 0, 0},
	    {"pool_isolation_level='read uncommitted'", 0, 1, 0},
	    {"pool_isolation_level=read_committed", 0, 2, 0},
	    {"pool_isolation_level='REPEATABLE READ'", 0, 3, 0},
	    {"pool_isolation_level=Serializable", 0, 4, 0},
	    {"postgresql://h?pool_isolation_level=repeatable%20read", 0, 3, 0},
	    {"pool_read_only=1", 0, 0, 1}, {"pool_read_write=1", 0, 0, 2},
	    {"pool_deferrable=1", 0, 0, 4}, {"pool_transaction=1", 0, 0, 8},
	    {"pool_read_only=1 pool_deferrable=1 pool_transaction=0", 0, 0, 5}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		qp_pg_source *source = made(rows[i].conninfo, NULL);
		assert_int_equal(source->options.reset, rows[i].reset);
		assert_int_equal(source->options.isolation_level, rows[i].isolation_level);
		assert_int_equal(source->options.flags, rows[i].flags);
		qp_pg_source_free(source);
	}
	refused("pool_reset=all", NULL, QPOOL_EINVAL,
	    "pool_reset is 'all'; it must be rollback, none, smart or full");
	refused("pool_reset=", NULL, QPOOL_EINVAL, "pool_reset is ''; it must be rollback");
	refused("pool_isolation_level=snapshot", NULL, QPOOL_EINVAL,
	    "pool_isolation_level is 'snapshot'; it must be default, read_uncommitted, "
	    "read_committed, repeatable_read or serializable");
	refused("pool_pooler=session", NULL, QPOOL_EINVAL,
	    "pool_pooler is 'session'; it must be none or transaction");
	refused("pool_read_only=", NULL, QPOOL_EINVAL, "pool_read_only is ''; it must be 0 or 1");
	refused("pool_read_write=on", NULL, QPOOL_EINVAL, "pool_read_write is 'on'; it must be 0 ");
}

static void
choices_of_the_struct(void **state)
{
	qpool_pg_options options = qpool_pg_options_init();
	qp_pg_source *source;

	(void)state;
	options.reset = QPOOL_PG_RESET_FULL;
	options.flags = QPOOL_PG_READ_ONLY | QPOOL_PG_TRANSACTION;
	source = made("pool_reset=none pool_read_only=0", &options);
	assert_int_equal(source->options.reset, QPOOL_PG_RESET_NONE);
	assert_int_equal(source->options.flags, QPOOL_PG_TRANSACTION);
	qp_pg_source_free(source);
	options.reset = 4;
	refused("", &options, QPOOL_EINVAL, "reset is 4; it must be QPOOL_PG_RESET_ROLLBACK (0,");
	options.reset = 0;
	options.isolation_level = 5;
	refused("", &options, QPOOL_EINVAL, "isolation_level is 5; it must be QPOOL_PG_ISOLATION_");
	options.isolation_level = 0;
	options.pooler = 2;
	refused("", &options, QPOOL_EINVAL, "pooler is 2; it must be QPOOL_PG_POOLER_NONE (0, the");
	options.pooler = 0;
	options.flags = 0x18;
	refused("", &options, QPOOL_EINVAL, "flags is 0x18, of which 0x10 is unknown; it must be");
	options.flags = QPOOL_PG_READ_ONLY | QPOOL_PG_READ_WRITE;
	refused("", &options, QPOOL_EINVAL, "flags has QPOOL_PG_READ_ONLY (read_only) and QPOOL_P");
	options.flags = QPOOL_PG_READ_ONLY;
	refused("pool_read_write=1", &options, QPOOL_EINVAL, "flags has QPOOL_PG_READ_ONLY");
	accepted("pool_read_write=1 pool_read_only=0", &options);
	options.flags = QPOOL_PG_DEFERRABLE;
	accepted("", &options);
}

static void
timeouts(void **state)
{
	static const struct {
		const char *name;
		size_t at;
	} rows[] = {{"statement_timeout", offsetof(qpool_pg_options, statement_timeout)},
	    {"lock_timeout", offsetof(qpool_pg_options, lock_timeout)},
	    {"idle_in_transaction_session_timeout",
		offsetof(qpool_pg_options, idle_in_transaction_session_timeout)}};
	static const qpool_nsec good[] = {
	    0, 1, QPOOL_SEC(5), QPOOL_MSEC(2147483647), QPOOL_ZERO, QPOOL_FOREVER};
	static const qpool_nsec bad[] = {
	    -1, -3, INT64_MIN, QPOOL_MSEC(2147483647) + 1, QPOOL_FOREVER - 1};
	char text[96];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		qpool_pg_options options = qpool_pg_options_init();
		for (size_t j = 0; j < COUNT_OF(good); j++) {
			memcpy((char *)&options + rows[i].at, &good[j], sizeof good[j]);
			accepted("", &options);
		}
		for (size_t j = 0; j < COUNT_OF(bad); j++) {
			memcpy((char *)&options + rows[i].at, &bad[j], sizeof bad[j]);
			(void)snprintf(text, sizeof text, "%s is %lld ns; it must be 0 (the",
			    rows[i].name, (long long)bad[j]);
			refused("", &options, QPOOL_EINVAL, text);
		}
		(void)snprintf(text, sizeof text, "pool_%s=5", rows[i].name);
		refused(text, NULL, QPOOL_EINVAL, "is '5'; it must be said with a unit (ns us ms");
		(void)snprintf(text, sizeof text, "pool_%s=-5s", rows[i].name);
		refused(text, NULL, QPOOL_EINVAL, "pool_");
		(void)snprintf(text, sizeof text, "pool_%s=30d", rows[i].name);
		refused(text, NULL, QPOOL_EINVAL, " is '30d'; it must be a duration such as 90s");
		(void)snprintf(text, sizeof text, "pool_%s=600h", rows[i].name);
		refused(text, NULL, QPOOL_EINVAL, "timeout is 2160000000000000 ns; it must be 0");
	}
}

static void
call_timeouts(void **state)
{
	qpool_pg_options options = qpool_pg_options_init();
	qp_pg_source *source = made("pool_call_timeout=1.5s", &options);

	(void)state;
	assert_int_equal(source->call_timeout, QPOOL_MSEC(1500));
	qp_pg_source_free(source);
	options.call_timeout = QPOOL_SEC(600L * 24 * 3600);
	source = made("", &options);
	assert_int_equal(source->call_timeout, options.call_timeout);
	qp_pg_source_free(source);
	source = made("pool_call_timeout=forever", &options);
	assert_int_equal(source->call_timeout, QPOOL_FOREVER);
	qp_pg_source_free(source);
	refused("pool_call_timeout=0", NULL, QPOOL_EINVAL,
	    "pool_call_timeout is '0'; it must be a duration such as 90s or 1.5min (ns us ms s min "
	    "h), or forever");
	options.call_timeout = QPOOL_ZERO;
	refused("", &options, QPOOL_EINVAL,
	    "call_timeout is QPOOL_ZERO, in which nothing can be answered; it must be");
	options.call_timeout = -1;
	refused("", &options, QPOOL_EINVAL, "call_timeout is -1 ns; it must be 0 (the default,");
}

static void
texts_are_copied(void **state)
{
	char name[] = "app", one[] = "SET a.b = 1", two[] = "SET a.c = 2";
	const char *list[] = {one, two, NULL};
	qpool_pg_options options = qpool_pg_options_init();
	qp_pg_source *source;

	(void)state;
	options.application_name = name;
	options.at_connect = list;
	source = made("", &options);
	memset(name, 'x', 3);
	memset(one, 'x', 3);
	list[1] = NULL;
	has(source, "application_name", "app");
	has(source, "fallback_application_name", "queuepool");
	assert_string_equal(source->options.application_name, "app");
	assert_string_equal(source->options.at_connect[0], "SET a.b = 1");
	assert_string_equal(source->options.at_connect[1], "SET a.c = 2");
	assert_null(source->options.at_connect[2]);
	qp_pg_source_free(source);
	/* The conninfo and the environment win. */
	source = made("application_name=mine", &options);
	has(source, "application_name", "mine");
	qp_pg_source_free(source);
	list[0] = NULL;
	source = made("", &options);
	assert_null(source->options.at_connect);
	qp_pg_source_free(source);
	list[0] = one;
	list[1] = "";
	refused("", &options, QPOOL_EINVAL, "at_connect[1] is empty; it must be one SQL statement");
}

/* ---- what the server is told ---- */

static void
startup(const char *conninfo, const char *expected)
{
	qp_pg_source *source = made(conninfo, NULL);

	has(source, "options", expected);
	if (expected == NULL)
		assert_null(source->options_word);
	else
		assert_string_equal(source->options_word, expected);
	assert_string_equal(source->begin, "BEGIN");
	qp_pg_source_free(source);
}

static void
startup_options(void **state)
{
	(void)state;
	startup("pool_isolation_level=repeatable_read",
	    "-c default_transaction_isolation=repeatable\\ read");
	startup("pool_isolation_level=read_uncommitted",
	    "-c default_transaction_isolation=read\\ uncommitted");
	startup("pool_isolation_level=read_committed",
	    "-c default_transaction_isolation=read\\ committed");
	startup("pool_read_only=1", "-c default_transaction_read_only=on");
	startup("pool_read_write=1", "-c default_transaction_read_only=off");
	startup("pool_statement_timeout=1ns", "-c statement_timeout=1");
	startup("pool_statement_timeout=0", "-c statement_timeout=0");
	startup("pool_lock_timeout=forever", "-c lock_timeout=0");
	startup("pool_lock_timeout=1.0001s", "-c lock_timeout=1001");
	startup("pool_transaction=1", NULL);
	startup("options='-c geqo=off'", "-c geqo=off");
	startup("options='-c geqo=off' pool_isolation_level=serializable pool_read_only=1 "
		"pool_deferrable=1 pool_statement_timeout=5s pool_lock_timeout=1s "
		"pool_idle_in_transaction_session_timeout=10min",
	    "-c geqo=off -c default_transaction_isolation=serializable -c "
	    "default_transaction_read_only=on -c default_transaction_deferrable=on -c "
	    "statement_timeout=5000 -c lock_timeout=1000 -c "
	    "idle_in_transaction_session_timeout=600000");
}

static void
begins(const char *conninfo, uint32_t isolation_level, uint32_t flags, const char *expected)
{
	qp_pg_source *source = made(conninfo, NULL);
	char out[512], small[8];

	qp_pg_source_begin(source, isolation_level, flags, out, sizeof out);
	assert_string_equal(out, expected);
	assert_true(strlen(out) < 320);
	if (isolation_level == 0 && flags == 0)
		assert_string_equal(source->begin, expected);
	memset(small, 'x', sizeof small);
	qp_pg_source_begin(source, isolation_level, flags, small, 6);
	assert_string_equal(small, "BEGIN");
	assert_int_equal(small[6], 'x');
	qp_pg_source_free(source);
}

static void
beginnings(void **state)
{
	const char *pooled = "pool_pooler=transaction pool_transaction=1 pool_read_only=1 "
			     "pool_isolation_level=repeatable_read pool_statement_timeout=5s";

	(void)state;
	begins("", 0, 0, "BEGIN");
	begins("pool_read_only=1", 0, 0, "BEGIN");
	begins("", QPOOL_PG_SERIALIZABLE, 0, "BEGIN ISOLATION LEVEL SERIALIZABLE");
	begins("", QPOOL_PG_SERIALIZABLE, QPOOL_PG_READ_ONLY | QPOOL_PG_DEFERRABLE,
	    "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE");
	begins("pool_read_only=1", 0, QPOOL_PG_READ_WRITE, "BEGIN READ WRITE");
	begins("", QPOOL_PG_READ_UNCOMMITTED, 0, "BEGIN ISOLATION LEVEL READ UNCOMMITTED");
	begins("pool_pooler=transaction", 0, 0, "BEGIN");
	begins(pooled, 0, 0,
	    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 5000");
	begins(pooled, QPOOL_PG_READ_COMMITTED, QPOOL_PG_READ_WRITE,
	    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = 5000");
	begins("pool_pooler=transaction pool_transaction=1 pool_read_write=1 pool_deferrable=1 "
	       "pool_isolation_level=read_uncommitted pool_statement_timeout=2147483647ms "
	       "pool_lock_timeout=2147483647ms "
	       "pool_idle_in_transaction_session_timeout=2147483647ms",
	    0, 0,
	    "BEGIN ISOLATION LEVEL READ UNCOMMITTED READ WRITE DEFERRABLE; SET LOCAL "
	    "statement_timeout = 2147483647; SET LOCAL lock_timeout = 2147483647; SET LOCAL "
	    "idle_in_transaction_session_timeout = 2147483647");
}

/* ---- behind a pooler ---- */

static void
on_dirty(void *user, const char *what, const char *site)
{
	(void)user;
	(void)what;
	(void)site;
}

static qpool_err
on_return(void *user, PGconn *conn, const qpool_step *step, qpool_error *error)
{
	(void)user;
	(void)conn;
	(void)step;
	(void)error;
	return QPOOL_OK;
}

static void
poolers(void **state)
{
	static const char *const settings[] = {"isolation_level=serializable", "read_only=1",
	    "read_write=1", "deferrable=1", "statement_timeout=1s", "lock_timeout=0",
	    "idle_in_transaction_session_timeout=forever"};
	qpool_options pool = qpool_options_init();
	qp_pg_source *source = made_for("pool_pooler=transaction", NULL, &pool);
	char text[128], words[64];

	(void)state;
	assert_int_equal(pool.max_age, QPOOL_SEC(25 * 60));
	assert_int_equal(pool.max_idle, QPOOL_SEC(5 * 60));
	has(source, "options", NULL);
	qp_pg_source_free(source);
	pool.max_age = QPOOL_SEC(7);
	qp_pg_source_free(made_for("pool_pooler=transaction pool_max_idle=forever", NULL, &pool));
	assert_int_equal(pool.max_age, QPOOL_SEC(7));
	assert_int_equal(pool.max_idle, QPOOL_FOREVER);
	for (size_t i = 0; i < COUNT_OF(settings); i++) {
		(void)snprintf(text, sizeof text, "pool_pooler=transaction pool_%s", settings[i]);
		(void)snprintf(words, sizeof words, "%.*s is set, but behind a pooler",
		    (int)strcspn(settings[i], "="), settings[i]);
		refused(text, NULL, QPOOL_EINVAL, words);
		(void)snprintf(text, sizeof text,
		    "pool_pooler=transaction pool_transaction=1 pool_%s", settings[i]);
		source = made(text, NULL);
		has(source, "options", NULL);
		qp_pg_source_free(source);
	}
}

static void
what_needs_a_session(void **state)
{
	static const char *const list[] = {"SET a.b = 1", NULL};
	qpool_pg_options options = qpool_pg_options_init();

	(void)state;
	refused("pool_pooler=transaction pool_reset=smart", NULL, QPOOL_EINVAL,
	    "reset is smart, which behind a pooler in transaction mode would reset the session of "
	    "another client; it must be rollback or none");
	refused("pool_pooler=transaction pool_reset=full", NULL, QPOOL_EINVAL, "reset is full, ");
	accepted("pool_pooler=transaction pool_reset=none", NULL);
	refused("pool_pooler=transaction options='-c geqo=off'", NULL, QPOOL_EINVAL,
	    "options is given (in the conninfo, its service or PGOPTIONS), which a pooler in ");
	options.at_connect = list;
	refused("pool_pooler=transaction", &options, QPOOL_EINVAL, "at_connect is set, but a pool");
	options.at_connect = NULL;
	options.on_dirty = on_dirty;
	refused("pool_pooler=transaction", &options, QPOOL_EINVAL, "on_dirty is set, but a pooler");
	refused("pool_reset=none", &options, QPOOL_EINVAL, "on_dirty is set and reset is none");
	accepted("", &options);
}

static void
on_return_goes_with_rollback(void **state)
{
	qpool_pg_options options = qpool_pg_options_init();

	(void)state;
	options.on_return = on_return;
	accepted("", &options);
	accepted("pool_pooler=transaction", &options);
	refused("pool_reset=none", &options, QPOOL_EINVAL,
	    "on_return is set and reset is none; on_return goes with reset rollback only");
	refused("pool_reset=smart", &options, QPOOL_EINVAL, "on_return is set and reset is smart");
	refused("pool_reset=full", &options, QPOOL_EINVAL, "on_return is set and reset is full");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SOURCE_TEST(words_of_the_pool),
	    SOURCE_TEST(words_of_the_pool_that_are_refused),
	    SOURCE_TEST(pools_of_another_size),
	    SOURCE_TEST(sizes),
	    SOURCE_TEST(choices),
	    SOURCE_TEST(choices_of_the_struct),
	    SOURCE_TEST(timeouts),
	    SOURCE_TEST(call_timeouts),
	    SOURCE_TEST(texts_are_copied),
	    SOURCE_TEST(startup_options),
	    SOURCE_TEST(beginnings),
	    SOURCE_TEST(poolers),
	    SOURCE_TEST(what_needs_a_session),
	    SOURCE_TEST(on_return_goes_with_rollback),
	};

	return cmocka_run_group_tests_name("pg_options", tests, NULL, NULL);
}
