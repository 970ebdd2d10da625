/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_proof: the demo's proof can fail.  A bank is run properly, then falsified in one place at a time, and
 * a pool is made to miss a slot; each must be found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <queuepool/sqlite.h>

#include "demo.h"
#include "statement.h"

#define TELLERS   3
#define TRANSFERS 20

struct bank {
	sqlite3 *db;
	struct demo_teller tellers[TELLERS];
};

static void
open_bank(struct bank *bank)
{
	qpool_error error;
	*bank = (struct bank){.db = NULL};
	assert_int_equal(sqlite3_open(":memory:", &bank->db), SQLITE_OK);
	assert_int_equal(bank_found(bank->db, &error), QPOOL_OK);
	for (uint32_t i = 0; i < TELLERS * TRANSFERS; i++) {
		struct demo_teller *teller = &bank->tellers[i % TELLERS];
		struct bank_transfer transfer = {.teller = i % TELLERS,
		    .number = teller->acknowledged++,
		    .payer = 1 + i % DEMO_ACCOUNTS,
		    .payee = 1 + (i * 7 + 3) % DEMO_ACCOUNTS,
		    .amount = 1 + i % 5};
		assert_int_equal(bank_move(bank->db, &transfer, &error), BANK_DONE);
	}
}

static void
close_bank(struct bank *bank)
{
	statement_forget(bank->db);
	assert_int_equal(sqlite3_close(bank->db), SQLITE_OK);
}

static struct demo_books
audit(struct bank *bank)
{
	struct demo_books books = {0};
	qpool_error error;
	assert_int_equal(
	    demo_prove_books(bank->db, bank->tellers, TELLERS, &books, &error), QPOOL_OK);
	return books;
}

static struct demo_books
audit_after(const char *falsification)
{
	struct bank bank;
	open_bank(&bank);
	assert_int_equal(sqlite3_exec(bank.db, falsification, NULL, NULL, NULL), SQLITE_OK);
	assert_true(sqlite3_changes(bank.db) > 0);
	struct demo_books books = audit(&bank);
	close_bank(&bank);
	return books;
}

static void
honest_books_are_good(void **state)
{
	struct bank bank;
	(void)state;
	open_bank(&bank);
	struct demo_books books = audit(&bank);
	assert_true(books.good);
	assert_int_equal(books.rows, TELLERS * TRANSFERS);
	assert_int_equal(books.acknowledged, TELLERS * TRANSFERS);
	close_bank(&bank);
}

static void
a_lost_transfer_is_found(void **state)
{
	(void)state;
	struct demo_books books = audit_after("DELETE FROM ledger WHERE teller = 1 AND number = 7");
	assert_false(books.good);
	assert_int_equal(books.tellers_off, 1);
	assert_int_equal(books.accounts_off, 2);
}

static void
a_transfer_nobody_was_told_of_is_found(void **state)
{
	struct bank bank;
	(void)state;
	open_bank(&bank);
	bank.tellers[2].acknowledged--;
	assert_false(audit(&bank).good);
	close_bank(&bank);
}

static void
a_doubled_transfer_is_found(void **state)
{
	(void)state;
	struct demo_books books =
	    audit_after("INSERT INTO ledger SELECT * FROM ledger WHERE teller = 0 AND number = 3");
	assert_false(books.good);
	assert_int_equal(books.distinct, books.rows - 1);
}

/* The total is right, the rows are as many as they should be, and yet. */
static void
a_lost_one_is_not_made_up_for_by_a_doubled_one(void **state)
{
	(void)state;
	struct demo_books books =
	    audit_after("UPDATE ledger SET number = 3 WHERE teller = 0 AND number = 4");
	assert_false(books.good);
	assert_int_equal(books.rows, books.acknowledged);
}

static void
money_moved_past_the_ledger_is_found(void **state)
{
	(void)state;
	struct demo_books books = audit_after(
	    "UPDATE account SET balance = balance + CASE id WHEN 1 THEN 5 ELSE -5 END WHERE id < 3");
	assert_false(books.good);
	assert_int_equal(books.sum, DEMO_ACCOUNTS * DEMO_START);
	assert_int_equal(books.accounts_off, 2);
}

