/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * demo_phase: one phase from a fresh bank to its proof: found it, let the threads loose, wait for quiet,
 * examine the pool, free it, examine the books.
 */
#include "demo.h"

#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "figure.h"
#include "progress.h"
#include "say.h"
#include "statement.h"
#include "stop.h"
#include "tempdir.h"

#define TRANSFER_PERCENT  10
#define WALK_AWAY_PERCENT 1 /* of the transfers */
#define AMOUNT_MAX        10
#define PATIENCE          QPOOL_SEC(5) /* for a slot, when all is quiet */

struct phase_run {
	const struct demo_asked *asked;
	const struct demo_phase *phase;
	struct lender lender;
	struct demo_teller *tellers;
};

/* ---- one request ----------------------------------------------------------------------- */

static void
draw_transfer(struct load_thread *self, const struct demo_teller *teller, struct bank_transfer *out)
{
	out->teller = self->index;
	out->number = teller->acknowledged;
	out->payer = 1 + load_random(self, DEMO_ACCOUNTS);
	out->payee = 1 + (out->payer + load_random(self, DEMO_ACCOUNTS - 1)) % DEMO_ACCOUNTS;
	out->amount = 1 + load_random(self, AMOUNT_MAX);
	out->walk_away = load_random(self, 100) < WALK_AWAY_PERCENT;
}

static enum bank_answer
transfer(struct load_thread *self, sqlite3 *db, struct demo_teller *teller, qpool_error *error)
{
	struct bank_transfer transfer;
	draw_transfer(self, teller, &transfer);
	enum bank_answer answer = bank_move(db, &transfer, error);
	while (answer == BANK_BUSY && !load_cancelled(self)) {
		teller->busy++;
		answer = bank_move(db, &transfer, error);
	}
	if (answer == BANK_DONE && transfer.walk_away)
		teller->walked_away++;
	else if (answer == BANK_DONE)
		teller->acknowledged++;
	return answer;
}

static enum bank_answer
read_all(struct load_thread *self, sqlite3 *db, struct demo_teller *teller, qpool_error *error)
{
	enum bank_answer answer = bank_read(db, error);
	while (answer == BANK_BUSY && !load_cancelled(self)) {
		teller->busy++;
		answer = bank_read(db, error);
	}
	teller->reads += answer == BANK_DONE;
	teller->wrong_sums += answer == BANK_WRONG;
	return answer;
}

static enum load_outcome
request(struct load_thread *self, void *user, qpool_error *error)
{
	struct phase_run *run = user;
	struct demo_teller *teller = &run->tellers[self->index];
	struct loan loan;
	qpool_err err = lender_take(&run->lender, self, &loan, error);
	if (err != QPOOL_OK)
		return err == QPOOL_ECANCEL ? LOAD_CANCELLED : LOAD_FAILED;
	teller->unclean += !bank_is_clean(loan.resource);
	enum bank_answer answer = load_random(self, 100) < TRANSFER_PERCENT
	                              ? transfer(self, loan.resource, teller, error)
	                              : read_all(self, loan.resource, teller, error);
	if (answer == BANK_FAILED)
		lender_give_broken(&run->lender, &loan);
	else
		lender_give(&run->lender, &loan);
	if (answer == BANK_BUSY)
		return LOAD_CANCELLED;
	return answer == BANK_FAILED ? LOAD_FAILED : LOAD_SERVED;
}

/* ---- the phase ------------------------------------------------------------------------- */

static void
watch(const struct load_progress *progress, void *user)
{
	struct phase_run *run = user;
	char text[160];
	double seconds = (double)progress->elapsed / 1e9;
	int at = snprintf(text, sizeof text, "%s requests/s, %s open",
	    figure_rate(seconds > 0 ? (double)progress->served / seconds : 0).text,
	    figure_count(tap_open_now(&run->lender.tap)).text);
	if (run->phase->failing > 0)
		snprintf(text + at, sizeof text - (size_t)at, ", %s failed",
		    figure_count(run->lender.tap.on_purpose).text);
	progress_show(progress->share, text);
}

static int
say_error(const struct phase_run *run, const char *step, const qpool_error *error)
{
	return say_failed("demo: %s: %s: %s", run->phase->name, step, error->message);
}

/* Found or prove through a connection outside the pool; `work` gets it. */
static int
with_connection(struct phase_run *run,
    qpool_err (*work)(struct phase_run *run, sqlite3 *db, void *out, qpool_error *error), void *out,
    const char *doing)
{
	qpool_ops ops = qpool_ops_init();
	qpool_step step = {.size = sizeof step, .budget = QPOOL_SEC(10)};
	qpool_error error = {.code = QPOOL_OK};
	void *user = NULL;
	void *db = NULL;
	qpool_err err = bank_ops(tempdir_database(), &ops, &user, &error);
	if (err != QPOOL_OK)
		return say_error(run, doing, &error);
	err = ops.open(user, &step, &db, &error);
	if (err == QPOOL_OK) {
		err = work(run, db, out, &error);
		run->lender.tap.parting(db);
		ops.close(user, db, QPOOL_WHY_CLOSED);
	}
	if (ops.destroy != NULL)
		ops.destroy(user);
	return err == QPOOL_OK ? EXIT_OK : say_error(run, doing, &error);
}

