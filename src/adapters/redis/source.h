/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source: where a pool's sessions come from: read once from URL and options, and shared by all
 * sessions.  redis makes and frees it; every other room only reads it, from any thread, but for the
 * count of refused writes.  source connects to nothing.
 */
#ifndef QP_REDIS_SOURCE_H
#define QP_REDIS_SOURCE_H

#include <queuepool/redis.h>

#include <stdatomic.h>

/* Bytes of an address in messages; a longer one is cut. */
#define QP_REDIS_SHOWN 80

/* Whoever logs in sends these, in this order, as far as the source has them. */
typedef enum { QP_REDIS_AUTH = 0, QP_REDIS_SELECT, QP_REDIS_SETNAME, QP_REDIS_STEPS } qp_redis_step;

/* host and port are NULL and path is not, or the other way round.
 * again = RESET, login = PING, each with the steps that has[] says between or before. */
typedef struct qp_redis_source {
	/* Set by make, never changed. */
	char *host, *port, *path;
	char *user, *password, *client_name; /* or NULL */
	uint32_t reset, db, role;
	qpool_nsec call_timeout;    /* resolved: a duration or QPOOL_FOREVER */
	char shown[QP_REDIS_SHOWN]; /* "10.0.0.7:6379/0", for messages */
	bool has[QP_REDIS_STEPS];
	char *login, *again; /* commands as they go over the wire, with the password */
	size_t login_length, again_length;
	/* How often the server said that it takes no writes.  Relaxed: only compared with an older
	 * value. */
	atomic_uint refusals;
} qp_redis_source;

/* EINVAL, ENOTSUP, ENOMEM; *out and *pool only on success.  `pool` takes what the URL says of the
 * pool. */
qpool_err qp_redis_source_make(qp_redis_source **out, const char *url,
    const qpool_redis_options *given, qpool_options *pool, qpool_error *error);
void qp_redis_source_free(qp_redis_source *source); /* NULL is fine */
/* Overwrite and free; NULL is fine. */
void qp_redis_source_wipe(char *secret, size_t length);

#endif
