/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_pool: the adapter under the real pool, as a program uses it.
 */
#include "sqlite_kit.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	(void)closedir(folder);
	return count;
}

static qpool *
make_pool(const char *target, const qpool_sqlite_options *sqlite, uint32_t max_size)
{
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool *pool = NULL;

	options.max_size = max_size;
	if (qpool_sqlite_create(&pool, target, sqlite, &options, &error) != QPOOL_OK)
		fail_msg("no pool: %s", error.message);
	return pool;
}

static sqlite3 *
take(qpool *pool, qpool_lease *lease)
{
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_SEC(60), lease, &error) != QPOOL_OK)
		fail_msg("no lease: %s", error.message);
	assert_non_null(qpool_sqlite_db(lease));
	return qpool_sqlite_db(lease);
}

static void
put(qpool_lease *lease)
{
	assert_int_equal(qpool_release(lease), QPOOL_OK);
}

static void
end(qpool *pool)
{
	assert_int_equal(qpool_close(pool, QPOOL_SEC(60)), QPOOL_OK);
	qpool_free(pool);
}

static void
make_accounts(const kit *k)
{
	sqlite3 *other = kit_other(k->path);

	kit_sql(other,
	    "PRAGMA journal_mode = wal; CREATE TABLE account(id INTEGER PRIMARY KEY, amount);"
	    "INSERT INTO account VALUES(1, 100), (2, 100), (3, 100), (4, 100)");
	kit_other_close(other);
}

/* ---- making and unmaking ---------------------------------------------------------------- */

static void
a_pool_and_nothing_left(void **state)
{
	kit *k = *state;
	int64_t bytes = 0;
	int files = 0;

	for (int i = 0; i < 3; i++) {
		qpool *pool = make_pool(k->path, NULL, 4);
		qpool_lease leases[4];
		assert_string_equal(qpool_kind(pool), "sqlite");
		assert_string_equal(qpool_name(pool), "sqlite");
		for (int j = 0; j < 4; j++)
			kit_sql(take(pool, &leases[j]), "CREATE TABLE IF NOT EXISTS t(a)");
		for (int j = 0; j < 4; j++)
			put(&leases[j]);
		end(pool);
		if (i == 0) {
			bytes = sqlite3_memory_used();
			files = open_files();
		}
	}
	assert_int_equal(sqlite3_memory_used(), bytes);
	assert_int_equal(open_files(), files);
	assert_int_not_equal(access(kit_file(k, "bank.db-wal"), F_OK), 0);
}

static void
create_refuses(void **state)
{
	kit *k = *state;
	qpool_sqlite_options sqlite = qpool_sqlite_options_init();
	qpool_options options = qpool_options_init();
	qpool *untouched = (qpool *)k, *pool = untouched;
	qpool_error error;
	int64_t bytes;

	assert_int_equal(sqlite3_initialize(), SQLITE_OK);
	bytes = sqlite3_memory_used();
	assert_int_equal(qpool_sqlite_create(&pool, "", NULL, NULL, &error), QPOOL_EINVAL);
	kit_assert_says(&error, "target is empty");
	sqlite.journal_mode = "wall";
	assert_int_equal(qpool_sqlite_create(&pool, k->path, &sqlite, NULL, &error), QPOOL_EINVAL);
	kit_assert_says(&error, "journal_mode is \"wall\"");
	options.max_size = 70000;
	assert_int_equal(qpool_sqlite_create(&pool, k->path, NULL, &options, &error), QPOOL_EINVAL);
	kit_assert_says(&error, "max_size is 70000");
	assert_int_equal(qpool_sqlite_create(NULL, k->path, NULL, NULL, &error), QPOOL_EINVAL);
	assert_ptr_equal(pool, untouched);
	assert_int_equal(sqlite3_memory_used(), bytes);
	assert_int_not_equal(access(k->path, F_OK), 0);
}

static void
detached_ones_outlive_the_pool(void **state)
{
	kit *k = *state;
	qpool *pool = make_pool(k->path, NULL, 1);
	qpool_lease lease;
	sqlite3 *db = take(pool, &lease);

	assert_ptr_equal(qpool_detach(&lease), db);
	end(pool);
	kit_sql(db, "CREATE TABLE t(a)");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- the connection of a lease ----------------------------------------------------------- */

static qpool_err
open_other(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)step;
	(void)error;
	*out = user;
	return QPOOL_OK;
}

