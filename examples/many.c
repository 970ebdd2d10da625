/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many: work that needs two resources at once.  Threads that each take one and then ask for another come
 * to wait for each other; those who take both or none do not.
 */
#include <queuepool/sqlite.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, ROUNDS = 500 };

static int
ask(const qpool_lease *lease)
{
	sqlite3 *db = qpool_sqlite_db(lease);

	if (sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	fprintf(stderr, "many: %s\n", sqlite3_errmsg(db));
	return -1;
}

/* [man: many] */
static int
use_both(qpool *pool)
{
	qpool_request request = qpool_request_init();
	qpool_lease both[2]; /* both are empty when it fails */
	qpool_error error;
	int failed;

	request.timeout = QPOOL_SEC(30); /* for both together */
	request.site = QPOOL_SITE;
	if (qpool_acquire_many(pool, 2, &request, both, &error)) {
		fprintf(stderr, "many: %s\n", error.message);
		return -1;
	}
	failed = ask(&both[0]) || ask(&both[1]);
	for (int i = 0; i < 2; i++) {
		if (failed)
			qpool_spoil(&both[i]); /* in doubt: both */
		qpool_release(&both[i]);
	}
	return failed ? -1 : 0;
}
/* [end] */

static void *
work(void *pool)
{
	static int failed;

	for (int i = 0; i < ROUNDS; i++)
		if (use_both(pool) != 0)
			return &failed;
	return NULL;
}

int
main(void)
{
	qpool_options options = qpool_options_init();
	pthread_t threads[THREADS];
	int done = 0, begun = 0;
	qpool_error error;
	qpool *pool;
	void *failed;

	options.max_size = 3;
	if (qpool_sqlite_create(&pool, ":memory:", NULL, &options, &error) != QPOOL_OK) {
		(void)fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	while (begun < THREADS && pthread_create(&threads[begun], NULL, work, pool) == 0)
		begun++;
	for (int i = 0; i < begun; i++) {
		(void)pthread_join(threads[i], &failed);
		done += failed == NULL ? ROUNDS : 0;
	}
	qpool_free(pool);
	printf("%d times two of three, by %d threads\n", done, begun);
	return done == THREADS * ROUNDS ? 0 : 1;
}
