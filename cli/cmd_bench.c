/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_bench: many threads, one pool, the user's own database and SQL.  Everything that can be wrong with
 * what was asked is found before the first thread starts.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alone.h"
#include "args.h"
#include "bench.h"
#include "duration.h"
#include "figure.h"
#include "outfile.h"
#include "progress.h"
#include "say.h"
#include "stop.h"
#include "textfile.h"

#define CAPACITY_USUAL 8u
#define CAPACITY_MAX   65535u
#define COUNT_MAX      1000000000000u

const char cmd_bench_help[] =
    "usage: queuepool bench URL [OPTION ...]\n"
    "\n"
    "Many threads take connections from a pool, run SQL and give them back; says how\n"
    "many requests a second that makes, how long they wait, and how evenly they are\n"
    "served.  The database must exist; the default SQL only reads.\n"
    "\n" TARGET_URL_HELP "      --capacity N  connections in the pool, 1 to 65,535 (8)\n"
    "      --threads N   threads that make requests, 1 to 10,000 (64)\n"
    "      --seconds S   how long: 5, 0.5 or a duration, at most 24h (5)\n"
    "      --count N     how many requests instead\n"
    "      --sql TEXT    what a request runs, one or more statements (SELECT 1);\n"
    "                    with smtp:// NOOP, or a mail with From: and To:;\n"
    "                    with redis:// or unix: commands, one a line (PING)\n"
    "      --sql-file F  the same from a file\n"
    "      --hold D      keep the connection so much longer each time, as in 5ms (0)\n"
    "      --no-pool     open and close a connection for each request, to compare\n" TARGET_WISHES_HELP
    "      --json F      write the figures to F as JSON; - is standard output\n"
    "  -h, --help        this text\n"
    "\n"
    "Durations have units: ns us ms s min h.\n"
    "exit code: 0 measured, 1 some request failed, 2 what was asked for is wrong,\n"
    "           130 or 143 stopped by Ctrl-C or SIGTERM\n";

enum {
	CAPACITY = ARGS_LONG_ONLY,
	THREADS,
	SECONDS,
	COUNT,
	SQL,
	SQL_FILE,
	HOLD,
	NO_POOL,
	RESET,
	POOLER,
	JSON
};

static const struct option long_options[] = {
    {"capacity", required_argument, NULL, CAPACITY},
    {"threads", required_argument, NULL, THREADS},
    {"seconds", required_argument, NULL, SECONDS},
    {"count", required_argument, NULL, COUNT},
    {"sql", required_argument, NULL, SQL},
    {"sql-file", required_argument, NULL, SQL_FILE},
    {"hold", required_argument, NULL, HOLD},
    {"no-pool", no_argument, NULL, NO_POOL},
    {"reset", required_argument, NULL, RESET},
    {"pooler", required_argument, NULL, POOLER},
    {"json", required_argument, NULL, JSON},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const struct args_range duration_range = {QPOOL_MSEC(1), QPOOL_SEC(24 * 3600), "1ms to 24h"};
static const struct args_range hold_range = {0, QPOOL_SEC(3600), "0 to 1h"};

/* ---- what was asked ------------------------------------------------------------------ */

static int
take_option(int option, const char *text, struct bench_asked *asked)
{
	switch (option) {
	case CAPACITY:
		return args_u32("--capacity", text, 1, CAPACITY_MAX, &asked->capacity);
	case THREADS:
		return args_u32("--threads", text, 1, LOAD_THREADS_MAX, &asked->threads);
	case SECONDS:
		return args_duration(
		    "--seconds", text, QPOOL_SEC(1), &duration_range, &asked->duration);
	case COUNT:
		return args_number("--count", text, 1, COUNT_MAX, &asked->count);
	case SQL:
		asked->sql = text;
		break;
	case SQL_FILE:
		asked->sql_file = text;
		break;
	case HOLD:
		return args_duration("--hold", text, 0, &hold_range, &asked->hold);
	case NO_POOL:
		asked->no_pool = true;
		break;
	case RESET:
		return target_take_reset(&asked->wishes, text);
	case POOLER:
		return target_take_pooler(&asked->wishes, text);
	default:
		asked->json = text;
		break;
	}
	return EXIT_OK;
}

static int
check_together(int argc, char **argv, struct bench_asked *asked)
{
	if (optind == argc) {
		say_bad("bench: no URL is given");
		say_try("queuepool bench sqlite:PATH");
		return EXIT_BAD;
	}
	asked->url = argv[optind++];
	if (optind < argc)
		return args_trailing(argv, "bench");
	if (asked->sql != NULL && asked->sql_file != NULL)
		return say_bad("bench: --sql and --sql-file exclude each other; give one");
	if (asked->duration > 0 && asked->count > 0)
		return say_bad("bench: --seconds and --count exclude each other; give one");
	if (asked->sql != NULL && strlen(asked->sql) > TARGET_SCRIPT_MAX)
		return say_bad(
		    "bench: --sql is longer than %s bytes", figure_count(TARGET_SCRIPT_MAX).text);
	if (asked->duration == 0 && asked->count == 0)
		asked->duration = QPOOL_SEC(5);
	return EXIT_OK;
}

/* EXIT_OK with asked->url NULL: the help was asked for, and given. */
static int
parse(int argc, char **argv, struct bench_asked *asked)
{
	int answer;
	int code = EXIT_OK;
	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (answer == 'h') {
			fputs(cmd_bench_help, stdout);
			return EXIT_OK;
		}
		if (answer == ':' || answer == '?')
			return args_bad_option(answer, argv, "bench");
		code = take_option(answer, optarg, asked);
		if (code != EXIT_OK)
			return code;
	}
	return check_together(argc, argv, asked);
}