static void
close_other(void *user, void *resource, qpool_why why)
{
	(void)user;
	(void)resource;
	(void)why;
}

static void
no_connection_in_other_leases(void **state)
{
	qpool_ops ops = qpool_ops_init();
	qpool_lease empty = QPOOL_LEASE_INIT, lease;
	qpool *pool;

	ops.kind = "sqlite-not";
	ops.open = open_other;
	ops.close = close_other;
	assert_int_equal(qpool_create(&pool, NULL, &ops, *state, NULL), QPOOL_OK);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, NULL), QPOOL_OK);
	assert_non_null(lease.resource);
	assert_null(qpool_sqlite_db(&lease));
	put(&lease);
	end(pool);
	assert_null(qpool_sqlite_db(&empty));
	assert_null(qpool_sqlite_db(NULL));
}

/* A wrapper: it caches one statement a connection and finalizes it when the connection is
 * closed. */
typedef struct cache {
	qpool_ops sqlite;
	void *sqlite_user;
	int closed;
} cache;

static qpool_err
open_cached(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	cache *c = user;

	return c->sqlite.open(c->sqlite_user, step, out, error);
}

static void
close_cached(void *user, void *resource, qpool_why why)
{
	cache *c = user;
	sqlite3_stmt *kept;

	while ((kept = sqlite3_next_stmt(resource, NULL)) != NULL)
		(void)sqlite3_finalize(kept);
	c->closed++;
	c->sqlite.close(c->sqlite_user, resource, why);
}

static qpool_err
reset_cached(void *user, void *resource, const qpool_step *step, qpool_error *error)
{
	cache *c = user;

	return c->sqlite.reset(c->sqlite_user, resource, step, error);
}

static void
end_cached(void *user)
{
	cache *c = user;

	c->sqlite.destroy(c->sqlite_user);
}

static void
wrapped_ops(void **state)
{
	kit *k = *state;
	cache c = {.sqlite = qpool_ops_init()};
	qpool_ops ops = qpool_ops_init();
	qpool_lease lease;
	sqlite3_stmt *kept;
	qpool *pool;
	int64_t bytes;

	assert_int_equal(sqlite3_initialize(), SQLITE_OK);
	bytes = sqlite3_memory_used();
	assert_int_equal(
	    qpool_sqlite_ops(k->path, NULL, &c.sqlite, &c.sqlite_user, NULL), QPOOL_OK);
	ops.kind = c.sqlite.kind;
	ops.open = open_cached;
	ops.close = close_cached;
	ops.reset = reset_cached;
	ops.destroy = end_cached;
	assert_int_equal(qpool_create(&pool, NULL, &ops, &c, NULL), QPOOL_OK);
	kept = kit_prepare(take(pool, &lease), "SELECT 1");
	put(&lease);
	assert_ptr_equal(sqlite3_db_handle(kept), take(pool, &lease));
	assert_int_equal(sqlite3_step(kept), SQLITE_ROW);
	put(&lease);
	end(pool);
	assert_int_equal(c.closed, 1);
	assert_int_equal(sqlite3_memory_used(), bytes);
}

/* ---- what holders leave ------------------------------------------------------------------- */

static void
the_next_holder_sees_no_transaction(void **state)
{
	kit *k = *state;
	qpool_lease lease;
	sqlite3 *first, *other;
	qpool *pool;

	make_accounts(k);
	pool = make_pool(k->path, NULL, 1);
	first = take(pool, &lease);
	kit_sql(first, "BEGIN IMMEDIATE; UPDATE account SET amount = 0");
	put(&lease);
	other = kit_other(k->path);
	kit_sql(other, "BEGIN IMMEDIATE; COMMIT");
	kit_other_close(other);
	assert_ptr_equal(take(pool, &lease), first);
	assert_int_equal(kit_number(first, "SELECT sum(amount) FROM account"), 400);
	put(&lease);
	end(pool);
}

