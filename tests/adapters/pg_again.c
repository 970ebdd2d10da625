/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_again: transactions that run again, how often, and those that never do as nobody knows what became
 * of them.
 */
#include "pg_call_kit.h"

#include <stdio.h>

#define PATIENCE QPOOL_SEC(60)
#define SHORTLY  QPOOL_MSEC(50)

/* ---- again -------------------------------------------------------------------------- */

static void
update_meanwhile(void *user)
{
	pg_do(((kit *)user)->server, "UPDATE tx SET b = b + 10");
}

/* Another has changed what this one has seen. */
static void
a_serialization_failure(void **state)
{
	kit *k = *state;
	kit_script s = {.sql = {"SELECT b FROM tx", "UPDATE tx SET b = b + 1"},
	    .meanwhile = update_meanwhile,
	    .user = k};
	qpool_pg_transaction_options options = qpool_pg_transaction_options_init();

	kit_with_table(k);
	pg_do(k->server, "INSERT INTO tx VALUES (1, 0)");
	kit_pool(k, NULL);
	options.isolation_level = QPOOL_PG_REPEATABLE_READ;
	assert_int_equal(kit_transact(k, &options, &s), QPOOL_OK);
	kit_assert_blank(k);
	assert_int_equal(s.runs, 2);
	assert_int_equal(pg_count(k->server, "SELECT b FROM tx"), 11);
	kit_assert_idle(k);
}

/* Two that each see the table without what the other one writes; `other` is the first to commit. */
static void
commit_meanwhile(void *user)
{
	kit *k = user;

	kit_exec(k, &k->other, "BEGIN ISOLATION LEVEL SERIALIZABLE");
	kit_exec(k, &k->other, "INSERT INTO tx SELECT count(*) FROM tx");
	kit_exec(k, &k->lease, "INSERT INTO tx SELECT count(*) FROM tx");
	kit_exec(k, &k->other, "COMMIT");
}

static void
a_serialization_failure_at_commit(void **state)
{
	kit *k = *state;
	kit_script s = {
	    .sql = {"SELECT count(*) FROM tx"}, .meanwhile = commit_meanwhile, .user = k};
	qpool_pg_transaction_options options = qpool_pg_transaction_options_init();

	kit_with_table(k);
	kit_pool(k, NULL);
	kit_acquire(k, &k->other);
	options.isolation_level = QPOOL_PG_SERIALIZABLE;
	options.retries = QPOOL_ZERO32;
	kit_assert_failed(
	    k, kit_transact(k, &options, &s), QPOOL_EPEER, "40001", "COMMIT: could not serialize");
	kit_expect_rows(k, 1);
	s.runs = 0;
	options.retries = 1;
	assert_int_equal(kit_transact(k, &options, &s), QPOOL_OK);
	assert_int_equal(s.runs, 2);
	kit_assert_idle(k);
}

static void
expect_runs(kit *k, uint32_t retries, unsigned runs)
{
	kit_script s = {.sql = {"INSERT INTO tx VALUES (1)"}};
	qpool_pg_transaction_options options = qpool_pg_transaction_options_init();

	options.retries = retries;
	kit_assert_failed(k, kit_transact(k, &options, &s), QPOOL_EPEER, "40P01", "COMMIT: again");
	assert_int_equal(s.runs, runs);
	kit_expect_rows(k, 0);
}

static void
so_often_and_no_more(void **state)
{
	kit *k = *state;

	kit_with_table(k);
	kit_at_commit(k, "RAISE EXCEPTION 'again' USING ERRCODE = '40P01'");
	kit_pool(k, NULL);
	expect_runs(k, 0, 4);
	expect_runs(k, QPOOL_ZERO32, 1);
	expect_runs(k, 1, 2);
	expect_runs(k, 9, 10);
	kit_assert_idle(k);
}

/* What a body says in its own name counts too: it may have asked libpq itself. */
static qpool_err
claim_40001(void *user, qpool_lease *lease, qpool_error *error)
{
	unsigned *runs = user;

	(void)lease;
	if (++*runs == 3)
		return QPOOL_OK;
	memset(error, 0, sizeof *error);
	error->code = QPOOL_EPEER;
	(void)snprintf(error->native, sizeof error->native, "40001");
	return QPOOL_EPEER;
}

static void
a_body_that_says_so(void **state)
{
	kit *k = *state;
	unsigned runs = 0;

	kit_pool(k, NULL);
	assert_int_equal(
	    qpool_pg_transaction(&k->lease, NULL, claim_40001, &runs, &k->error), QPOOL_OK);
	kit_assert_blank(k);
	assert_int_equal(runs, 3);
	kit_assert_idle(k);
}

static pthread_barrier_t both_hold_one;

static void
meet(void *user)
{
	(void)user;
	(void)pthread_barrier_wait(&both_hold_one);
}

/* The loser may be quicker than the winner, and lose again. */
static const qpool_pg_transaction_options patient = {.size = sizeof patient, .retries = 1000};

static kit_script one_way = {
    .sql = {"UPDATE tx SET b = b + 1 WHERE a = 1", "UPDATE tx SET b = b + 1 WHERE a = 2"},
    .meanwhile = meet};
static kit_script other_way = {
    .sql = {"UPDATE tx SET b = b + 1 WHERE a = 2", "UPDATE tx SET b = b + 1 WHERE a = 1"},
    .meanwhile = meet};

static qpool_err
other_work(kit *k)
{
	return qpool_pg_transaction(&k->other, &patient, kit_play, &other_way, NULL);
}

