/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line: a client of a small protocol over TCP, one line there and one line back, in the place of the
 * client library that you have.  The adapter comes in; it knows nothing of pools.  It never waits past
 * the deadline it was given, never raises SIGPIPE, and programs that are started inherit none of its
 * sockets.
 */
#ifndef EXAMPLES_LINE_H
#define EXAMPLES_LINE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define LINE_ROOM 512 /* the longest line, with its newline */

/* Where to, and as whom. */
typedef struct line_source {
	struct sockaddr_in at;
	const char *name;
	const char *password; /* one word */
} line_source;

typedef struct line {
	int fd;
	unsigned long number; /* the server's name for this session */
	bool clean;           /* nothing was said since HELLO or RSET */
	bool broken;          /* an answer is missing, cut or one too many: no more questions */
} line;

/* Nanoseconds on the monotonic clock, this long from now; INT64_MAX: never. */
int64_t line_deadline(int64_t budget_ns);
/* Connect and say HELLO.  0: it is open; EACCES: the server's no stands in `answer`; or an errno. */
int line_open(
    line **out, const line_source *to, const char *name, int64_t deadline, char answer[LINE_ROOM]);
/* Send `say`, without a newline, and wait for one line: three digits, a space, text.  0: an answer that
 * begins with 2; EACCES: any other answer; or an errno.  EINVAL: `say` is no line; nothing was sent. */
int line_talk(line *l, const char *say, int64_t deadline, char answer[LINE_ROOM]);
/* Is it quiet, as it should be between two questions?  Sends nothing, waits for nothing.  0 or errno. */
int line_look(const line *l);
/* Say goodbye, waiting for nothing, and drop it. */
void line_close(line *l);
/* Close our end and free it; where another process has the socket open, too, the peer notices nothing. */
void line_drop(line *l);

#endif
