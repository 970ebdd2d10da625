/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sqlite_fork: real databases in real children.  With connections open at the fork SQLite cannot be used in
 * the child, and is not; with none open the child has a pool like any other.
 */
#include "sqlite_kit.h"

#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 3
#define ROWS     40

/* In a child there is no cmocka to jump to. */
#define MUST(x) ((x) ? (void)0 : die(#x, __LINE__))

static void
die(const char *what, int line)
{
	fprintf(stderr, "sqlite_fork.c:%d: in a child, must hold: %s\n", line, what);
	_exit(1);
}

static qpool *
make_pool(const kit *k, const char *journal_mode)
{
	qpool_sqlite_options sqlite = qpool_sqlite_options_init();
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool *pool = NULL;

	sqlite.journal_mode = journal_mode;
	sqlite.busy_timeout = QPOOL_SEC(60);
	options.max_size = 4;
	options.max_idle = 1;
	if (qpool_sqlite_create(&pool, k->path, &sqlite, &options, &error) != QPOOL_OK)
		fail_msg("no pool: %s", error.message);
	return pool;
}

static sqlite3 *
take(qpool *pool, qpool_lease *lease)
{
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_SEC(60), lease, &error) != QPOOL_OK)
		fail_msg("no lease: %s", error.message);
	return qpool_sqlite_db(lease);
}

static void
await(pid_t child)
{
	int status = 1;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
end(qpool *pool)
{
	assert_int_equal(qpool_close(pool, QPOOL_SEC(60)), QPOOL_OK);
	qpool_free(pool);
}

static void
assert_sound(const kit *k, int64_t rows)
{
	sqlite3 *db = kit_other(k->path);

	kit_assert_text(db, "PRAGMA integrity_check", "ok");
	assert_int_equal(kit_number(db, "SELECT count(*) FROM t"), rows);
	kit_other_close(db);
}

/* It is told why, at once; it ends what it inherited and closes its pool; then it is gone. */
static void
live_refused(qpool *pool, qpool_lease *writing)
{
	qpool_lease lease;
	qpool_error error;

	(void)alarm(60);
	MUST(qpool_acquire(pool, QPOOL_FOREVER, &lease, &error) == QPOOL_EDENIED);
	MUST(strstr(error.message, "the process was forked") != NULL);
	MUST(qpool_acquire(pool, QPOOL_FOREVER, &lease, &error) == QPOOL_EDENIED);
	MUST(qpool_release(writing) == QPOOL_EFORKED);
	MUST(qpool_close(pool, QPOOL_SEC(60)) == QPOOL_OK);
	qpool_free(pool);
	_exit(0);
}

static void
fork_inside_a_transaction(kit *k, const char *journal_mode)
{
	qpool *pool = make_pool(k, journal_mode);
	qpool_lease writing, idle;
	sqlite3 *db = take(pool, &writing);
	pid_t child;

	kit_sql(db, "CREATE TABLE t(x)");
	(void)take(pool, &idle);
	assert_int_equal(qpool_release(&idle), QPOOL_OK);
	kit_sql(db, "BEGIN IMMEDIATE");
	kit_sql(db, "INSERT INTO t VALUES (1)");
	child = fork();
	if (child == 0)
		live_refused(pool, &writing);
	await(child);
	kit_sql(db, "INSERT INTO t VALUES (2)");
	kit_sql(db, "COMMIT");
	assert_sound(k, 2);
	assert_int_equal(qpool_release(&writing), QPOOL_OK);
	db = take(pool, &writing);
	assert_int_equal(kit_number(db, "SELECT count(*) FROM t"), 2);
	assert_int_equal(qpool_release(&writing), QPOOL_OK);
	end(pool);
	assert_sound(k, 2);
}

static void
a_transaction_of_the_parent_survives_its_child(void **state)
{
	fork_inside_a_transaction(*state, "wal");
}

static void
a_transaction_in_a_rollback_journal_survives_too(void **state)
{
	fork_inside_a_transaction(*state, "delete");
}

static void
live_writing(qpool *pool)
{
	qpool_lease lease;
	qpool_error error;

	(void)alarm(120);
	for (unsigned i = 0; i < ROWS; i++) {
		MUST(qpool_acquire(pool, QPOOL_SEC(60), &lease, &error) == QPOOL_OK);
		MUST(kit_exec(qpool_sqlite_db(&lease), "INSERT INTO t VALUES (1)") == SQLITE_OK);
		MUST(qpool_release(&lease) == QPOOL_OK);
	}
	MUST(qpool_close(pool, QPOOL_SEC(60)) == QPOOL_OK);
	qpool_free(pool);
	_exit(0);
}

/* Made before the fork and first used after it, by everybody. */
static void
write_in_children(kit *k, qpool *pool)
{
	pid_t children[CHILDREN];
	qpool_lease lease;

	for (unsigned i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0)
			live_writing(pool);
	}
	for (unsigned i = 0; i < ROWS; i++) {
		kit_sql(take(pool, &lease), "INSERT INTO t VALUES (0)");
		assert_int_equal(qpool_release(&lease), QPOOL_OK);
	}
	for (unsigned i = 0; i < CHILDREN; i++)
		await(children[i]);
	assert_sound(k, (CHILDREN + 1) * ROWS);
	end(pool);
	assert_sound(k, (CHILDREN + 1) * ROWS);
}

