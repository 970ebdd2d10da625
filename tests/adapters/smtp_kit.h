/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_kit: a real mail server for a test, started and stopped by it, and short words for what the
 * adapter's tests say often.  What fails in here fails the test.
 */
#ifndef SMTP_KIT_H
#define SMTP_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <queuepool/smtp.h>

#define SMTP_USER     "postmaster"
#define SMTP_PASSWORD "not-so-secret"

typedef struct smtp_kit smtp_kit;

/* tls: none, starttls or implicit, for which certificates are made. */
smtp_kit *smtp_kit_start(const char *tls, bool wants_login);
/* TLS before a fake server that listens on the port; takes no orders. */
smtp_kit *smtp_kit_front(const char *tls, int port);
/* Nothing is left when it returns. */
void smtp_kit_end(smtp_kit *k);
int smtp_kit_port(const smtp_kit *k);
/* folder/name, in a buffer of the kit's that the next call uses again. */
const char *smtp_kit_file(smtp_kit *k, const char *name);
/* Give an order of smtp_serve.py; the answer, until the next order. */
const char *smtp_kit_ask(smtp_kit *k, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int smtp_kit_number(smtp_kit *k, const char *order);
/* How often the verb was said, on all connections. */
unsigned smtp_kit_said(smtp_kit *k, const char *verb);
/* The text of mail number n, CR LF and all; free it. */
char *smtp_kit_mail(smtp_kit *k, int n);

/* A pool; fails the test when it cannot be made. */
qpool *smtp_pool(const char *url, const qpool_options *options);
/* A lease; fails the test when there is none. */
qpool_lease smtp_lease(qpool *pool);
/* A message of one recipient. */
qpool_smtp_message smtp_message(const char *body);
/* The message has all words; it never has the user or the password. */
void smtp_says(const qpool_error *error, const char *words);

#endif
