/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backoff: what a run of failed opens means.  During a run opens go out one at a time, each after a
 * pause.  The pause is random up to a ceiling (full jitter), which doubles from retry_min to
 * retry_max; while somebody waits no pause is longer than 100 ms.  A run ends with the first
 * success.  open reports here; exchange, line, ready and stats ask.  Guarded by the pool's lock; it
 * opens nothing and reads no clock.
 *
 *   calm: failures == 0.   failing: failures > 0, since_ns <= last_ns <= retry_ns, error says why.
 *   hopeless: failing, no resource exists, and the peer denies us or both have lasted for
 *   down_after.
 */
#ifndef QP_CORE_BACKOFF_H
#define QP_CORE_BACKOFF_H

#include <queuepool.h>

/* While someone waits, a probe goes out at least this often. */
#define QP_BACKOFF_ASKED_NS 100000000

typedef struct qp_backoff {
	/* guarded by the pool's lock */
	int64_t retry_min_ns, retry_max_ns, down_after_ns;
	uint32_t failures;
	bool told_down;     /* EV_DOWN was told, or is being told; EV_UP will be */
	bool telling;       /* a thread is telling EV_DOWN at this moment ... */
	bool owes_up;       /* ... and must tell EV_UP after it: never the other way round */
	int64_t since_ns;   /* when this run's first open failed */
	int64_t bare_ns;    /* when the last resource went, if that was in this run */
	int64_t last_ns;    /* when its latest open failed */
	int64_t retry_ns;   /* when the next open may go out, if nobody waits */
	int64_t ceiling_ns; /* the most that the next pause may be */
	qpool_error error;  /* the latest cause */
} qp_backoff;

/* Set new limits; they also shorten the pause that runs. */
void qp_backoff_set(
    qp_backoff *backoff, int64_t retry_min_ns, int64_t retry_max_ns, int64_t down_after_ns);
/* An open that began at `began_ns` failed.  Failures of opens that were in flight together double
 * the ceiling once. */
void qp_backoff_failed(qp_backoff *backoff, int64_t began_ns, int64_t now_ns,
    const qpool_error *error, uint64_t *random);
/* An open succeeded: calm again. */
void qp_backoff_succeeded(qp_backoff *backoff);
/* Forget all failures, and what was told of them. */
void qp_backoff_calm(qp_backoff *backoff);
/* The last resource is gone. */
void qp_backoff_bare(qp_backoff *backoff, int64_t now_ns);
/* When the next open may go out; 0, at once, when calm. */
int64_t qp_backoff_due(const qp_backoff *backoff, bool somebody_asks);
/* Must acquires fail at once?  `any_exist`: some resource is open. */
bool qp_backoff_is_hopeless(const qp_backoff *backoff, bool any_exist, int64_t now_ns);
/* When the pool becomes hopeless by time alone, if no resource exists until then;
 * QP_TIME_NEVER when calm. */
int64_t qp_backoff_hopeless_at(const qp_backoff *backoff);
bool qp_backoff_is_valid(const qp_backoff *backoff);

#endif
