/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line_server: a server for the examples, on a free port of this machine, on one thread.  It knows HELLO
 * password name, NOOP, SET text, GET, NUMBER, WHO, RSET and QUIT.  Programs come in here that want
 * something to pool without installing anything; it keeps nothing and is no model of a server.
 */
#ifndef EXAMPLES_LINE_SERVER_H
#define EXAMPLES_LINE_SERVER_H

#include "line.h"

typedef struct line_server line_server;

typedef struct line_server_counts {
	unsigned sessions; /* now */
	unsigned hellos, quits;
} line_server_counts;

/* Ends the program when the system gives no socket or thread.  More than `most` sessions are refused
 * with 421; another password with 535. */
line_server *line_server_start(const char *password, unsigned most);
struct sockaddr_in line_server_address(const line_server *s);
/* Hang up on all sessions there are; when this returns their clients' kernels know. */
void line_server_hang_up(line_server *s);
line_server_counts line_server_count(line_server *s);
/* Ends and frees it. */
void line_server_stop(line_server *s);

#endif
