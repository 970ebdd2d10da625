/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options: what the program decides, then what the operator says in the environment, then a change
 * while it runs.
 *
 *     POOL='max_size=20&max_idle=5min&open_failure=tell' ./options
 */
#include <queuepool/sqlite.h>

#include <stdio.h>
#include <stdlib.h>

static unsigned
most_of(const qpool *pool)
{
	qpool_stats stats = qpool_stats_init();

	qpool_get_stats(pool, &stats);
	return stats.max_size;
}

/* [man: grow] */
/* Takes effect at once, and takes nothing from those who hold. */
static int
grow(qpool *pool, uint32_t more, qpool_error *error)
{
	qpool_options change = qpool_options_init(); /* 0: no change */

	change.max_size = most_of(pool) + more;
	if (qpool_configure(pool, &change, error) != QPOOL_OK)
		return 1;
	printf("%s: now at most %u\n", qpool_name(pool), most_of(pool));
	return 0;
}
/* [end] */

int
main(void)
{
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool *pool;
	int failed;

	options.name = "reports";
	options.max_size = 4;
	options.max_idle = QPOOL_SEC(60);
	if (qpool_options_parse(&options, getenv("POOL"), &error) != QPOOL_OK ||
	    qpool_sqlite_create(&pool, ":memory:", NULL, &options, &error) != QPOOL_OK) {
		(void)fprintf(stderr, "POOL: %s\n", error.message);
		return 2;
	}
	printf("%s: at most %u\n", qpool_name(pool), most_of(pool));
	failed = grow(pool, 4, &error);
	if (failed)
		(void)fprintf(stderr, "%s\n", error.message);
	qpool_free(pool);
	return failed;
}
