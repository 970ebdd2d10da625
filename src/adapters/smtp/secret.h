/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * secret: user and password as a server may quote them, plain or as the base64 of a login, and blotting them
 * out of a text.  Pure.  source makes them, fault asks for them.  secret never shows one.
 */
#ifndef QP_SMTP_SECRET_H
#define QP_SMTP_SECRET_H

#include <stdbool.h>
#include <stddef.h>

enum { QP_SMTP_SECRETS = 5 };

/* Plain and encoded; all NULL without a login. */
typedef struct qp_smtp_secrets {
	char *text[QP_SMTP_SECRETS];
} qp_smtp_secrets;

/* Zero it first.  Both NULL: none.  false: no memory; free it in any case. */
bool qp_smtp_secrets_make(qp_smtp_secrets *secrets, const char *user, const char *password);
void qp_smtp_secrets_free(qp_smtp_secrets *secrets);
/* In place: they become stars, also the beginning of one at the end of a text, which may have been cut. */
void qp_smtp_secrets_hide(const qp_smtp_secrets *secrets, char *text);
/* Is one in there that is too short for stars? */
bool qp_smtp_secrets_left(const qp_smtp_secrets *secrets, const char *text);

#endif
