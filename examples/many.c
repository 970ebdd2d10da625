/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * many: work that needs two resources at once.  Threads that each take one and then ask for another come
 * to wait for each other; those who take both or none do not.
 */
#include <queuepool/sqlite.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, ROUNDS = 500 };

/* Copy one number from one database to another; the time is for both together. */
static int
copy_once(qpool *pool, qpool_error *error)
{
	qpool_lease both[2]; /* all empty when it fails */
	qpool_request request = qpool_request_init();
	int bad;

	request.timeout = QPOOL_SEC(30);
	request.site = QPOOL_SITE;
	if (qpool_acquire_many(pool, 2, &request, both, error) != QPOOL_OK)
		return 1;
	bad = sqlite3_exec(qpool_sqlite_db(&both[0]), "SELECT 1", NULL, NULL, NULL) != SQLITE_OK;
	if (!bad)
		bad = sqlite3_exec(qpool_sqlite_db(&both[1]), "SELECT 1", NULL, NULL, NULL) !=
		      SQLITE_OK;
	if (bad)
		(void)qpool_spoil(&both[0]);
	(void)qpool_release(&both[0]); /* each ends by itself, in any order */
	(void)qpool_release(&both[1]);
	return bad;
}

static void *
work(void *argument)
{
	static int failed;
	qpool_error error;

	for (int i = 0; i < ROUNDS; i++)
		if (copy_once(argument, &error) != 0) {
			(void)fprintf(stderr, "%s\n", error.message);
			return &failed;
		}
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