static void
a_deadlock(void **state)
{
	kit *k = *state;

	kit_with_table(k);
	pg_do(k->server, "INSERT INTO tx VALUES (1, 0), (2, 0)");
	kit_pool(k, NULL);
	kit_acquire(k, &k->other);
	kit_exec(k, &k->lease, "SET deadlock_timeout = '10ms'");
	kit_exec(k, &k->other, "SET deadlock_timeout = '10ms'");
	assert_int_equal(pthread_barrier_init(&both_hold_one, NULL, 2), 0);
	kit_start(k, other_work);
	assert_int_equal(kit_transact(k, &patient, &one_way), QPOOL_OK);
	assert_int_equal(kit_join(k), QPOOL_OK);
	assert_int_equal(pthread_barrier_destroy(&both_hold_one), 0);
	assert_true(one_way.runs + other_way.runs >= 3);
	assert_int_equal(pg_count(k->server, "SELECT sum(b) FROM tx"), 4);
	kit_assert_idle(k);
}

/* ---- bodies and losses -------------------------------------------------------------- */

static kit_script lost = {.sql = {"INSERT INTO tx VALUES (1)"}};

static qpool_err
lost_work(kit *k)
{
	return kit_transact(k, NULL, &lost);
}

static void
lost_during_commit(void **state)
{
	kit *k = *state;

	kit_with_table(k);
	kit_at_commit(k, "PERFORM pg_sleep(600)");
	kit_pool_by_proxy(k, PATIENCE);
	lost.runs = 0;
	kit_start(k, lost_work);
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(
	    k, kit_join(k), QPOOL_EUNKNOWN, "", "COMMIT lost its connection and may or may not");
	assert_int_equal(lost.runs, 1);
	kit_assert_given_up(k);
}

static void
lost_in_the_body(void **state)
{
	kit *k = *state;

	kit_pool_by_proxy(k, PATIENCE);
	lost = (kit_script){.sql = {"SELECT pg_sleep(600)"}};
	kit_start(k, lost_work);
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EPEER, "",
	    "the statement lost its connection, and with it the open transaction");
	assert_int_equal(lost.runs, 1);
	kit_assert_given_up(k);
}

static void
late_in_the_body(void **state)
{
	kit *k = *state;
	kit_script s = {.sql = {"SELECT pg_sleep(600)"}};

	kit_pool_by_proxy(k, QPOOL_MSEC(500));
	kit_assert_failed(
	    k, kit_transact(k, NULL, &s), QPOOL_ETIMEOUT, "", "got no answer within 500 ms");
	assert_int_equal(s.runs, 1);
	kit_assert_given_up(k);
}

/* A body that does not care: nothing is committed, and that is known. */
static qpool_err
ignore_a_loss(void *user, qpool_lease *lease, qpool_error *error)
{
	qpool_pg_params params = qpool_pg_params_init();

	(void)user;
	params.timeout = SHORTLY;
	assert_int_equal(
	    qpool_pg_exec(lease, "SELECT pg_sleep(600)", &params, NULL, error), QPOOL_ETIMEOUT);
	return QPOOL_OK;
}

static void
a_body_that_ignores_a_loss(void **state)
{
	kit *k = *state;

	kit_pool(k, NULL);
	kit_assert_failed(k, qpool_pg_transaction(&k->lease, NULL, ignore_a_loss, NULL, &k->error),
	    QPOOL_EPEER, "", "COMMIT was not sent: the connection of this lease is lost");
	kit_assert_given_up(k);
}

static void
lost_before_begin(void **state)
{
	kit *k = *state;
	kit_script s = {.sql = {"SELECT 1"}};

	kit_pool_by_proxy(k, PATIENCE);
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(
	    k, kit_transact(k, NULL, &s), QPOOL_EPEER, "", "BEGIN lost its connection: ");
	assert_int_equal(s.runs, 0);
	kit_assert_given_up(k);
}

/* A pooler that loses the server behind it says FATAL too, but not in the server's name. */
static void
lost_behind_a_pooler(void **state)
{
	kit *k = *state;
	char upstream[64];
	pg_bouncer_options options = {.upstream = upstream};
	pg_bouncer *bouncer;

	kit_with_table(k);
	kit_at_commit(k, "PERFORM pg_sleep(600)");
	(void)snprintf(
	    upstream, sizeof upstream, "host=127.0.0.1 port=%d", pg_proxy_port(k->proxy));
	bouncer = pg_bouncer_start(k->server, &options);
	kit_pool_at(k, pg_bouncer_conninfo(bouncer), NULL);
	kit_start_sql(k, "INSERT INTO tx VALUES (1)");
	kit_await_activity(k, "wait_event = 'PgSleep'");
	pg_proxy_set(k->proxy, PG_CUT);
	kit_assert_failed(k, kit_join(k), QPOOL_EUNKNOWN, "08P01", "may or may not");
	kit_assert_given_up(k);
	qpool_free(k->pool);
	k->pool = NULL;
	pg_bouncer_end(bouncer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    KIT_TEST(a_serialization_failure),
	    KIT_TEST(a_serialization_failure_at_commit),
	    KIT_TEST(so_often_and_no_more),
	    KIT_TEST(a_body_that_says_so),
	    KIT_TEST(a_deadlock),
	    KIT_TEST(lost_during_commit),
	    KIT_TEST(lost_in_the_body),
	    KIT_TEST(late_in_the_body),
	    KIT_TEST(a_body_that_ignores_a_loss),
	    KIT_TEST(lost_before_begin),
	    KIT_TEST(lost_behind_a_pooler),
	};

	return KIT_RUN("pg_again", tests);
}
