/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workers: threads of the pool's own open, close and keep some ready, so that no caller waits for an open
 * that a returned one would have spared it; and a service that says it is ready only when it is.
 */
#include <queuepool/sqlite.h>

#include <stdio.h>

static unsigned
idle_in(const qpool *pool)
{
	qpool_stats stats = qpool_stats_init();

	qpool_get_stats(pool, &stats);
	return stats.idle;
}

/* [man: workers] */
static int
serve(qpool *pool, qpool_error *error)
{
	QPOOL_SCOPED qpool_lease one = QPOOL_LEASE_INIT;
	QPOOL_SCOPED qpool_lease other = QPOOL_LEASE_INIT;

	/* One more than may hang in an open or close at the same time. */
	if (qpool_start(pool, 2, error) != QPOOL_OK)
		return 1;
	/* The readiness probe may say yes when two can be lent at once. */
	if (qpool_wait_ready(pool, 2, QPOOL_SEC(10), error) != QPOOL_OK)
		return 1;
	printf("ready: %u are idle before anybody asked\n", idle_in(pool));

	if (qpool_acquire(pool, QPOOL_SEC(1), &one, error) != QPOOL_OK ||
	    qpool_acquire(pool, QPOOL_SEC(1), &other, error) != QPOOL_OK)
		return 1;
	if (qpool_wait_ready(pool, 2, QPOOL_SEC(10), error) != QPOOL_OK)
		return 1;
	printf("two are lent, and %u are idle again\n", idle_in(pool));
	return 0;
}
/* [end] */

int
main(void)
{
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool *pool;
	int failed = 1;

	options.max_size = 8;
	options.min_idle = 2;
	if (qpool_sqlite_create(&pool, ":memory:", NULL, &options, &error) == QPOOL_OK) {
		failed = serve(pool, &error);
		qpool_free(pool); /* joins the workers */
	}
	if (failed)
		(void)fprintf(stderr, "%s\n", error.message);
	return failed;
}
