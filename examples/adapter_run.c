/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * adapter_run: the adapter at work, from reuse to refusal; what it prints is compared by a test.  The
 * server is line_server, on a thread of this program.
 */
#include "adapter.h"
#include "line_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void
must(qpool_err err, const qpool_error *error)
{
	if (err == QPOOL_OK)
		return;
	(void)fprintf(stderr, "%s: %s\n", qpool_err_name(err), error->message);
	exit(1);
}

/* One lease in which one thing is said. */
static void
say(qpool *pool, const char *what)
{
	QPOOL_SCOPED qpool_lease lease = QPOOL_LEASE_INIT;
	char answer[LINE_ROOM];
	qpool_error error;

	must(qpool_acquire(pool, QPOOL_SEC(5), &lease, &error), &error);
	must(session_ask(&lease, what, QPOOL_SEC(5), answer, &error), &error);
	printf("  %-12s %s\n", what, answer);
}

static void
show(const qpool *pool, const char *what)
{
	qpool_stats stats = qpool_stats_init();

	qpool_get_stats(pool, &stats);
	printf("%s: %" PRIu64 " leases, %" PRIu64 " opened, %u idle, %" PRIu64
	       " closed by peek or check\n",
	    what, stats.acquires, stats.opens, stats.idle, stats.closes[QPOOL_WHY_CHECK]);
}

int
main(void)
{
	line_server *server = line_server_start("sesame", 2);
	line_source to = {line_server_address(server), "ali", "sesame"}, wrong = to;
	qpool_options options = qpool_options_init();
	qpool_ops ops = session_ops();
	qpool_lease lease = QPOOL_LEASE_INIT;
	qpool *pool, *refused;
	qpool_error error;

	options.max_size = 2;
	must(qpool_create(&pool, &options, &ops, &to, &error), &error);
	say(pool, "SET secret");
	say(pool, "GET"); /* the same session, made as new: nothing of the lease before is seen */
	say(pool, "WHO");
	show(pool, "reuse");

	line_server_hang_up(server); /* as a restart does, or a firewall that is tired of waiting */
	say(pool, "WHO");
	show(pool, "after a broken one");

	wrong.password = "sesam";
	must(qpool_create(&refused, &options, &ops, &wrong, &error), &error);
	if (qpool_acquire(refused, QPOOL_SEC(5), &lease, &error) == QPOOL_EDENIED)
		printf("refused at once: %s, code %s\n", error.message, error.native);
	qpool_free(refused);

	must(qpool_close(pool, QPOOL_SEC(5)), &error);
	qpool_free(pool);
	while (line_server_count(server).sessions > 0)
		continue; /* until it has heard */
	printf("said goodbye: %u\n", line_server_count(server).quits);
	line_server_stop(server);
	return lease.resource != NULL;
}