static qpool_err
found(struct phase_run *run, sqlite3 *db, void *out, qpool_error *error)
{
	(void)run;
	(void)out;
	return bank_found(db, error);
}

static qpool_err
prove(struct phase_run *run, sqlite3 *db, void *out, qpool_error *error)
{
	return demo_prove_books(db, run->tellers, run->asked->threads, out, error);
}

static int
make_pool(struct phase_run *run)
{
	const struct demo_phase *phase = run->phase;
	qpool_options options = qpool_options_init();
	qpool_ops ops = tap_ops(&run->lender.tap);
	qpool_error error = {.code = QPOOL_OK};
	options.name = phase->name;
	options.max_size = run->asked->capacity;
	options.max_overtake = phase->max_overtake;
	if (phase->failing > 0)
		options.check_after = QPOOL_ZERO; /* or no check would ever run here, to fail */
	if (qpool_create(&run->lender.pool, &options, &ops, &run->lender.tap, &error) != QPOOL_OK)
		return say_error(run, "making the pool", &error);
	return EXIT_OK;
}

static int
let_loose(struct phase_run *run, struct load_result *result)
{
	struct load_plan plan = {
	    .threads = run->asked->threads,
	    .duration = run->asked->duration,
	    .request = request,
	    .user = run,
	    .watch = watch,
	    .watch_user = run,
	};
	char text[160];
	qpool_error error = {.code = QPOOL_OK};
	progress_begin(run->phase->name, run->phase->doing);
	atomic_store(&run->lender.tap.failing, run->phase->failing);
	qpool_err err = load_execute(&plan, result, &error);
	atomic_store(&run->lender.tap.failing, 0);
	if (err != QPOOL_OK)
		return say_error(run, "starting the threads", &error);
	snprintf(text, sizeof text, "%s requests in %s%s", figure_count(result->served).text,
	    figure_duration(result->elapsed).text, stop_signal() ? ", stopped early" : "");
	progress_end(text);
	return EXIT_OK;
}

static void
sum_up(const struct phase_run *run, struct demo_outcome *out)
{
	const struct tap *tap = &run->lender.tap;
	for (uint32_t i = 0; i < run->asked->threads; i++) {
		const struct demo_teller *teller = &run->tellers[i];
		out->all.acknowledged += teller->acknowledged;
		out->all.reads += teller->reads;
		out->all.busy += teller->busy;
		out->all.walked_away += teller->walked_away;
		out->all.wrong_sums += teller->wrong_sums;
		out->all.unclean += teller->unclean;
	}
	out->opens = tap->opens;
	out->open_peak = tap->open_peak;
	out->on_purpose = tap->on_purpose;
	out->open_failures = tap->open_failures;
	out->check_failures = tap->check_failures;
	out->reset_failures = tap->reset_failures;
}

/* Once the pool is gone, what was opened must be closed. */
static void
close_down(struct phase_run *run, struct demo_outcome *out)
{
	qpool_ops ops = tap_ops(&run->lender.tap);
	if (run->lender.pool != NULL)
		qpool_free(run->lender.pool);
	else
		ops.destroy(&run->lender.tap);
	out->slots.opened = run->lender.tap.opens;
	out->slots.closed = run->lender.tap.closes;
	out->slots.good = out->slots.good && out->slots.opened == out->slots.closed;
}

static int
run_phase(struct phase_run *run, struct demo_outcome *out)
{
	int code = with_connection(run, found, NULL, "founding the bank");
	if (code != EXIT_OK)
		return code;
	qpool_error error = {.code = QPOOL_OK};
	struct tap *tap = &run->lender.tap;
	if (bank_ops(tempdir_database(), &tap->inner, &tap->inner_user, &error) != QPOOL_OK)
		return say_error(run, "preparing", &error);
	code = run->phase->pooled ? make_pool(run) : EXIT_OK;
	if (code == EXIT_OK) {
		code = let_loose(run, &out->load);
		sum_up(run, out);
		out->slots.good = true;
		if (run->lender.pool != NULL)
			demo_prove_slots(&run->lender, PATIENCE, &out->slots);
	}
	close_down(run, out);
	if (code == EXIT_OK)
		code = with_connection(run, prove, &out->books, "examining the books");
	return code;
}

int
demo_phase_run(
    const struct demo_asked *asked, const struct demo_phase *phase, struct demo_outcome *out)
{
	struct phase_run run = {.asked = asked, .phase = phase};
	run.lender.tap.inner = qpool_ops_init();
	run.lender.tap.parting = statement_forget;
	run.tellers = calloc(asked->threads, sizeof *run.tellers);
	if (run.tellers == NULL)
		return say_failed("demo: out of memory");
	memset(out, 0, sizeof *out);
	out->phase = phase;
	int code = run_phase(&run, out);
	out->ran = code == EXIT_OK;
	free(run.tellers);
	tempdir_empty();
	return code;
}
