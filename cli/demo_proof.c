/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * demo_proof: what is asked of the books and of the pool once all is quiet.  It asks the database, not the
 * program's memory, for everything but what the tellers were told.
 */
#include "demo.h"

#include <stdlib.h>

#include "statement.h"

/* ---- the books ------------------------------------------------------------------------- */

static const char ledger_totals[] =
    "SELECT count(*), count(DISTINCT teller << 32 | number) FROM ledger";

static const char account_totals[] =
    "WITH moved(id, amount) AS ("
    " SELECT payer, -amount FROM ledger UNION ALL SELECT payee, amount FROM ledger),"
    " net(id, amount) AS (SELECT id, sum(amount) FROM moved GROUP BY id)"
    " SELECT count(*), sum(balance), sum(balance <> ?1 + coalesce(net.amount, 0))"
    " FROM account LEFT JOIN net USING (id)";

static const char by_teller[] =
    "SELECT count(*), count(DISTINCT number), min(number), max(number) FROM ledger WHERE teller = ?1";

/* The one row of a query, in `values`. */
static qpool_err
ask(sqlite3 *db, const char *sql, int64_t argument, int64_t *values, int count, qpool_error *error)
{
	sqlite3_stmt *statement = statement_of(db, sql, error);
	if (statement == NULL)
		return error->code;
	if (sqlite3_bind_parameter_count(statement) > 0)
		sqlite3_bind_int64(statement, 1, argument);
	if (sqlite3_step(statement) != SQLITE_ROW) {
		statement_error(db, error);
		sqlite3_reset(statement);
		return error->code;
	}
	for (int i = 0; i < count; i++)
		values[i] = sqlite3_column_int64(statement, i);
	sqlite3_reset(statement);
	return QPOOL_OK;
}

/* Rows 0 to acknowledged - 1, each once. */
static qpool_err
audit_teller(sqlite3 *db, uint32_t teller, const struct demo_teller *told, struct demo_books *out,
    qpool_error *error)
{
	int64_t is[4] = {0};
	int64_t count = told->acknowledged;
	qpool_err err = ask(db, by_teller, teller, is, 4, error);
	if (err != QPOOL_OK)
		return err;
	bool exact = is[0] == count && is[1] == count;
	if (count > 0)
		exact = exact && is[2] == 0 && is[3] == count - 1;
	out->tellers_off += !exact;
	out->acknowledged += told->acknowledged;
	return QPOOL_OK;
}

static qpool_err
check_file(sqlite3 *db, struct demo_books *out, qpool_error *error)
{
	sqlite3_stmt *statement = statement_of(db, "PRAGMA quick_check(1)", error);
	if (statement == NULL)
		return error->code;
	int rc = sqlite3_step(statement);
	const unsigned char *text = rc == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
	out->intact = text != NULL && sqlite3_stricmp((const char *)text, "ok") == 0;
	sqlite3_reset(statement);
	return QPOOL_OK;
}

qpool_err
demo_prove_books(sqlite3 *db, const struct demo_teller *tellers, uint32_t count,
    struct demo_books *out, qpool_error *error)
{
	int64_t ledger[2] = {0};
	int64_t accounts[3] = {0};
	qpool_err err = ask(db, ledger_totals, 0, ledger, 2, error);
	if (err == QPOOL_OK)
		err = ask(db, account_totals, DEMO_START, accounts, 3, error);
	if (err == QPOOL_OK && sqlite3_exec(db, "CREATE INDEX by_teller ON ledger (teller, number)",
				   NULL, NULL, NULL) != SQLITE_OK)
		err = statement_error(db, error);
	for (uint32_t i = 0; i < count && err == QPOOL_OK; i++)
		err = audit_teller(db, i, &tellers[i], out, error);
	if (err == QPOOL_OK)
		err = check_file(db, out, error);
	if (err != QPOOL_OK)
		return err;
	out->rows = (uint64_t)ledger[0];
	out->distinct = (uint64_t)ledger[1];
	out->accounts = (uint64_t)accounts[0];
	out->sum = accounts[1];
	out->accounts_off = (uint64_t)accounts[2];
	out->good = out->rows == out->acknowledged && out->distinct == out->rows &&
	            out->tellers_off == 0 && out->accounts == DEMO_ACCOUNTS &&
	            out->accounts_off == 0 && out->sum == (int64_t)DEMO_ACCOUNTS * DEMO_START &&
	            out->intact;
	return QPOOL_OK;
}

/* ---- the slots ------------------------------------------------------------------------- */

static uint64_t
all_closes(const qpool_stats *stats)
{
	uint64_t total = 0;
	for (size_t i = 0; i < sizeof stats->closes / sizeof stats->closes[0]; i++)
		total += stats->closes[i];
	return total;
}

static bool
counts_agree(const qpool_stats *stats, const struct tap *tap)
{
	return stats->opens == tap->opens && all_closes(stats) == tap->closes &&
	       stats->opens - all_closes(stats) == stats->idle &&
	       stats->open_failures == tap->open_failures &&
	       stats->checks_failed == tap->check_failures &&
	       stats->resets_failed == tap->reset_failures;
}

static bool
all_distinct(const qpool_lease *leases, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if (leases[i].resource == leases[k].resource)
				return false;
		}
	}
	return true;
}

/* All at once, then one more that must be refused. */
static void
lend_all(qpool *pool, qpool_nsec patience, struct demo_slots *out)
{
	qpool_lease *leases = calloc(out->max_size, sizeof *leases);
	qpool_lease extra = QPOOL_LEASE_INIT;
	if (leases == NULL)
		return;
	while (out->lent_at_once < out->max_size &&
	       qpool_acquire(pool, patience, &leases[out->lent_at_once], NULL) == QPOOL_OK)
		out->lent_at_once++;
	out->all_distinct = all_distinct(leases, out->lent_at_once);
	out->one_more_refused = qpool_acquire(pool, QPOOL_NOWAIT, &extra, NULL) == QPOOL_EAGAIN;
	qpool_release(&extra);
	for (uint32_t i = 0; i < out->lent_at_once; i++)
		qpool_release(&leases[i]);
	free(leases);
}

void
demo_prove_slots(struct lender *lender, qpool_nsec patience, struct demo_slots *out)
{
	qpool_stats stats = qpool_stats_init();
	qpool_get_stats(lender->pool, &stats);
	out->asked = true;
	out->max_size = stats.max_size;
	out->idle = stats.idle;
	out->empty = stats.empty;
	out->exact = stats.exact != 0;
	out->counts_agree = counts_agree(&stats, &lender->tap);
	lend_all(lender->pool, patience, out);
	out->good = out->exact && out->counts_agree && stats.leased == 0 && stats.waiting == 0 &&
	            out->idle + out->empty == out->max_size && out->lent_at_once == out->max_size &&
	            out->all_distinct && out->one_more_refused;
}
