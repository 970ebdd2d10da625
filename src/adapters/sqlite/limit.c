/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limit: a busy handler for locks, a progress handler for work.
 */
#include "limit.h"

#include <time.h>

/* Between two looks at the clock: some ten microseconds of SQLite's virtual machine. */
enum { OPS_PER_LOOK = 1000 };

static int64_t
now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return INT64_MAX;
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t
after(int64_t now, int64_t span)
{
	return span > INT64_MAX - now ? INT64_MAX : now + span;
}

static int
stop_when_late(void *arg)
{
	qp_sqlite_limit *limit = arg;

	if (limit->end_ns != INT64_MAX && now_ns() >= limit->end_ns)
		limit->stopped = true;
	return limit->stopped;
}

int
qp_sqlite_limit_wait(void *arg, int attempt)
{
	static const int pauses_ms[] = {1, 2, 5, 10, 15, 20, 25};
	const int last = (int)(sizeof pauses_ms / sizeof pauses_ms[0]) - 1;
	const qp_sqlite_limit *limit = arg;
	int64_t left_ms, now = now_ns();
	int pause_ms = pauses_ms[attempt < last ? attempt : last];

	if (now >= limit->lock_end_ns)
		return 0;
	left_ms = (limit->lock_end_ns - now) / 1000000 + 1;
	(void)sqlite3_sleep(left_ms < pause_ms ? (int)left_ms : pause_ms);
	return 1;
}

void
qp_sqlite_limit_lay(qp_sqlite_limit *limit, sqlite3 *db, qpool_nsec budget, int busy_ms)
{
	int64_t now = now_ns();

	limit->stopped = false;
	limit->end_ns = after(now, budget > 0 ? budget : 0);
	limit->lock_end_ns = after(now, (int64_t)busy_ms * 1000000);
	if (limit->lock_end_ns > limit->end_ns)
		limit->lock_end_ns = limit->end_ns;
	(void)sqlite3_busy_handler(db, qp_sqlite_limit_wait, limit);
	sqlite3_progress_handler(db, OPS_PER_LOOK, stop_when_late, limit);
}

void
qp_sqlite_limit_lift(sqlite3 *db, int busy_ms)
{
	sqlite3_progress_handler(db, 0, NULL, NULL);
	(void)sqlite3_busy_timeout(db, busy_ms);
}