/* ---- before the first thread --------------------------------------------------------- */

static int
read_sql(struct bench *bench)
{
	const struct bench_asked *asked = &bench->asked;
	if (asked->sql_file != NULL)
		return textfile_read("--sql-file", asked->sql_file, TARGET_SCRIPT_MAX, &bench->sql);
	if (asked->sql == NULL) /* the target knows */
		return EXIT_OK;
	bench->sql = strdup(asked->sql);
	return bench->sql != NULL ? EXIT_OK : say_failed("bench: out of memory");
}

/* What a request runs if nothing was said. */
static int
settle_sql(struct bench *bench)
{
	const char *usual = bench->target.kind->usual;
	if (bench->sql == NULL)
		bench->sql = strdup(usual != NULL ? usual : "SELECT 1");
	return bench->sql != NULL ? EXIT_OK : say_failed("bench: out of memory");
}

static int
compile(struct bench *bench, qpool_lease *lease)
{
	qpool_error error = {.code = QPOOL_OK};
	const struct target_kind *kind = bench->target.kind;
	if (kind->probe(lease, bench->server, sizeof bench->server, &error) != QPOOL_OK)
		return target_failed(&bench->target, "read", &error);
	qpool_err err = kind->compile(lease, bench->sql, &bench->script, &error);
	if (err == QPOOL_OK)
		return EXIT_OK;
	if (err != QPOOL_EINVAL)
		return target_failed(&bench->target, "prepare", &error);
	if (bench->asked.sql_file != NULL)
		return say_bad("--sql-file %s: %s", bench->asked.sql_file, error.message);
	return say_bad("--sql: %s", error.message);
}

/* One connection of its own proves the database and the SQL; it is not counted. */
static int
try_out(struct bench *bench)
{
	const struct tap *tap = &bench->lender.tap;
	qpool_step step = alone_step(bench->options.open_budget);
	qpool_error error = {.code = QPOOL_OK};
	struct alone alone;
	void *resource = NULL;
	if (tap->inner.open(tap->inner_user, &step, &resource, &error) != QPOOL_OK ||
	    alone_begin(&alone, &tap->inner, tap->inner_user, resource, &error) != QPOOL_OK)
		return target_failed(&bench->target, "open", &error);
	int code = compile(bench, &alone.lease);
	resource = alone_end(&alone);
	if (tap->parting != NULL)
		tap->parting(resource);
	tap->inner.close(tap->inner_user, resource, QPOOL_WHY_CLOSED);
	return code;
}

/* The default, unless the URL says something, unless the command line does. */
static int
settle_options(struct bench *bench)
{
	qpool_options *options = &bench->options;
	struct bench_asked *asked = &bench->asked;
	if (asked->capacity > 0)
		options->max_size = asked->capacity;
	if (options->max_size == QPOOL_ZERO32)
		return say_bad(
		    "%s: with pool_max_size=0 there is nothing to measure", bench->target.shown);
	asked->capacity = options->max_size;
	if (!asked->no_pool)
		return EXIT_OK;
	/* Where only a lease shows the connection, one that lives for one lease. */
	options->max_size = options->max_opening = asked->threads;
	options->max_uses = 1;
	options->min_idle = 0;
	return EXIT_OK;
}

static int
prepare(struct bench *bench)
{
	struct tap *tap = &bench->lender.tap;
	qpool_error error = {.code = QPOOL_OK};
	tap->inner = qpool_ops_init();
	tap->parting = bench->target.kind->parting;
	bench->options = qpool_options_init();
	bench->options.name = "bench";
	bench->options.max_size = CAPACITY_USUAL;
	if (bench->target.kind->ops(
		&bench->target, &bench->options, &tap->inner, &tap->inner_user, &error) != QPOOL_OK)
		return target_refused(&bench->target, &error);
	int code = settle_options(bench);
	return code == EXIT_OK ? try_out(bench) : code;
}

/* ---- the run ------------------------------------------------------------------------- */

static int
cancelled(void *user)
{
	return load_cancelled(user);
}

