/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source: where a pool's sessions go, and as whom: read once from URL and options, and shared by all
 * sessions.  smtp makes and frees it; every other room only reads it, from any thread.  source opens
 * nothing.
 */
#ifndef QP_SMTP_SOURCE_H
#define QP_SMTP_SOURCE_H

#include <queuepool/smtp.h>

#include "secret.h"

/* Bytes of a server in messages; a longer one loses its end. */
#define QP_SMTP_SHOWN 80

typedef struct qp_smtp_source {
	uint32_t tls;
	bool verifies;
	uint16_t port;
	char *host;
	char *user;     /* or NULL */
	char *password; /* or NULL */
	char *ca_file;  /* or NULL */
	qp_smtp_secrets secrets;
	char *url; /* for libcurl: scheme, host, port, and what we call ourselves */
	qpool_nsec send_timeout;
	char shown[QP_SMTP_SHOWN]; /* host:port, printable */
} qp_smtp_source;

/* EINVAL, ENOTSUP, ENOMEM; *out and *pool change on success only. */
qpool_err qp_smtp_source_make(qp_smtp_source **out, const char *url,
    const qpool_smtp_options *given, qpool_options *pool, qpool_error *error);
void qp_smtp_source_free(qp_smtp_source *source); /* NULL is fine */
/* Copy a caller's struct that begins with `size` into `to` of `room` bytes, all 0 for NULL.
 * EINVAL and ENOTSUP name it `name`. */
qpool_err qp_smtp_source_read(
    void *to, size_t room, const void *from, const char *name, qpool_error *error);

#endif
