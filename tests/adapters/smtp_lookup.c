/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp_lookup: a name whose lookup hangs keeps nobody beyond the budget.  The getaddrinfo in here is for libcurl
 * to find; it answers when the test is over.
 */
#include "smtp_kit.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static bool is_over;
static int asked, answered;

/* Under libc's name, whose declaration is in the way. */
__attribute__((visibility("default"))) int our_getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **out) __asm__("getaddrinfo");

int
our_getaddrinfo(
    const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	(void)name;
	(void)service;
	(void)hints;
	(void)out;
	pthread_mutex_lock(&mutex);
	asked++;
	while (!is_over)
		pthread_cond_wait(&change, &mutex);
	answered++;
	pthread_cond_broadcast(&change);
	pthread_mutex_unlock(&mutex);
	return EAI_FAIL;
}

static bool
is_under_way(void)
{
	bool is;

	pthread_mutex_lock(&mutex);
	is = asked == 1 && answered == 0;
	pthread_mutex_unlock(&mutex);
	return is;
}

static void
let_go(void)
{
	pthread_mutex_lock(&mutex);
	is_over = true;
	pthread_cond_broadcast(&change);
	while (answered < asked)
		pthread_cond_wait(&change, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void
a_lookup_that_hangs_ends_in_time(void **state)
{
	qpool_options options = qpool_options_init();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool_error error = {0};
	struct timespec begun, ended;
	qpool *pool;

	(void)state;
	options.open_failure = QPOOL_OPEN_TELL;
	options.open_budget = QPOOL_MSEC(200);
	pool = smtp_pool("smtp://mail.example.org", &options);
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, &error), QPOOL_EOPEN);
	(void)clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_true(is_under_way());
	assert_int_equal(error.sys_errno, ETIMEDOUT);
	smtp_says(&error, "mail.example.org:587: connecting: ");
	assert_true(ended.tv_sec - begun.tv_sec < 30);
	qpool_free(pool);
	let_go();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_lookup_that_hangs_ends_in_time)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
