/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resolve: the addresses of a host's name, by a deadline.  dial comes in.  It keeps no answer, and no
 * thread of its own when nobody waits, but for a lookup that cannot be ended.
 */
#ifndef QP_REDIS_RESOLVE_H
#define QP_REDIS_RESOLVE_H

#include "source.h"

#include <sys/socket.h>

enum { QP_REDIS_ADDRESSES = 16 };

typedef struct qp_redis_addresses {
	size_t count;
	struct {
		struct sockaddr_storage at;
		socklen_t length;
	} each[QP_REDIS_ADDRESSES];
} qp_redis_addresses;

/* The source's host, which is not NULL.  EOPEN, saying why. */
qpool_err qp_redis_resolve(const qp_redis_source *source, int64_t deadline_ns,
    qp_redis_addresses *out, qpool_error *error);

#endif
