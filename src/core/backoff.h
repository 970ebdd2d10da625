/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backoff: what a run of failed opens means.  While one lasts, opens go out one at a time, each after a
 * pause; the pause doubles from retry_min to retry_max with full jitter, but while somebody asks it is
 * never more than 100 ms.  A run ends with the first success.  Pure but for its random state; guarded by
 * the pool's lock; exchange, acquire and worker come in.
 *
 *   calm: failures == 0.   failing: failures > 0, since_ns <= last_ns <= retry_ns, error says why.
 *   hopeless: failing, no resource exists, and either the peer denies us or both have been so for down_after.
 */
#ifndef QP_CORE_BACKOFF_H
#define QP_CORE_BACKOFF_H

#include <queuepool.h>

/* While someone asks, a probe goes out at least this often. */
#define QP_BACKOFF_ASKED_NS 100000000

typedef struct qp_backoff {
	/* fixed */
	int64_t retry_min_ns, retry_max_ns, down_after_ns;
	/* guarded by the pool's lock */
	uint32_t failures;
	bool told_down;     /* EV_DOWN was told, or is being told; EV_UP will be */
	bool telling;       /* somebody tells EV_DOWN at this moment ... */
	bool owes_up;       /* ... and is to tell EV_UP next: never the other way round */
	int64_t since_ns;   /* the first failure of this run */
	int64_t bare_ns;    /* when the last resource there was went, if that was in this run */
	int64_t last_ns;    /* the last one */
	int64_t retry_ns;   /* when the next open may go out, if nobody asks */
	int64_t ceiling_ns; /* of the next pause */
	qpool_error error;  /* the last cause */
} qp_backoff;

/* An open that began at `began_ns` failed.  Opens that were in flight together count as one step. */
void qp_backoff_failed(qp_backoff *backoff, int64_t began_ns, int64_t now_ns,
    const qpool_error *error, uint64_t *random);
/* An open succeeded: calm again. */
void qp_backoff_succeeded(qp_backoff *backoff);
/* As if none had ever failed. */
void qp_backoff_calm(qp_backoff *backoff);
/* The last resource there was is gone. */
void qp_backoff_bare(qp_backoff *backoff, int64_t now_ns);
/* When the next open may go out; 0 (at once) when calm. */
int64_t qp_backoff_due(const qp_backoff *backoff, bool somebody_asks);
/* Should acquires fail at once?  `any_exist`: some resource is open. */
bool qp_backoff_is_hopeless(const qp_backoff *backoff, bool any_exist, int64_t now_ns);
/* When that begins by time alone, if nothing exists until then; INT64_MAX when calm. */
int64_t qp_backoff_hopeless_at(const qp_backoff *backoff);
bool qp_backoff_is_valid(const qp_backoff *backoff);

#endif
