/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_keep: a test's side of pg_keeper, and what starting any server takes: the program, a free port, a
 * folder.  pg_server and pg_bouncer come in.  What fails here fails the test, with the reason.
 */
#ifndef PG_KEEP_H
#define PG_KEEP_H

#include <stdbool.h>

/* Packets to the keeper: one of these, then strings with their NULs.  Each has one answer, a text. */
enum {
	PG_KEEP_RUN = 'R',    /* argv: run it to its end; its exit status */
	PG_KEEP_LAUNCH = 'L', /* argv: start the server; its pid */
	PG_KEEP_ALIVE = 'A',  /* "1": it runs */
	PG_KEEP_SIGNAL = 'K', /* number: "0" when sent */
	PG_KEEP_STOP = 'S',   /* number: send it and wait until the server is gone; "0": it is */
	PG_KEEP_END = 'E',    /* end the server, remove the folder, exit */
	PG_KEEP_PACKET = 4096,
	PG_KEEP_WORDS = 32,
};

typedef struct pg_keep pg_keep;

/* A keeper with an empty folder.  The signal ends the server when the test is gone. */
pg_keep *pg_keep_start(int end_signal);
/* Nothing is left when it returns. */
void pg_keep_end(pg_keep *k);
const char *pg_keep_folder(const pg_keep *k);

/* Run a program to its end in the folder as the server's user; anything but 0 fails the test. */
void pg_keep_run(pg_keep *k, const char *const argv[]);
/* Start the server; its pid. */
int pg_keep_launch(pg_keep *k, const char *const argv[]);
bool pg_keep_alive(pg_keep *k);
void pg_keep_signal(pg_keep *k, int number);
void pg_keep_stop(pg_keep *k, int number);

/* Write or lengthen a file in the folder, owned by the server's user. */
void pg_keep_write(pg_keep *k, const char *name, const char *text);
/* Print the end of what was said by all that ran in here. */
void pg_keep_log_tail(const pg_keep *k);

/* A port of 127.0.0.1 that nobody is given while the returned descriptor is open; a server whose socket has
 * SO_REUSEADDR can have it. */
int pg_keep_port(int *port);
/* The path of an installed program, in a buffer of the caller's; fails the test naming the package. */
void pg_keep_find(const char *program, const char *package, char path[256]);

#endif
