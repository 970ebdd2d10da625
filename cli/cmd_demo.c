/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_demo: the pool's main job on a bank of its own, four times over: with a pool, without one, with a pool
 * that does not care who came first, and with one whose callbacks fail.  Leaves nothing behind.
 */
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "demo.h"
#include "figure.h"
#include "progress.h"
#include "say.h"
#include "stop.h"
#include "tempdir.h"

#define CAPACITY_MAX 1000u
#define THREADS_MAX  1000u

const char cmd_demo_help[] =
    "usage: queuepool demo [OPTION ...]\n"
    "\n"
    "A bank in SQLite, in a temporary folder that is removed at the end.  Threads add\n"
    "up all balances or, one request in ten, move money; the same work is done four\n"
    "times:\n"
    "\n"
    "  pooled     through a pool of connections\n"
    "  no pool    opening and closing a connection for each request\n"
    "  unfair     through a pool that lets newcomers pass those who wait\n"
    "             (max_overtake unlimited)\n"
    "  failing    through a pool while 1 % of opens, checks and resets fail\n"
    "\n"
    "Ends with the figures, and the proof that no transfer was lost or doubled and no\n"
    "slot of the pool was lost.\n"
    "\n"
    "      --seconds S   length of each phase: 5, 0.5 or a duration, at most 1h (5)\n"
    "      --threads N   1 to 1,000 (64)\n"
    "      --capacity N  connections in the pool, 1 to 1,000 (8)\n"
    "  -h, --help        this text\n"
    "\n"
    "exit code: 0 all is proved, 1 it is not or a step failed, 2 what was asked for\n"
    "           is wrong, 130 or 143 stopped by Ctrl-C or SIGTERM\n";

enum { SECONDS = ARGS_LONG_ONLY, THREADS, CAPACITY };

static const struct option long_options[] = {
    {"seconds", required_argument, NULL, SECONDS},
    {"threads", required_argument, NULL, THREADS},
    {"capacity", required_argument, NULL, CAPACITY},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const struct args_range duration_range = {QPOOL_MSEC(1), QPOOL_SEC(3600), "1ms to 1h"};

static const struct demo_phase phases[] = {
    {.name = "pooled", .doing = "through a pool", .pooled = true},
    {.name = "no pool", .doing = "opening a connection for each request"},
    {.name = "unfair",
	.doing = "through a pool without fairness",
	.pooled = true,
	.max_overtake = QPOOL_FOREVER},
    {.name = "failing",
	.doing = "through a pool while 1 % of callbacks fail",
	.pooled = true,
	.failing = 100},
};
#define PHASES (sizeof phases / sizeof phases[0])

static void
introduce(const struct demo_asked *asked)
{
	printf("A bank of %d accounts in SQLite: %s threads, a pool of %s, %s a phase.\n"
	       "A request adds up all balances; one in ten moves money instead.\n",
	    DEMO_ACCOUNTS, figure_count(asked->threads).text, figure_count(asked->capacity).text,
	    figure_duration(asked->duration).text);
	fflush(stdout);
}

static int
run_phases(const struct demo_asked *asked, struct demo_outcome *outcomes, size_t *ran)
{
	int code = EXIT_OK;
	*ran = 0;
	while (*ran < PHASES && code == EXIT_OK && stop_signal() == 0) {
		code = demo_phase_run(asked, &phases[*ran], &outcomes[*ran]);
		if (code == EXIT_OK)
			++*ran;
	}
	progress_clear();
	return code;
}

/* What the first request that failed was told, if any did. */
static void
say_first_failure(const struct demo_outcome *outcomes, size_t ran)
{
	for (size_t i = 0; i < ran; i++) {
		const struct load_result *load = &outcomes[i].load;
		if (load->failed > 0) {
			say_failed("demo: %s: %s requests failed; the first: %s",
			    outcomes[i].phase->name, figure_count(load->failed).text,
			    load->first_failure.message);
			return;
		}
	}
}

static int
run_demo(const struct demo_asked *asked)
{
	size_t ran;
	struct demo_outcome *outcomes = calloc(PHASES, sizeof *outcomes);
	if (outcomes == NULL)
		return say_failed("demo: out of memory");
	introduce(asked);
	int code = run_phases(asked, outcomes, &ran);
	if (ran > 0) {
		putchar('\n');
		demo_report(outcomes, ran, stdout);
		bool proved = demo_report_proof(outcomes, ran, stdout);
		fflush(stdout);
		say_first_failure(outcomes, ran);
		if (!proved && code == EXIT_OK)
			code = say_failed("demo: the proof failed");
	}
	free(outcomes);
	return code;
}

static int
parse(int argc, char **argv, struct demo_asked *asked, bool *helped)
{
	int answer;
	int code = EXIT_OK;
	opterr = 0;
	while (
	    code == EXIT_OK && (answer = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		switch (answer) {
		case 'h':
			fputs(cmd_demo_help, stdout);
			*helped = true;
			return EXIT_OK;
		case SECONDS:
			code = args_duration(
			    "--seconds", optarg, QPOOL_SEC(1), &duration_range, &asked->duration);
			break;
		case THREADS:
			code = args_u32("--threads", optarg, 1, THREADS_MAX, &asked->threads);
			break;
		case CAPACITY:
			code = args_u32("--capacity", optarg, 1, CAPACITY_MAX, &asked->capacity);
			break;
		default:
			return args_bad_option(answer, argv, "demo");
		}
	}
	if (code == EXIT_OK && optind < argc)
		return args_trailing(argv, "demo");
	return code;
}

int
cmd_demo(int argc, char **argv)
{
	struct demo_asked asked = {.capacity = 8, .threads = 64, .duration = QPOOL_SEC(5)};
	bool helped = false;
	int code = parse(argc, argv, &asked, &helped);
	if (code != EXIT_OK || helped)
		return code;
	stop_at_once(tempdir_remove);
	if (!stop_catch())
		return say_failed("demo: cannot watch for signals: %s", strerror(errno));
	code = tempdir_make();
	if (code == EXIT_OK)
		code = run_demo(&asked);
	tempdir_remove();
	return stop_signal() != 0 && code != EXIT_BAD ? 128 + stop_signal() : code;
}
