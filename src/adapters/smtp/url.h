/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * url: takes smtp://user:password@host:port?words apart.  source comes in.  url repeats nothing of it
 * in a message but the name of a word, since any other piece may be one of a password, and it judges
 * no value.
 */
#ifndef QP_SMTP_URL_H
#define QP_SMTP_URL_H

#include <queuepool/smtp.h>

/* Its texts point into `text`, decoded. */
typedef struct qp_smtp_url {
	char *text;
	const char *host, *port, *user, *password; /* or NULL */
	char *query;                               /* or NULL; still as it was written */
	bool is_implicit;
} qp_smtp_url;

/* Zero it first; afterwards free it in any case. */
qpool_err qp_smtp_url_read(qp_smtp_url *url, const char *given, qpool_error *error);
void qp_smtp_url_free(qp_smtp_url *url);
/* The next word of the query, and its value, not decoded; false at the end. */
bool qp_smtp_url_word(char **query, char **name, char **value);
/* %XX in place; false: no hex digits, or a NUL. */
bool qp_smtp_url_decode(char *text);

#endif