static void
strict_gives_the_next_holder_another(void **state)
{
	kit *k = *state;
	qpool_sqlite_options sqlite = qpool_sqlite_options_init();
	qpool_stats stats = qpool_stats_init();
	qpool_lease lease;
	qpool *pool;

	sqlite.strict = 1;
	pool = make_pool(k->path, &sqlite, 1);
	kit_sql(take(pool, &lease), "SELECT 1");
	put(&lease);
	kit_sql(take(pool, &lease), "CREATE TEMP TABLE x(a)");
	put(&lease);
	assert_int_equal(kit_exec(take(pool, &lease), "SELECT * FROM x"), SQLITE_ERROR);
	put(&lease);
	qpool_get_stats(pool, &stats);
	assert_int_equal(stats.opens, 2);
	assert_int_equal(stats.resets_failed, 1);
	assert_int_equal(stats.closes[QPOOL_WHY_RESET], 1);
	assert_int_equal(stats.idle, 1);
	end(pool);
}

static void
a_discarded_one_locks_nobody_out(void **state)
{
	kit *k = *state;
	qpool_lease lease;
	sqlite3_stmt *left;
	sqlite3 *db;
	qpool *pool;

	make_accounts(k);
	pool = make_pool(k->path, NULL, 1);
	db = take(pool, &lease);
	left = kit_prepare(db, "SELECT 1");
	kit_sql(db, "BEGIN IMMEDIATE; UPDATE account SET amount = 0");
	assert_int_equal(qpool_discard(&lease), QPOOL_OK);
	kit_sql(take(pool, &lease), "UPDATE account SET amount = amount + 1");
	put(&lease);
	assert_int_equal(sqlite3_finalize(left), SQLITE_OK);
	end(pool);
}

static void
a_replaced_file_is_opened_anew(void **state)
{
	kit *k = *state;
	qpool_options options = qpool_options_init();
	qpool_lease lease;
	qpool *pool = NULL;

	options.check_after = QPOOL_ZERO;
	make_accounts(k);
	assert_int_equal(qpool_sqlite_create(&pool, k->path, NULL, &options, NULL), QPOOL_OK);
	assert_int_equal(kit_number(take(pool, &lease), "SELECT count(*) FROM account"), 4);
	put(&lease);
	assert_int_equal(rename(k->path, kit_file(k, "old.db")), 0);
	assert_int_equal(rename(kit_file(k, "bank.db-wal"), kit_file(k, "old.db-wal")), 0);
	assert_int_equal(rename(kit_file(k, "bank.db-shm"), kit_file(k, "old.db-shm")), 0);
	make_accounts(k);
	kit_sql(take(pool, &lease), "DELETE FROM account WHERE id = 1");
	put(&lease);
	end(pool);
	{
		sqlite3 *other = kit_other(k->path);
		assert_int_equal(kit_number(other, "SELECT count(*) FROM account"), 3);
		kit_other_close(other);
	}
}

/* ---- what does not open -------------------------------------------------------------------- */

/* At once, though it may wait for ever. */
static void
denied(void **state)
{
	kit *k = *state;
	qpool *pool = make_pool(kit_file(k, "none/bank.db"), NULL, 2);
	qpool_lease lease;
	qpool_error error;

	errno = 77;
	assert_int_equal(qpool_acquire(pool, QPOOL_FOREVER, &lease, &error), QPOOL_EDENIED);
	assert_int_equal(errno, 77);
	assert_int_equal(error.code, QPOOL_EDENIED);
	assert_int_equal(error.sys_errno, ENOENT);
	assert_string_equal(error.native, "14");
	kit_assert_says(&error, "none/bank.db");
	kit_assert_says(&error, "No such file or directory");
	assert_null(qpool_sqlite_db(&lease));
	/* Mended, it opens: the refusal is not remembered for ever. */
	assert_int_equal(mkdir(kit_file(k, "none"), 0700), 0);
	for (;;) {
		qpool_err err = qpool_acquire(pool, QPOOL_SEC(60), &lease, &error);
		if (err == QPOOL_OK)
			break;
		assert_int_equal(err, QPOOL_EDENIED);
	}
	put(&lease);
	end(pool);
}

