/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd: the sub-commands, each in a file of its own.  They get the words from their own name on, and return
 * the exit code.
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

int cmd_demo(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_ping(int argc, char **argv);

extern const char cmd_demo_help[];
extern const char cmd_bench_help[];
extern const char cmd_ping_help[];

#endif
