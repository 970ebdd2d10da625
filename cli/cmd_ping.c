/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_ping: open, check and close once, by the adapter's own steps and with no pool between, and say how
 * long each took or which one failed.
 */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "duration.h"
#include "figure.h"
#include "say.h"
#include "target.h"
#include "terminal.h"

#define STEP_BUDGET QPOOL_SEC(10)

const char cmd_ping_help[] =
    "usage: queuepool ping URL\n"
    "\n"
    "Opens one connection, checks it, reads from the database, closes it, and says\n"
    "how long each step took.  Creates nothing and changes nothing.\n"
    "\n"
    "  URL          sqlite:PATH, sqlite:file:URI or sqlite::memory:\n"
    "  -h, --help   this text\n"
    "\n"
    "exit code: 0 it answers, 1 it does not now, 2 what was asked for is wrong\n";

struct ping {
	const struct target *target;
	qpool_ops ops;
	void *user;
	void *resource;
};

static qpool_err
step_open(struct ping *ping, qpool_error *error)
{
	qpool_step step = {.size = sizeof step, .budget = STEP_BUDGET};
	return ping->ops.open(ping->user, &step, &ping->resource, error);
}

static qpool_err
step_check(struct ping *ping, qpool_error *error)
{
	qpool_step step = {.size = sizeof step, .budget = STEP_BUDGET};
	if (ping->ops.check == NULL)
		return QPOOL_OK;
	return ping->ops.check(ping->user, ping->resource, &step, error);
}

static qpool_err
step_read(struct ping *ping, qpool_error *error)
{
	return ping->target->kind->probe(ping->resource, error);
}

static qpool_err
step_close(struct ping *ping, qpool_error *error)
{
	(void)error;
	ping->ops.close(ping->user, ping->resource, QPOOL_WHY_CLOSED);
	ping->resource = NULL;
	return QPOOL_OK;
}

static const struct {
	const char *name;
	qpool_err (*run)(struct ping *ping, qpool_error *error);
} steps[] = {
    {"open", step_open}, {"check", step_check}, {"read", step_read}, {"close", step_close}};

static int
run_steps(struct ping *ping)
{
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		qpool_error error = {.code = QPOOL_OK};
		qpool_nsec begun = duration_now();
		qpool_err err = steps[i].run(ping, &error);
		if (err != QPOOL_OK) {
			fflush(stdout);
			return target_failed(ping->target, steps[i].name, &error);
		}
		printf("  %-6s %10s  %sok%s\n", steps[i].name,
		    figure_duration(duration_now() - begun).text,
		    terminal_paint(stdout, PAINT_GOOD), terminal_paint(stdout, PAINT_PLAIN));
	}
	return EXIT_OK;
}

static int
ping_target(const struct target *target)
{
	struct ping ping = {.target = target, .ops = qpool_ops_init()};
	qpool_error error = {.code = QPOOL_OK};
	if (target->kind->ops(target, &ping.ops, &ping.user, &error) != QPOOL_OK)
		return target_failed(target, "open", &error);
	printf("%s (%s)\n", target->shown, target->kind->client());
	int code = run_steps(&ping);
	if (ping.resource != NULL)
		ping.ops.close(ping.user, ping.resource, QPOOL_WHY_CHECK);
	if (ping.ops.destroy != NULL)
		ping.ops.destroy(ping.user);
	return code;
}

int
cmd_ping(int argc, char **argv)
{
	static const struct option options[] = {
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int answer;
	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (answer != 'h')
			return args_bad_option(answer, argv, "ping");
		fputs(cmd_ping_help, stdout);
		return EXIT_OK;
	}
	if (optind == argc) {
		say_bad("ping: no URL is given");
		say_try("queuepool ping sqlite:PATH");
		return EXIT_BAD;
	}
	if (optind + 1 < argc) {
		optind++;
		return args_trailing(argv, "ping");
	}
	struct target target;
	int code = target_parse(argv[optind], "ping", &target);
	if (code == EXIT_OK) {
		code = ping_target(&target);
		target_free(&target);
	}
	return code;
}
