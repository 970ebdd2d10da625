/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed: sessions for many tenants, at most so many in all and so many of each.  A tenant without any gets
 * room by closing what lies idle for another one.
 */
#include "adapter.h"
#include "line_server.h"

#include <stdio.h>

/* [man: keyed] */
static int
serve(qpool_keyed *keyed, const char *tenant, qpool_error *error)
{
	QPOOL_SCOPED qpool_lease lease = QPOOL_LEASE_INIT;
	const qpool_nsec most = QPOOL_SEC(5);
	char answer[LINE_ROOM];

	/* ops.open finds the tenant in step->key. */
	if (qpool_keyed_acquire(keyed, tenant, most, &lease, error))
		return 1;
	if (session_ask(&lease, "WHO", most, answer, error))
		return 1;
	printf("%s is served as %s\n", tenant, answer + 4);
	return 0;
}
/* [end] */

static void
show(const qpool_keyed *keyed)
{
	qpool_stats stats = qpool_stats_init();

	qpool_keyed_get_stats(keyed, NULL, &stats);
	printf("%u tenants, %u sessions, at most %u\n", stats.keys, stats.idle + stats.leased,
	    stats.max_size);
}

int
main(void)
{
	static const char *const tenants[] = {"anna", "bert", "anna", "carl", "dora"};
	line_server *server = line_server_start("sesame", 8);
	line_source to = {line_server_address(server), "", "sesame"};
	qpool_options options = qpool_options_init();
	qpool_ops ops = session_ops();
	qpool_keyed *keyed;
	qpool_error error;
	int failed = 0;

	options.max_size = 3; /* of all together; of one tenant at most two */
	if (qpool_keyed_create(&keyed, &options, 2, &ops, &to, &error) != QPOOL_OK) {
		(void)fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	for (size_t i = 0; i < sizeof tenants / sizeof tenants[0] && !failed; i++)
		failed = serve(keyed, tenants[i], &error);
	if (failed)
		(void)fprintf(stderr, "%s\n", error.message);
	show(keyed);
	qpool_keyed_free(keyed);
	line_server_stop(server);
	return failed;
}
