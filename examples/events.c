/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * events: the pool's life as lines of a log, and a lease that is held too long, by name.
 */
#include <queuepool/sqlite.h>

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static atomic_bool told;

/* [man: events] */
/* Runs on the thread to which it happened, with no lock held. */
static void
log_event(void *user, qpool *pool, const qpool_event *event)
{
	const char *name = qpool_name(pool);
	const char *why = qpool_why_name(event->why); /* of CLOSED only */

	(void)user;
	switch (event->type) {
	case QPOOL_EV_OPENED:
		printf("%s: opened one\n", name);
		break;
	case QPOOL_EV_OPEN_FAILED:
	case QPOOL_EV_TIMED_OUT:
	case QPOOL_EV_DOWN:
		printf("%s: %s\n", name, event->error->message);
		break;
	case QPOOL_EV_CLOSED:
		printf("%s: closed one, %s\n", name, why);
		break;
	case QPOOL_EV_HELD_LONG:
		printf("%s: held long: %s\n", name, event->entry->site);
		atomic_store(&told, true);
		break;
	case QPOOL_EV_HELD_BACK:
		printf("%s: and back\n", name);
		break;
	default: /* there will be more kinds in later versions */
		break;
	}
}
/* [end] */

static int
hold_long(qpool *pool, qpool_error *error)
{
	const struct timespec a_while = {.tv_nsec = 2000000};
	qpool_request request = qpool_request_init();
	qpool_lease lease;

	request.timeout = QPOOL_DEFAULT;
	request.site = "the night's report"; /* most often QPOOL_SITE: file and line */
	request.label = "totals";
	if (qpool_acquire_with(pool, &request, &lease, error) != QPOOL_OK)
		return 1;
	while (!atomic_load(&told)) {
		(void)nanosleep(&a_while, NULL);
		(void)qpool_maintain(
		    pool); /* workers, where there are any, do this by themselves */
	}
	(void)qpool_release(&lease);
	return 0;
}

int
main(void)
{
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool *pool;
	int failed = 1;

	options.name = "bank";
	options.held_long = QPOOL_MSEC(1);
	options.on_event = log_event;
	if (qpool_sqlite_create(&pool, ":memory:", NULL, &options, &error) == QPOOL_OK) {
		failed = hold_long(pool, &error);
		qpool_free(pool);
	}
	if (failed)
		(void)fprintf(stderr, "%s\n", error.message);
	return failed;
}
