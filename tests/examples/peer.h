/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer: a server that does what a test tells it, right or wrong, one thread for each connection.  It reads
 * lines and answers each with the next piece of a script; what it heard can be asked.  It knows no protocol
 * and no pool.
 */
#ifndef EXAMPLES_PEER_H
#define EXAMPLES_PEER_H

#include <netinet/in.h>

typedef struct peer peer;

/* Pieces of a script besides text to send; the last piece is repeated. */
#define PEER_SILENT  "\1" /* hear, and say nothing */
#define PEER_HANG_UP "\2" /* hear, and close */
#define PEER_DRIP    "\3" /* hear, and send one byte every few ms without end */
#define PEER_FLOOD   "\4" /* hear, and send bytes without a newline as fast as they go */

/* The script is up to NULL, and is static. */
peer *peer_new(const char *const *script);
struct sockaddr_in peer_address(const peer *p);
/* Lines heard so far, of all connections, and one of them; peer_heard waits until there are so many. */
unsigned peer_lines(peer *p);
const char *peer_heard(peer *p, unsigned number);
/* Send this on every connection, unasked; NULL: hang up on all. */
void peer_say(peer *p, const char *text);
/* Until all connections there were have ended, by the other side's doing. */
void peer_await_gone(peer *p);
/* Ends all connections and their threads. */
void peer_end(peer *p);

/* A port at which nobody listens; and one whose line of connections is full, until both are closed. */
struct sockaddr_in nobody(void);
struct sockaddr_in full_house(int fds[16]);

#endif
