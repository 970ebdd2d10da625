/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_ping: open, check, read and close once, by the adapter's own steps and with no pool between but that of
 * the one lease to read by, and say how long each took or which one failed.
 */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alone.h"
#include "args.h"
#include "duration.h"
#include "figure.h"
#include "say.h"
#include "target.h"
#include "terminal.h"

const char cmd_ping_help[] =
    "usage: queuepool ping URL [OPTION ...]\n"
    "\n"
    "Opens one connection, checks it, reads from the database, closes it, and says\n"
    "how long each step took.  Creates nothing and changes nothing.\n"
    "\n" TARGET_URL_HELP TARGET_WISHES_HELP "  -h, --help        this text\n"
    "\n"
    "exit code: 0 it answers, 1 it does not now, 2 what was asked for is wrong\n";

struct ping {
	const struct target *target;
	qpool_options options;
	qpool_ops ops;
	void *user;
	void *resource;
	char said[160]; /* what there is to say of a step besides "ok", or "" */
};

static qpool_err
step_open(struct ping *ping, qpool_error *error)
{
	qpool_step step = alone_step(ping->options.open_budget);
	qpool_err err = ping->ops.open(ping->user, &step, &ping->resource, error);
	/* where a file is the URL has said */
	if (err == QPOOL_OK && ping->target->kind->needs_lease && ping->ops.describe != NULL)
		ping->ops.describe(ping->user, ping->resource, ping->said, sizeof ping->said);
	return err;
}

static qpool_err
step_check(struct ping *ping, qpool_error *error)
{
	qpool_step step = alone_step(ping->options.step_budget);
	if (ping->ops.check == NULL)
		return QPOOL_OK;
	return ping->ops.check(ping->user, ping->resource, &step, error);
}

static qpool_err
step_read(struct ping *ping, qpool_error *error)
{
	struct alone alone;
	void *resource = ping->resource;
	ping->resource = NULL; /* closed if that fails */
	qpool_err err = alone_begin(&alone, &ping->ops, ping->user, resource, error);
	if (err != QPOOL_OK)
		return err;
	err = ping->target->kind->probe(&alone.lease, ping->said, sizeof ping->said, error);
	ping->resource = alone_end(&alone);
	return err;
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

static void
print_step(const char *name, qpool_nsec took, const char *said)
{
	char *shown = target_redact(said);
	bool is_said = shown != NULL && shown[0] != '\0';
	printf("  %-6s %10s  %sok%s%s%s\n", name, figure_duration(took).text,
	    terminal_paint(stdout, PAINT_GOOD), terminal_paint(stdout, PAINT_PLAIN),
	    is_said ? ", " : "", is_said ? shown : "");
	free(shown);
}

static int
run_steps(struct ping *ping)
{
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		qpool_error error = {.code = QPOOL_OK};
		ping->said[0] = '\0';
		qpool_nsec begun = duration_now();
		qpool_err err = steps[i].run(ping, &error);
		if (err != QPOOL_OK) {
			fflush(stdout);
			error.code = err;
			return target_failed(ping->target, steps[i].name, &error);
		}
		print_step(steps[i].name, duration_now() - begun, ping->said);
	}
	return EXIT_OK;
}

static int
ping_target(const struct target *target)
{
	struct ping ping = {
	    .target = target, .options = qpool_options_init(), .ops = qpool_ops_init()};
	qpool_error error = {.code = QPOOL_OK};
	if (target->kind->ops(target, &ping.options, &ping.ops, &ping.user, &error) != QPOOL_OK)
		return target_refused(target, &error);
	printf("%s (%s)\n", target->shown, target->kind->client());
	int code = run_steps(&ping);
	if (ping.resource != NULL)
		ping.ops.close(ping.user, ping.resource, QPOOL_WHY_CHECK);
	if (ping.ops.destroy != NULL)
		ping.ops.destroy(ping.user);
	return code;
}

enum { RESET = ARGS_LONG_ONLY, POOLER };

static const struct option long_options[] = {
    {"reset", required_argument, NULL, RESET},
    {"pooler", required_argument, NULL, POOLER},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* EXIT_OK with *url NULL: the help was asked for, and given. */
static int
parse(int argc, char **argv, struct target_wishes *wishes, const char **url)
{
	int answer;
	int code = EXIT_OK;
	opterr = 0;
	while (
	    code == EXIT_OK && (answer = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (answer == 'h') {
			fputs(cmd_ping_help, stdout);
			return EXIT_OK;
		}
		if (answer == ':' || answer == '?')
			return args_bad_option(answer, argv, "ping");
		code = answer == RESET ? target_take_reset(wishes, optarg)
		                       : target_take_pooler(wishes, optarg);
	}
	if (code != EXIT_OK)
		return code;
	if (optind == argc) {
		say_bad("ping: no URL is given");
		say_try("queuepool ping sqlite:PATH");
		return EXIT_BAD;
	}
	*url = argv[optind++];
	return optind < argc ? args_trailing(argv, "ping") : EXIT_OK;
}

int
cmd_ping(int argc, char **argv)
{
	struct target_wishes wishes = {NULL, NULL};
	struct target target;
	const char *url = NULL;
	int code = parse(argc, argv, &wishes, &url);
	if (code != EXIT_OK || url == NULL)
		return code;
	code = target_parse(url, "ping", wishes, &target);
	if (code == EXIT_OK) {
		code = ping_target(&target);
		target_free(&target);
	}
	return code;
}