/* A lock keeps the open trying until the deadline, and the message says what was in the way. */
static void
locked(void **state)
{
	kit *k = *state;
	qpool_sqlite_options sqlite = qpool_sqlite_options_init();
	sqlite3 *other = kit_other(k->path);
	qpool_lease lease;
	qpool_error error;
	qpool *pool;

	kit_sql(other, "BEGIN EXCLUSIVE");
	sqlite.busy_timeout = QPOOL_ZERO;
	pool = make_pool(k->path, &sqlite, 2);
	assert_int_equal(qpool_acquire(pool, QPOOL_MSEC(50), &lease, &error), QPOOL_ETIMEOUT);
	kit_assert_says(&error, "database is locked");
	kit_sql(other, "COMMIT");
	(void)take(pool, &lease);
	put(&lease);
	kit_other_close(other);
	end(pool);
}

/* ---- many threads ---------------------------------------------------------------------------- */

enum { THREADS = 8, TRANSFERS = 50 };

typedef struct teller {
	qpool *pool;
	unsigned seed;
	int failed;
	char message[240];
} teller;

/* Now and then a transfer is left half done: by a release with the transaction open, or by a
 * discard. */
static void
transfer(teller *t, int i)
{
	qpool_lease lease;
	qpool_error error;
	char sql[256];
	bool half = i % 5 == 0;
	int from = 1 + (int)(t->seed + (unsigned)i) % 4, to = 1 + from % 4;

	if (qpool_acquire(t->pool, QPOOL_SEC(60), &lease, &error) != QPOOL_OK) {
		t->failed++;
		(void)snprintf(t->message, sizeof t->message, "%s", error.message);
		return;
	}
	(void)snprintf(sql, sizeof sql,
	    "BEGIN IMMEDIATE; UPDATE account SET amount = amount - 1 WHERE id = %d;"
	    "UPDATE account SET amount = amount + 1 WHERE id = %d; %s",
	    from, to, half ? "UPDATE account SET amount = 0 WHERE id = 1" : "COMMIT");
	if (kit_exec(qpool_sqlite_db(&lease), sql) != SQLITE_OK) {
		t->failed++;
		(void)snprintf(
		    t->message, sizeof t->message, "%s", sqlite3_errmsg(qpool_sqlite_db(&lease)));
	}
	(void)(half && i % 10 == 0 ? qpool_discard(&lease) : qpool_release(&lease));
}

static void *
run_teller(void *arg)
{
	for (int i = 0; i < TRANSFERS; i++)
		transfer(arg, i);
	return NULL;
}

static void
many_tellers(void **state)
{
	kit *k = *state;
	qpool_sqlite_options sqlite = qpool_sqlite_options_init();
	pthread_t threads[THREADS];
	teller tellers[THREADS];
	qpool_stats stats = qpool_stats_init();
	qpool_lease lease;
	qpool *pool;

	make_accounts(k);
	sqlite.busy_timeout = QPOOL_SEC(60);
	sqlite.at_open = "PRAGMA synchronous = off";
	sqlite.strict = 1;
	pool = make_pool(k->path, &sqlite, 3);
	for (int i = 0; i < THREADS; i++) {
		tellers[i] = (teller){.pool = pool, .seed = (unsigned)i};
		assert_int_equal(pthread_create(&threads[i], NULL, run_teller, &tellers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < THREADS; i++)
		if (tellers[i].failed != 0)
			fail_msg("teller %d: %s", i, tellers[i].message);
	assert_int_equal(kit_number(take(pool, &lease), "SELECT sum(amount) FROM account"), 400);
	put(&lease);
	qpool_get_stats(pool, &stats);
	assert_int_equal(stats.resets_failed, 0);
	assert_int_equal(stats.closes[QPOOL_WHY_DISCARDED], THREADS * TRANSFERS / 10);
	end(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(a_pool_and_nothing_left),
	    KIT_TEST(create_refuses),
	    KIT_TEST(detached_ones_outlive_the_pool),
	    KIT_TEST(no_connection_in_other_leases),
	    KIT_TEST(wrapped_ops),
	    KIT_TEST(the_next_holder_sees_no_transaction),
	    KIT_TEST(strict_gives_the_next_holder_another),
	    KIT_TEST(a_discarded_one_locks_nobody_out),
	    KIT_TEST(a_replaced_file_is_opened_anew),
	    KIT_TEST(denied),
	    KIT_TEST(locked),
	    KIT_TEST(many_tellers),
	};

	return cmocka_run_group_tests_name("sqlite_pool", tests, NULL, NULL);
}
