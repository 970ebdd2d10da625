/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * demo_report: the table, what it means in words, and the proof.  Every word that depends on a figure is
 * chosen by that figure: where pooling or fairness bought nothing, it says so.
 */
#include "demo.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "figure.h"
#include "table.h"
#include "terminal.h"

#define SAME 0.05 /* figures nearer than this are called equal */

typedef struct figure_text cell_fn(const struct demo_outcome *outcome);

static double
rate(const struct demo_outcome *outcome)
{
	const struct load_result *load = &outcome->load;
	return load->elapsed > 0 ? (double)load->served * 1e9 / (double)load->elapsed : 0;
}

/* What the least served thread got of what the most served one got. */
static double
evenness(const struct demo_outcome *outcome)
{
	return outcome->load.most > 0 ? (double)outcome->load.least / (double)outcome->load.most
	                              : 0;
}

static int64_t
cpu_each(const struct demo_outcome *outcome)
{
	return outcome->load.served > 0 ? outcome->load.cpu / (int64_t)outcome->load.served : 0;
}

/* ---- the table ------------------------------------------------------------------------- */

static struct figure_text
dash_when(bool nothing, struct figure_text figure)
{
	if (nothing)
		figure.text[0] = '\0';
	return figure;
}

static struct figure_text
cell_rate(const struct demo_outcome *outcome)
{
	return figure_rate(rate(outcome));
}

static struct figure_text
cell_wait_p50(const struct demo_outcome *outcome)
{
	return figure_duration(hist_percentile(&outcome->load.wait, 0.5));
}

static struct figure_text
cell_wait_p99(const struct demo_outcome *outcome)
{
	return figure_duration(hist_percentile(&outcome->load.wait, 0.99));
}

static struct figure_text
cell_wait_max(const struct demo_outcome *outcome)
{
	return figure_duration((int64_t)outcome->load.wait.max);
}

static struct figure_text
cell_whole_p99(const struct demo_outcome *outcome)
{
	return figure_duration(hist_percentile(&outcome->load.whole, 0.99));
}

static struct figure_text
cell_opens(const struct demo_outcome *outcome)
{
	return figure_count(outcome->opens);
}

static struct figure_text
cell_peak(const struct demo_outcome *outcome)
{
	return figure_count(outcome->open_peak);
}

static struct figure_text
cell_least(const struct demo_outcome *outcome)
{
	return figure_count(outcome->load.least);
}

static struct figure_text
cell_most(const struct demo_outcome *outcome)
{
	return figure_count(outcome->load.most);
}

static struct figure_text
cell_cpu(const struct demo_outcome *outcome)
{
	return figure_duration(cpu_each(outcome));
}

static struct figure_text
cell_busy(const struct demo_outcome *outcome)
{
	return figure_count(outcome->all.busy);
}

static struct figure_text
cell_walked_away(const struct demo_outcome *outcome)
{
	return figure_count(outcome->all.walked_away);
}

static struct figure_text
cell_failures(const struct demo_outcome *outcome)
{
	uint64_t all = outcome->open_failures + outcome->check_failures + outcome->reset_failures;
	return dash_when(all == 0, figure_count(all));
}

static struct figure_text
cell_failed(const struct demo_outcome *outcome)
{
	return figure_count(outcome->load.failed);
}

static const struct {
	const char *label;
	cell_fn *cell;
} rows[] = {
    {"requests per second", cell_rate},
    {"wait p50", cell_wait_p50},
    {"wait p99", cell_wait_p99},
    {"wait max", cell_wait_max},
    {"whole request p99", cell_whole_p99},
    {"connections opened", cell_opens},
    {"open at once, at most", cell_peak},
    {"least served thread", cell_least},
    {"most served thread", cell_most},
    {"CPU per request", cell_cpu},
    {"begun again (SQLITE_BUSY)", cell_busy},
    {"left half done, undone", cell_walked_away},
    {"callbacks that failed", cell_failures},
    {"requests that failed", cell_failed},
};

static void
print_table(const struct demo_outcome *outcomes, size_t count, FILE *out)
{
	const char *names[TABLE_COLUMNS_MAX];
	for (size_t i = 0; i < count; i++)
		names[i] = outcomes[i].phase->name;
	table_heading(out, names, count);
	for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
		struct figure_text figures[TABLE_COLUMNS_MAX];
		const char *cells[TABLE_COLUMNS_MAX];
		for (size_t i = 0; i < count; i++) {
			figures[i] = rows[row].cell(&outcomes[i]);
			cells[i] = figures[i].text;
		}
		table_row(out, rows[row].label, cells, count);
	}
}

/* ---- in words -------------------------------------------------------------------------- */