static void
make_table(const kit *k)
{
	sqlite3 *db = kit_other(k->path);

	kit_sql(db, "CREATE TABLE t(x)");
	kit_other_close(db);
}

static void
a_pool_that_has_opened_nothing_works_in_every_child(void **state)
{
	kit *k = *state;

	make_table(k);
	write_in_children(k, make_pool(k, NULL));
}

static void
a_pool_that_has_closed_everything_works_too(void **state)
{
	kit *k = *state;
	qpool *pool = make_pool(k, NULL);
	qpool_lease lease;

	kit_sql(take(pool, &lease), "CREATE TABLE t(x)");
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	while (qpool_maintain(pool) == 0)
		; /* until its idle time of 1 ns is over by the coarse clock */
	write_in_children(k, pool);
}

/* SQLite's own rule, and why such a child is refused.  Where this fails, SQLite has learnt to fork. */
static void
beside_an_inherited_connection_a_commit_is_lost(void **state)
{
	kit *k = *state;
	sqlite3 *db = kit_other(k->path);
	int to_child[2], to_parent[2];
	char token;
	pid_t child;

	kit_sql(db, "PRAGMA journal_mode = wal");
	kit_sql(db, "CREATE TABLE t(x)");
	assert_int_equal(pipe(to_child), 0);
	assert_int_equal(pipe(to_parent), 0);
	child = fork();
	if (child == 0) {
		sqlite3 *own = kit_other(k->path);
		(void)alarm(60);
		MUST(kit_exec(own, "SELECT count(*) FROM t") == SQLITE_OK);
		MUST(write(to_parent[1], "", 1) == 1 && read(to_child[0], &token, 1) == 1);
		MUST(kit_exec(own, "INSERT INTO t VALUES (1)") == SQLITE_OK);
		_exit(0);
	}
	assert_int_equal(read(to_parent[0], &token, 1), 1);
	kit_other_close(db); /* the last one, it believes, and takes the WAL along */
	assert_int_equal(write(to_child[1], "", 1), 1);
	await(child);
	assert_sound(k, 0);
	for (unsigned i = 0; i < 2; i++) {
		(void)close(to_child[i]);
		(void)close(to_parent[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(a_transaction_of_the_parent_survives_its_child),
	    KIT_TEST(a_transaction_in_a_rollback_journal_survives_too),
	    KIT_TEST(a_pool_that_has_opened_nothing_works_in_every_child),
	    KIT_TEST(a_pool_that_has_closed_everything_works_too),
	    KIT_TEST(beside_an_inherited_connection_a_commit_is_lost),
	};

	return cmocka_run_group_tests_name("sqlite fork", tests, NULL, NULL);
}
