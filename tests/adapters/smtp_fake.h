/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_fake: a mail server on loopback that answers by a script, wrongly, late, or not to the end.  What
 * fails in here fails the test.  It never takes a mail for good: it only counts the ends it saw.
 */
#ifndef SMTP_FAKE_H
#define SMTP_FAKE_H

#include <stdbool.h>
#include <stddef.h>

#define SMTP_FAKE_ALL ((size_t)-1)

/* What one connection is like; read when it begins. */
typedef struct smtp_script {
	const char *const
	    *says;      /* the greeting, then an answer to each line; NULL ends it: then silence */
	size_t cut_out; /* hang up after so many bytes said; SMTP_FAKE_ALL: never */
	size_t cut_in;  /* ... heard */
	bool is_slow;   /* one byte a packet */
	bool is_deaf;   /* reads nothing of a body */
} smtp_script;

typedef struct smtp_fake smtp_fake;

smtp_fake *smtp_fake_start(void);
void smtp_fake_end(smtp_fake *f);
int smtp_fake_port(const smtp_fake *f);
/* For the connections from now on; the texts must live. */
void smtp_fake_script(smtp_fake *f, smtp_script script);
/* Wait until the connection that is there has ended; what was heard on it, until the next one.  NUL at
 * the end. */
const char *smtp_fake_heard(smtp_fake *f);
/* Hang up on a deaf connection: it would not see the other's end. */
void smtp_fake_drop(smtp_fake *f);
/* On all connections: ends of mails, "."; goodbyes; and how often one connected. */
unsigned smtp_fake_mails(smtp_fake *f);
unsigned smtp_fake_quits(smtp_fake *f);
unsigned smtp_fake_connections(smtp_fake *f);

#endif
