/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * option: the fields of the options and the words of a URL's query.  source comes in; option keeps
 * nothing.
 */
#ifndef QP_REDIS_OPTION_H
#define QP_REDIS_OPTION_H

#include "url.h"

/* The options as far as the struct and the URL say, the URL winning; NULL texts: not said.  The texts
 * are copies. */
typedef struct qp_redis_settings {
	uint32_t reset, db, role;
	qpool_nsec call_timeout;
	char *user, *password, *client_name;
} qp_redis_settings;

/* EINVAL, ENOTSUP, ENOMEM; then *out is empty and *pool as it was.  `pool` takes the words that begin
 * with pool_. */
qpool_err qp_redis_option_read(qp_redis_settings *out, const qpool_redis_options *given,
    const qp_redis_url *url, qpool_options *pool, qpool_error *error);
void qp_redis_option_free(qp_redis_settings *settings);

#endif