static void sentence(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
sentence(FILE *out, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	table_sentence(out, text);
}

static void
say_pooling(const struct demo_outcome *pooled, const struct demo_outcome *without, FILE *out)
{
	double factor = rate(without) > 0 ? rate(pooled) / rate(without) : 0;
	char verdict[96];
	if (rate(without) <= 0 || rate(pooled) <= 0)
		snprintf(
		    verdict, sizeof verdict, "Pooling cannot be compared: a phase served nothing");
	else if (factor >= 1 + SAME)
		snprintf(verdict, sizeof verdict, "Pooling served %s the requests",
		    figure_times(factor).text);
	else if (factor > 1 - SAME)
		snprintf(verdict, sizeof verdict, "Pooling bought no throughput here (%.2f times)",
		    factor);
	else
		snprintf(
		    verdict, sizeof verdict, "Pooling cost throughput here (%.2f times)", factor);
	sentence(out,
	    "%s. It opened %s connections, %s at once; without it %s, %s at once. A request took %s of "
	    "CPU; without it %s.",
	    verdict, figure_count(pooled->opens).text, figure_count(pooled->open_peak).text,
	    figure_count(without->opens).text, figure_count(without->open_peak).text,
	    figure_duration(cpu_each(pooled)).text, figure_duration(cpu_each(without)).text);
}

static const char *
price_of_fairness(double factor, char *out, size_t room)
{
	if (factor < 1 - SAME)
		snprintf(out, room, "for %s of the throughput", figure_percent(1 - factor).text);
	else if (factor > 1 + SAME)
		snprintf(out, room, "and %s more throughput", figure_percent(factor - 1).text);
	else
		snprintf(out, room, "at no cost in throughput");
	return out;
}

static void
say_fairness(const struct demo_outcome *fair, const struct demo_outcome *unfair, FILE *out)
{
	char price[96];
	double factor = rate(unfair) > 0 ? rate(fair) / rate(unfair) : 0;
	bool shorter = (double)fair->load.wait.max < (double)unfair->load.wait.max * (1 - SAME);
	bool evener = evenness(fair) > evenness(unfair) + SAME;
	const char *verdict = shorter && evener
	                          ? "Fairness shortened the longest wait and evened out the shares"
	                      : shorter ? "Fairness shortened the longest wait"
	                      : evener  ? "Fairness evened out the shares"
	                                : "Fairness bought nothing here";
	sentence(out,
	    "%s, %s: nobody waited longer than %s, and the least served thread got %s of what the most "
	    "served one got; without it %s, and %s.",
	    verdict, price_of_fairness(factor, price, sizeof price),
	    figure_duration((int64_t)fair->load.wait.max).text, figure_percent(evenness(fair)).text,
	    figure_duration((int64_t)unfair->load.wait.max).text,
	    figure_percent(evenness(unfair)).text);
}

static void
say_failures(const struct demo_outcome *pooled, const struct demo_outcome *failing, FILE *out)
{
	char noticed[64] = "no request noticed";
	if (failing->load.failed > 0)
		snprintf(noticed, sizeof noticed, "%s requests failed",
		    figure_count(failing->load.failed).text);
	sentence(out,
	    "Failures: %s callbacks failed on purpose (in all %s opens, %s checks, %s resets failed); %s. "
	    "Throughput was %s of the pool's without failures, which does not check each time.",
	    figure_count(failing->on_purpose).text, figure_count(failing->open_failures).text,
	    figure_count(failing->check_failures).text, figure_count(failing->reset_failures).text,
	    noticed, figure_percent(rate(pooled) > 0 ? rate(failing) / rate(pooled) : 0).text);
}

static const struct demo_outcome *
find(const struct demo_outcome *outcomes, size_t count, const struct demo_outcome *but, bool pooled,
    bool fair, bool failing)
{
	for (size_t i = 0; i < count; i++) {
		const struct demo_phase *phase = outcomes[i].phase;
		if (&outcomes[i] != but && phase->pooled == pooled &&
		    (phase->failing > 0) == failing && (phase->max_overtake == 0) == fair)
			return &outcomes[i];
	}
	return NULL;
}

void
demo_report(const struct demo_outcome *outcomes, size_t count, FILE *out)
{
	const struct demo_outcome *pooled = find(outcomes, count, NULL, true, true, false);
	const struct demo_outcome *without = find(outcomes, count, NULL, false, true, false);
	const struct demo_outcome *unfair = find(outcomes, count, NULL, true, false, false);
	const struct demo_outcome *failing = find(outcomes, count, NULL, true, true, true);
	print_table(outcomes, count, out);
	fputc('\n', out);
	if (pooled != NULL && without != NULL)
		say_pooling(pooled, without, out);
	if (pooled != NULL && unfair != NULL)
		say_fairness(pooled, unfair, out);
	if (pooled != NULL && failing != NULL)
		say_failures(pooled, failing, out);
}

/* ---- the proof ------------------------------------------------------------------------- */

struct totals {
	uint64_t phases, acknowledged, rows, distinct, tellers_off, accounts_off, reads, wrong_sums;
	uint64_t walked_away, unclean, opened, closed;
	uint64_t pools, slots, accounted_for, lent, refused, agreeing, distinct_pools, intact;
	uint64_t served, failed; /* requests through a pool */
	int64_t money;
};

static struct totals
add_up(const struct demo_outcome *outcomes, size_t count)
{
	struct totals t = {.phases = count};
	for (size_t i = 0; i < count; i++) {
		const struct demo_outcome *o = &outcomes[i];
		t.acknowledged += o->books.acknowledged;
		t.rows += o->books.rows;
		t.distinct += o->books.distinct;
		t.tellers_off += o->books.tellers_off;
		t.accounts_off += o->books.accounts_off;
		t.money += o->books.sum;
		t.intact += o->books.intact;
		t.reads += o->all.reads;
		t.wrong_sums += o->all.wrong_sums;
		t.walked_away += o->all.walked_away;
		t.unclean += o->all.unclean;
		t.opened += o->slots.opened;
		t.closed += o->slots.closed;
		t.pools += o->slots.asked;
		t.served += o->slots.asked ? o->load.served : 0;
		t.failed += o->slots.asked ? o->load.failed : 0;
		t.slots += o->slots.max_size;
		t.accounted_for += o->slots.idle + o->slots.empty;
		t.lent += o->slots.lent_at_once;
		t.refused += o->slots.one_more_refused;
		t.agreeing += o->slots.counts_agree && o->slots.exact;
		t.distinct_pools += o->slots.all_distinct;
	}
	return t;
}

static bool fact(FILE *out, bool holds, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool
fact(FILE *out, bool holds, const char *what, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(out, "  %s%-6s%s  %-15s %s\n", terminal_paint(out, holds ? PAINT_GOOD : PAINT_BAD),
	    holds ? "ok" : "FAILED", terminal_paint(out, PAINT_PLAIN), what, text);
	return holds;
}

static bool
prove_transfers(const struct totals *t, FILE *out)
{
	bool good = fact(out, t->rows == t->acknowledged && t->tellers_off == 0, "none lost",
	    "%s transfers acknowledged, %s in the ledgers", figure_count(t->acknowledged).text,
	    figure_count(t->rows).text);
	good &= fact(out, t->distinct == t->rows, "none doubled", "%s of %s ledger rows are unique",
	    figure_count(t->distinct).text, figure_count(t->rows).text);
	int64_t expected = (int64_t)t->phases * DEMO_ACCOUNTS * DEMO_START;
	good &= fact(out, t->money == expected && t->accounts_off == 0 && t->intact == t->phases,
	    "money kept", "%" PRId64 " of %" PRId64 "; %s balances differ from the ledger",
	    t->money, expected, figure_count(t->accounts_off).text);
	good &= fact(out, t->wrong_sums == 0, "no half seen", "%s of %s readers saw all of it",
	    figure_count(t->reads).text, figure_count(t->reads + t->wrong_sums).text);
	good &= fact(out, t->unclean == 0, "nothing leaks",
	    "%s left mid-transfer; %s reached the next holder", figure_count(t->walked_away).text,
	    figure_count(t->unclean).text);
	return good;
}

static bool
prove_pools(const struct totals *t, FILE *out)
{
	bool good = true;
	if (t->pools > 0) {
		good &=
		    fact(out, t->failed == 0, "all served", "%s requests through pools, %s failed",
			figure_count(t->served).text, figure_count(t->failed).text);
		good &= fact(out, t->accounted_for == t->slots, "no slot lost",
		    "%s of %s idle or empty once all was quiet",
		    figure_count(t->accounted_for).text, figure_count(t->slots).text);
		good &= fact(out,
		    t->lent == t->slots && t->refused == t->pools && t->distinct_pools == t->pools,
		    "all usable", "%s of %s lent at once; %s of %s pools refused one more",
		    figure_count(t->lent).text, figure_count(t->slots).text,
		    figure_count(t->refused).text, figure_count(t->pools).text);
		good &= fact(out, t->agreeing == t->pools, "counts true",
		    "%s of %s pools report what was counted outside",
		    figure_count(t->agreeing).text, figure_count(t->pools).text);
	}
	good &= fact(out, t->opened == t->closed, "none left open", "%s opened, %s closed",
	    figure_count(t->opened).text, figure_count(t->closed).text);
	return good;
}

bool
demo_report_proof(const struct demo_outcome *outcomes, size_t count, FILE *out)
{
	struct totals t = add_up(outcomes, count);
	fputs("\nproof\n", out);
	bool good = prove_transfers(&t, out);
	good &= prove_pools(&t, out);
	/* what sums could hide: each phase by itself */
	for (size_t i = 0; i < count; i++) {
		if (!outcomes[i].books.good || !outcomes[i].slots.good)
			good &= fact(out, false, outcomes[i].phase->name,
			    "its own %s do not add up", outcomes[i].books.good ? "slots" : "books");
	}
	return good;
}
