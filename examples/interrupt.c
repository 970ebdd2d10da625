/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interrupt: a wait for a resource that a signal can end; here SIGALRM plays the one who presses Ctrl-C.
 */
#include <queuepool/sqlite.h>

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static volatile sig_atomic_t stopping;

static void
stop(int signal_number)
{
	(void)signal_number;
	stopping = 1;
}

/* Asked on the waiting thread after each signal, with no lock held: a binding runs its language's own
 * handlers here. */
static int
shall_stop(void *user)
{
	(void)user;
	return stopping;
}

static int
wait_in_vain(qpool *pool)
{
	struct sigaction action = {.sa_handler = stop};
	const struct itimerval soon = {.it_value = {.tv_usec = 20000}};
	QPOOL_SCOPED qpool_lease held = QPOOL_LEASE_INIT;
	qpool_request request = qpool_request_init();
	qpool_lease lease;
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_DEFAULT, &held, &error) != QPOOL_OK) {
		(void)fprintf(stderr, "interrupt: %s\n", error.message);
		return 1;
	}
	request.timeout = QPOOL_FOREVER;
	request.site = QPOOL_SITE;
	request.interrupted = shall_stop;
	request.interrupt_every = QPOOL_SEC(1); /* a signal just before the sleep is not lost */
	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &soon, NULL);
	if (qpool_acquire_with(pool, &request, &lease, &error) != QPOOL_ECANCEL) {
		(void)fprintf(stderr, "interrupt: the wait was not interrupted\n");
		qpool_release(&lease);
		return 1;
	}
	printf("the wait was ended; %s is as it was\n", qpool_name(pool));
	return 0;
}

int
main(void)
{
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool *pool;
	int failed;

	options.name = "the pool";
	options.max_size = 1;
	if (qpool_sqlite_create(&pool, ":memory:", NULL, &options, &error) != QPOOL_OK) {
		(void)fprintf(stderr, "interrupt: %s\n", error.message);
		return 1;
	}
	failed = wait_in_vain(pool);
	qpool_free(pool);
	return failed;
}