static enum load_outcome
request(struct load_thread *self, void *user, qpool_error *error)
{
	struct bench *bench = user;
	struct loan loan;
	qpool_err err = lender_take(&bench->lender, self, &loan, error);
	if (err == QPOOL_OK) {
		err = bench->target.kind->execute(
		    &loan.lease, &bench->script, cancelled, self, error);
		if (err == QPOOL_OK && bench->asked.hold > 0)
			load_sleep(self, bench->asked.hold);
		if (err == QPOOL_OK && load_cancelled(self))
			err = QPOOL_ECANCEL;
		lender_give(&bench->lender, &loan);
	}
	if (err == QPOOL_OK)
		return LOAD_SERVED;
	return err == QPOOL_ECANCEL ? LOAD_CANCELLED : LOAD_FAILED;
}

static void
watch(const struct load_progress *progress, void *user)
{
	struct bench *bench = user;
	char text[160];
	double seconds = (double)progress->elapsed / 1e9;
	int at = snprintf(text, sizeof text, "%s requests, %s/s, %s open",
	    figure_count(progress->served).text,
	    figure_rate(seconds > 0 ? (double)progress->served / seconds : 0).text,
	    figure_count(tap_open_now(&bench->lender.tap)).text);
	if (progress->failed > 0)
		snprintf(text + at, sizeof text - (size_t)at, ", %s failed",
		    figure_count(progress->failed).text);
	progress_show(progress->share, text);
}

static int
run(struct bench *bench)
{
	struct load_plan plan = {
	    .threads = bench->asked.threads,
	    .duration = bench->asked.duration,
	    .count = bench->asked.count,
	    .request = request,
	    .user = bench,
	    .watch = watch,
	    .watch_user = bench,
	};
	char doing[128];
	qpool_error error = {.code = QPOOL_OK};
	snprintf(doing, sizeof doing, "%s threads, %s%s", figure_count(plan.threads).text,
	    plan.count > 0 ? figure_count(plan.count).text : figure_duration(plan.duration).text,
	    plan.count > 0 ? " requests" : "");
	progress_begin("bench", doing);
	qpool_err err = load_execute(&plan, &bench->result, &error);
	progress_clear();
	return err == QPOOL_OK ? EXIT_OK : say_failed("bench: %s", error.message);
}

static int
run_with_pool(struct bench *bench)
{
	struct tap *tap = &bench->lender.tap;
	qpool_ops ops = tap_ops(tap);
	qpool_error error = {.code = QPOOL_OK};
	if (qpool_create(&bench->lender.pool, &bench->options, &ops, tap, &error) != QPOOL_OK)
		return say_failed("bench: %s", error.message);
	int code = run(bench);
	qpool_free(bench->lender.pool);
	tap->inner.destroy = NULL; /* the pool did it */
	return code;
}

static int
report(struct bench *bench)
{
	const struct load_result *result = &bench->result;
	bool json_on_stdout = bench->asked.json != NULL && strcmp(bench->asked.json, "-") == 0;
	int code = EXIT_OK;
	bench_summary(bench, json_on_stdout ? stderr : stdout);
	fflush(stdout);
	if (bench->asked.json != NULL)
		code = bench_json(bench);
	if (result->failed > 0) {
		char *message = target_message(&bench->target, &result->first_failure);
		code = say_failed("%s of %s requests failed; the first: %s",
		    figure_count(result->failed).text,
		    figure_count(result->served + result->failed).text,
		    message != NULL ? message : "?");
		free(message);
	}
	return stop_signal() != 0 ? 128 + stop_signal() : code;
}

static int
bench_target(struct bench *bench)
{
	int code = prepare(bench);
	if (code == EXIT_OK && !stop_catch())
		code = say_failed("bench: cannot watch for signals: %s", strerror(errno));
	bool by_hand = bench->asked.no_pool && !bench->target.kind->needs_lease;
	if (code == EXIT_OK)
		code = by_hand ? run(bench) : run_with_pool(bench);
	if (code == EXIT_OK)
		code = report(bench);
	const struct tap *tap = &bench->lender.tap;
	if (tap->inner.destroy != NULL)
		tap->inner.destroy(tap->inner_user);
	return code;
}

int
cmd_bench(int argc, char **argv)
{
	struct bench bench = {.asked = {.threads = 64}};
	struct bench_asked *asked = &bench.asked;
	int code = parse(argc, argv, asked);
	if (code != EXIT_OK || asked->url == NULL)
		return code;
	if (asked->json != NULL && strcmp(asked->json, "-") != 0)
		code = outfile_inspect("--json", asked->json);
	if (code == EXIT_OK)
		code = read_sql(&bench);
	if (code == EXIT_OK)
		code = target_parse(asked->url, "bench", asked->wishes, &bench.target);
	if (code == EXIT_OK)
		code = settle_sql(&bench);
	if (code == EXIT_OK)
		code = bench_target(&bench);
	target_script_free(&bench.script);
	target_free(&bench.target);
	free(bench.sql);
	return code;
}
