/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch: the four ways to look at a pool: counts, how long things take, who holds what, and a dump from a
 * signal handler, which works even when the program is stuck:  kill -USR1 <pid>
 */
#include <queuepool/sqlite.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static qpool *watched; /* made before the handler is, freed after it is gone */

static void
dump(int signal_number)
{
	(void)signal_number;
	qpool_dump(watched, STDOUT_FILENO);
}

static bool
show_entry(void *user, const qpool_entry *entry)
{
	(void)user;
	printf("  %" PRIu64 " %s, its lease no. %" PRIu64 "%s%s\n", entry->resource_id,
	    entry->state, entry->uses, entry->label != NULL ? " is for " : "",
	    entry->label != NULL ? entry->label : "");
	return true; /* and the next */
}

static void
show_counts(const qpool *pool)
{
	qpool_stats stats = qpool_stats_init();
	qpool_hist hist = qpool_hist_init();

	qpool_get_stats(pool, &stats);
	printf("%u leased, %u idle, %u waiting; %" PRIu64 " leases since the start\n", stats.leased,
	    stats.idle, stats.waiting, stats.acquires);
	if (qpool_get_hist(pool, QPOOL_HIST_OPEN, &hist) == QPOOL_OK)
		printf("opens: %" PRIu64 ", one in two within %" PRId64
		       " us, 99 in 100 within %" PRId64 " us\n",
		    hist.count, qpool_hist_quantile(&hist, 0.5) / 1000,
		    qpool_hist_quantile(&hist, 0.99) / 1000);
}

static int
look(qpool *pool, qpool_error *error)
{
	struct sigaction action = {.sa_handler = dump, .sa_flags = SA_RESTART};
	QPOOL_SCOPED qpool_lease one = QPOOL_LEASE_INIT, other = QPOOL_LEASE_INIT;

	if (qpool_acquire(pool, QPOOL_DEFAULT, &one, error) != QPOOL_OK ||
	    qpool_acquire(pool, QPOOL_DEFAULT, &other, error) != QPOOL_OK)
		return 1;
	qpool_label(&one, "reading the totals");
	(void)qpool_release(&other);

	show_counts(pool);
	(void)qpool_each(pool, show_entry, NULL);
	(void)fflush(stdout);
	watched = pool;
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)raise(SIGUSR1);
	(void)signal(SIGUSR1, SIG_DFL);
	return 0;
}

int
main(void)
{
	qpool_error error;
	qpool *pool;
	int failed = 1;

	if (qpool_sqlite_create(&pool, ":memory:", NULL, NULL, &error) == QPOOL_OK) {
		failed = look(pool, &error);
		qpool_free(pool);
	}
	if (failed)
		(void)fprintf(stderr, "%s\n", error.message);
	return failed;
}
