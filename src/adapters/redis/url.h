/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * url: cuts a URL into its parts and decodes them; pure.  source comes in.  url quotes no part of it:
 * where it is written wrong, any part may be a piece of a password.
 */
#ifndef QP_REDIS_URL_H
#define QP_REDIS_URL_H

#include "source.h"

/* Parts are decoded and the caller's, NULL if absent; `query` points into the URL. */
typedef struct qp_redis_url {
	char *user, *password;
	char *host, *port; /* redis: */
	char *path;        /* unix: */
	char *db;          /* of redis:'s path */
	const char *query; /* after the '?', or "" */
} qp_redis_url;

/* EINVAL, ENOTSUP, ENOMEM; then *out is empty. */
qpool_err qp_redis_url_read(qp_redis_url *out, const char *url, qpool_error *error);
void qp_redis_url_free(qp_redis_url *url);
/* A decoded copy of `length` bytes; NULL without memory, or with *bad set when %XX is none, or is 00. */
char *qp_redis_url_decode(const char *from, size_t length, bool *bad);

#endif
