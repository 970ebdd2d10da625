/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_rate: mails per second by 8 threads, through a pool of 8 and by a connection for each mail, against one
 * real server with STARTTLS and a login on this machine, in turns within one run.  The ratio is the figure; as a
 * test it only shows that it can.
 *
 *     smtp_rate ROUNDS [SECONDS-OF-EACH]
 */
#include "smtp_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 8, ROUNDS_MOST = 100 };

typedef struct work {
	qpool *pool;
	int64_t end_ns;
	atomic_uint sent, failed;
} work;

static int64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *
post(void *arg)
{
	qpool_smtp_message message =
	    smtp_message("From: ann@example.org\r\nSubject: x\r\n\r\nhello\r\n");
	work *w = arg;

	while (now_ns() < w->end_ns) {
		qpool_lease lease = QPOOL_LEASE_INIT;
		bool good = qpool_acquire(w->pool, QPOOL_SEC(60), &lease, NULL) == QPOOL_OK &&
		            qpool_smtp_send(&lease, &message, NULL, NULL) == QPOOL_OK;
		atomic_fetch_add(good ? &w->sent : &w->failed, 1);
		(void)qpool_release(&lease);
	}
	return NULL;
}

/* Mails per second. */
static double
measure(const char *url, uint32_t max_uses, double seconds)
{
	qpool_options options = qpool_options_init();
	work w = {.pool = NULL};
	pthread_t threads[THREADS];
	int64_t begun;

	options.max_size = options.max_opening = THREADS;
	options.max_uses = max_uses;
	w.pool = smtp_pool(url, &options);
	begun = now_ns();
	w.end_ns = begun + (int64_t)(seconds * 1e9);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post, &w), 0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	seconds = (double)(now_ns() - begun) / 1e9;
	qpool_free(w.pool);
	assert_int_equal(w.failed, 0);
	return (double)w.sent / seconds;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int rounds = 1;
static double seconds = 0.2;

static void
rate(void **state)
{
	smtp_kit *kit = smtp_kit_start("starttls", true);
	double ratios[ROUNDS_MOST];
	char url[256];

	(void)state;
	(void)snprintf(url, sizeof url, "smtp://" SMTP_USER ":" SMTP_PASSWORD "@127.0.0.1:%d?ca=%s",
	    smtp_kit_port(kit), smtp_kit_file(kit, "ca.pem"));
	(void)measure(url, QPOOL_NOLIMIT, seconds / 4); /* warm */
	for (int i = 0; i < rounds; i++) {
		double pooled = measure(url, QPOOL_NOLIMIT, seconds);
		double single = measure(url, 1, seconds);
		ratios[i] = pooled / single;
		print_message(
		    "pool of 8: %.0f mails/s; a connection each: %.0f mails/s; %.1f times\n",
		    pooled, single, ratios[i]);
	}
	qsort(ratios, (size_t)rounds, sizeof ratios[0], by_size);
	print_message("median: %.1f times\n", ratios[rounds / 2]);
	smtp_kit_end(kit);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rate)};

	if (argc > 1)
		rounds = atoi(argv[1]);
	if (argc > 2)
		seconds = atof(argv[2]);
	if (rounds < 1 || rounds > ROUNDS_MOST || !(seconds > 0))
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
