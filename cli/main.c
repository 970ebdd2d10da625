/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main: the `queuepool` command's table of sub-commands.  It prepares the process (streams, locale, limits)
 * and does no work itself.
 */
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <queuepool.h>

#include "cmd.h"
#include "say.h"
#include "target.h"

static const struct command {
	const char *name;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"demo", "see a pool at work on a database of its own", cmd_demo_help, cmd_demo},
    {"bench", "measure a pool on your database", cmd_bench_help, cmd_bench},
    {"ping", "open, check and close one connection", cmd_ping_help, cmd_ping},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void
print_usage(void)
{
	puts("usage: queuepool COMMAND [OPTION ...]\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	puts("\n"
	     "  queuepool help COMMAND   what a command does, its options and exit codes\n"
	     "  queuepool --version      of the command, the library and the database clients");
}

static const struct command *
find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* "demo, bench, ping and help" */
static const char *
all_names(char *out, size_t room)
{
	size_t at = 0;
	for (size_t i = 0; i < COMMANDS && at < room; i++)
		at += (size_t)snprintf(
		    out + at, room - at, "%s%s", i > 0 ? ", " : "", commands[i].name);
	if (at < room)
		snprintf(out + at, room - at, " and help");
	return out;
}

/* name: NULL when there was none. */
static int
no_such_command(const char *name)
{
	char names[128];
	all_names(names, sizeof names);
	if (name == NULL)
		say_bad("no command is given; there are %s", names);
	else
		say_bad("there is no command \"%s\"; there are %s", name, names);
	say_try("queuepool --help");
	return EXIT_BAD;
}

static int
help(int argc, char **argv)
{
	if (argc > 2)
		return say_bad("help: \"%s\" is one word too many", argv[2]);
	if (argc < 2) {
		print_usage();
		return EXIT_OK;
	}
	const struct command *command = find(argv[1]);
	if (command == NULL)
		return no_such_command(argv[1]);
	fputs(command->help, stdout);
	return EXIT_OK;
}

static int
version(void)
{
	char clients[120];
	target_clients(clients, sizeof clients);
	printf("queuepool %d.%d.%d (library %s, %s)\n", QPOOL_VERSION_MAJOR, QPOOL_VERSION_MINOR,
	    QPOOL_VERSION_PATCH, qpool_version(), clients);
	return EXIT_OK;
}

static int
dispatch(int argc, char **argv)
{
	if (argc < 2)
		return no_such_command(NULL);
	const char *name = argv[1];
	bool asks_help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
	bool asks_version = strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0;
	if ((asks_help || asks_version) && argc > 2)
		return say_bad("%s: \"%s\" is one word too many", name, argv[2]);
	if (asks_help || strcmp(name, "help") == 0)
		return help(argc - 1, argv + 1);
	if (asks_version)
		return version();
	if (name[0] == '-') {
		say_bad("there is no option %s before a command", name);
		say_try("queuepool --help");
		return EXIT_BAD;
	}
	const struct command *command = find(name);
	return command != NULL ? command->run(argc - 1, argv + 1) : no_such_command(name);
}

/* A closed standard stream must not become the number of a database's file: fill it with something that
 * fails when it is used the usual way. */
static void
fill_standard_streams(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) != -1)
			continue;
		int got = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
		if (got != fd)
			_exit(EXIT_FAILED);
	}
}

/* A thousand connections are a few thousand files; ask for what the administrator allows anyway. */
static void
raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	fill_standard_streams();
	signal(SIGPIPE, SIG_IGN);
	setlocale(LC_CTYPE, "");
	raise_file_limit();
	return say_goodbye(dispatch(argc, argv));
}