static void
a_reader_sees_money_that_is_missing(void **state)
{
	struct bank bank;
	qpool_error error;
	(void)state;
	open_bank(&bank);
	assert_int_equal(bank_read(bank.db, &error), BANK_DONE);
	assert_int_equal(
	    sqlite3_exec(bank.db, "UPDATE account SET balance = 0 WHERE id = 9", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(bank_read(bank.db, &error), BANK_WRONG);
	close_bank(&bank);
}

static void
who_walks_away_leaves_the_connection_unclean(void **state)
{
	struct bank bank;
	qpool_error error;
	struct bank_transfer transfer = {.payer = 1, .payee = 2, .amount = 3, .walk_away = true};
	(void)state;
	open_bank(&bank);
	assert_true(bank_is_clean(bank.db));
	assert_int_equal(bank_move(bank.db, &transfer, &error), BANK_DONE);
	assert_false(bank_is_clean(bank.db));
	assert_int_equal(sqlite3_exec(bank.db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_true(audit(&bank).good);
	close_bank(&bank);
}

static void
a_transfer_that_fails_half_way_leaves_nothing(void **state)
{
	struct bank bank;
	qpool_error error;
	struct bank_transfer transfer = {.payer = 1, .payee = 2, .amount = 3};
	(void)state;
	open_bank(&bank);
	assert_int_equal(
	    sqlite3_exec(bank.db,
		"CREATE TRIGGER no BEFORE INSERT ON ledger BEGIN SELECT raise(ABORT, 'no'); END",
		NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(bank_move(bank.db, &transfer, &error), BANK_FAILED);
	assert_true(bank_is_clean(bank.db));
	assert_true(audit(&bank).good);
	close_bank(&bank);
}

/* ---- slots ----------------------------------------------------------------------------- */

static void
make_pool(struct lender *lender)
{
	qpool_error error;
	qpool_options options = qpool_options_init();
	options.max_size = 3;
	options.acquire_timeout = QPOOL_MSEC(1);
	*lender = (struct lender){.tap = {.inner = qpool_ops_init()}};
	assert_int_equal(
	    bank_ops(":memory:", &lender->tap.inner, &lender->tap.inner_user, &error), QPOOL_OK);
	qpool_ops ops = tap_ops(&lender->tap);
	assert_int_equal(
	    qpool_create(&lender->pool, &options, &ops, &lender->tap, &error), QPOOL_OK);
}

static void
a_whole_pool_is_good(void **state)
{
	struct lender lender;
	struct demo_slots slots = {0};
	(void)state;
	make_pool(&lender);
	demo_prove_slots(&lender, QPOOL_MSEC(1), &slots);
	assert_true(slots.good);
	assert_int_equal(slots.lent_at_once, 3);
	qpool_free(lender.pool);
	assert_int_equal(lender.tap.opens, lender.tap.closes);
}

static void
a_slot_that_is_not_given_back_is_found(void **state)
{
	struct lender lender;
	struct demo_slots slots = {0};
	qpool_lease lost = QPOOL_LEASE_INIT;
	(void)state;
	make_pool(&lender);
	assert_int_equal(qpool_acquire(lender.pool, QPOOL_SEC(5), &lost, NULL), QPOOL_OK);
	demo_prove_slots(&lender, QPOOL_MSEC(1), &slots);
	assert_false(slots.good);
	assert_int_equal(slots.lent_at_once, 2);
	assert_int_equal(slots.idle + slots.empty, 2);
	qpool_release(&lost);
	qpool_free(lender.pool);
}

static void
counts_that_disagree_are_found(void **state)
{
	struct lender lender;
	struct demo_slots slots = {0};
	(void)state;
	make_pool(&lender);
	lender.tap.open_failures = 1;
	demo_prove_slots(&lender, QPOOL_MSEC(1), &slots);
	assert_false(slots.counts_agree);
	assert_false(slots.good);
	qpool_free(lender.pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(honest_books_are_good),
	    cmocka_unit_test(a_lost_transfer_is_found),
	    cmocka_unit_test(a_transfer_nobody_was_told_of_is_found),
	    cmocka_unit_test(a_doubled_transfer_is_found),
	    cmocka_unit_test(a_lost_one_is_not_made_up_for_by_a_doubled_one),
	    cmocka_unit_test(money_moved_past_the_ledger_is_found),
	    cmocka_unit_test(a_reader_sees_money_that_is_missing),
	    cmocka_unit_test(who_walks_away_leaves_the_connection_unclean),
	    cmocka_unit_test(a_transfer_that_fails_half_way_leaves_nothing),
	    cmocka_unit_test(a_whole_pool_is_good),
	    cmocka_unit_test(a_slot_that_is_not_given_back_is_found),
	    cmocka_unit_test(counts_that_disagree_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
