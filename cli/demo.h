/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * demo: what the files of `queuepool demo` share: the bank, a phase, its outcome and the proof.
 *
 * The bank. ACCOUNTS accounts of START each.  A reader adds up all balances in one statement and must find
 * what the bank began with.  A transfer moves money between two accounts and writes a row into the ledger,
 * in one transaction; its teller (the thread) acknowledges it only after COMMIT said so.  Ledger rows are
 * numbered by their teller, without a constraint: a doubled one would stand there to be found.
 */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include <stdio.h>

#include <sqlite3.h>

#include "lender.h"
#include "load.h"

#define DEMO_ACCOUNTS 100
#define DEMO_START    1000

struct demo_asked {
	uint32_t capacity, threads;
	qpool_nsec duration; /* of each phase */
};

/* ---- the bank (demo_bank.c) ----------------------------------------------------------- */

enum bank_answer {
	BANK_DONE,
	BANK_BUSY,  /* somebody else writes; nothing happened, ask again */
	BANK_WRONG, /* the sum is not what it must be */
	BANK_FAILED,
};

struct bank_transfer {
	uint32_t teller;
	uint32_t number; /* of this teller: 0, 1, 2 ... */
	uint32_t payer, payee, amount;
	bool walk_away; /* leave it half done, the transaction open: whoever lends must clean up */
};

/* The ops of connections to the bank, for a tap; as qpool_sqlite_ops. */
qpool_err bank_ops(const char *path, qpool_ops *ops, void **user, qpool_error *error);
/* An empty bank through a connection that is open. */
qpool_err bank_found(sqlite3 *db, qpool_error *error);
/* Is the connection as new: no transaction of an earlier holder open? */
bool bank_is_clean(sqlite3 *db);
enum bank_answer bank_read(sqlite3 *db, qpool_error *error);
enum bank_answer bank_move(sqlite3 *db, const struct bank_transfer *transfer, qpool_error *error);

/* ---- a phase (demo_phase.c) ------------------------------------------------------------ */

struct demo_phase {
	const char *name;
	const char *doing;
	bool pooled;
	qpool_nsec max_overtake; /* 0: the pool's default */
	uint32_t failing;        /* of 10,000 callbacks */
};

struct demo_teller {
	uint32_t acknowledged; /* transfers; also the number of the next one */
	uint64_t reads, busy, walked_away, wrong_sums, unclean;
};

/* What the books say after a phase (demo_proof.c). */
struct demo_books {
	uint64_t acknowledged; /* by the tellers */
	uint64_t rows, distinct;
	uint64_t tellers_off; /* whose ledger rows are not exactly those they acknowledged */
	uint64_t accounts, accounts_off; /* whose balance is not what the ledger adds up to */
	int64_t sum;
	bool intact; /* quick_check */
	bool good;
};

/* What the pool has when all is quiet. */
struct demo_slots {
	bool asked; /* there was a pool */
	uint32_t max_size, idle, empty;
	uint32_t lent_at_once;
	bool one_more_refused, all_distinct, exact;
	uint64_t opened, closed; /* counted by the tap, after qpool_free */
	bool counts_agree;       /* the pool's own counts and the tap's */
	bool good;
};

struct demo_outcome {
	const struct demo_phase *phase;
	bool ran;
	struct load_result load;
	struct demo_teller all; /* summed over the tellers */
	uint64_t opens, open_peak, on_purpose;
	uint64_t open_failures, check_failures, reset_failures;
	struct demo_books books;
	struct demo_slots slots;
};

/* EXIT_OK, or the line is said.  A proof that fails is in the outcome, not in the exit code. */
int demo_phase_run(
    const struct demo_asked *asked, const struct demo_phase *phase, struct demo_outcome *out);

qpool_err demo_prove_books(sqlite3 *db, const struct demo_teller *tellers, uint32_t count,
    struct demo_books *out, qpool_error *error);
/* All threads have ended and nothing fails on purpose any more.  patience: for each slot.  The closing
 * counts are the caller's. */
void demo_prove_slots(struct lender *lender, qpool_nsec patience, struct demo_slots *out);

/* ---- the report (demo_report.c) -------------------------------------------------------- */

void demo_report(const struct demo_outcome *outcomes, size_t count, FILE *out);
/* True when every proof holds. */
bool demo_report_proof(const struct demo_outcome *outcomes, size_t count, FILE *out);

#endif
