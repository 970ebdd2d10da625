/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_call_kit: what the tests of the helpers share: one server for the program, a pool and a lease
 * for each test, a thread that is inside a call.  Tests come in, from main's thread unless it says
 * otherwise.
 */
#ifndef PG_CALL_KIT_H
#define PG_CALL_KIT_H

#include "pg_kit.h"

#include <pthread.h>

#include <queuepool/postgres.h>

/* Of one test: made by kit_begin, taken away by kit_end however the test ended. */
typedef struct kit {
	pg_server *server;
	pg_proxy *proxy; /* passes, unless a test says otherwise */
	qpool *pool;     /* of the last kit_pool */
	qpool_lease lease, other;
	qpool_error error; /* of the last failure */
	/* The call in a thread of its own, by kit_start. */
	pthread_t thread;
	bool is_running;
	qpool_err (*work)(struct kit *k);
	const char *sql;
	qpool_err err;
} kit;

int kit_group_begin(void **state);
int kit_group_end(void **state);
int kit_begin(void **state);
int kit_end(void **state);
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, kit_begin, kit_end)
#define KIT_RUN(name, tests) \
	cmocka_run_group_tests_name(name, tests, kit_group_begin, kit_group_end)

/* A pool of up to 4, straight to the server or through the proxy, and k->lease of it. */
void kit_pool(kit *k, const qpool_pg_options *options);
void kit_pool_at(kit *k, const char *conninfo, const qpool_pg_options *pg);
void kit_pool_by_proxy(kit *k, qpool_nsec call_timeout);
void kit_acquire(kit *k, qpool_lease *lease);

/* Fails the test unless it succeeds. */
void kit_exec(kit *k, qpool_lease *lease, const char *sql);
/* The first column of the first row, by the helper; to be freed. */
char *kit_value(kit *k, qpool_lease *lease, const char *sql);
void kit_assert_value(kit *k, qpool_lease *lease, const char *sql, const char *expected);
/* What k->error must be; native "" for none.  The message is one line with the words in it. */
void kit_assert_failed(
    kit *k, qpool_err err, qpool_err code, const char *native, const char *words);
/* k->error as before any call: what a call that fails leaves filled, and one that succeeds not. */
void kit_blank(kit *k);
void kit_assert_blank(const kit *k);

/* The lease's end tells: it is closed, or it stays in the pool. */
void kit_assert_spoiled(kit *k);
void kit_assert_kept(kit *k);

/* After a loss: the next call sends nothing, leaves nothing in doubt, and the lease is spoiled. */
void kit_assert_given_up(kit *k);

/* Table tx(a int, b int), empty, everybody's; and how many rows others see in it. */
void kit_with_table(kit *k);
void kit_expect_rows(kit *k, unsigned count);
/* A trigger on it that runs during COMMIT: `code` is plpgsql. */
void kit_at_commit(kit *k, const char *code);

/* A body of a transaction: the statements, then it returns `err`. */
typedef struct kit_script {
	const char *sql[4];
	qpool_err err;
	unsigned runs;
	/* In the first run only, after the first statement. */
	void (*meanwhile)(void *user);
	void *user;
} kit_script;
qpool_err kit_play(void *user, qpool_lease *lease, qpool_error *error);
/* Runs it as a transaction of k->lease. */
qpool_err kit_transact(kit *k, const qpool_pg_transaction_options *options, kit_script *script);
/* No transaction is open, and the connection stays in the pool. */
void kit_assert_idle(kit *k);

/* Run work, or `sql` by qpool_pg_exec, on k->lease in a thread; kit_join returns its answer. */
void kit_start(kit *k, qpool_err (*work)(kit *k));
void kit_start_sql(kit *k, const char *sql);
qpool_err kit_join(kit *k);
/* Until a backend of the pool's is as the condition on pg_stat_activity says. */
void kit_await_activity(kit *k, const char *condition);
int kit_pid(const qpool_lease *lease);

#endif
