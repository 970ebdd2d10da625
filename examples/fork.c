/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork: parent and child use the same pool, and neither harms the other.  In the child it is empty and opens
 * its own; what the parent had open is forgotten there, without a byte to the server.
 */
#include "adapter.h"
#include "line_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int
ask_for_number(qpool *pool, const char *who)
{
	QPOOL_SCOPED qpool_lease lease = QPOOL_LEASE_INIT;
	char answer[LINE_ROOM];
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_SEC(5), &lease, &error) != QPOOL_OK ||
	    session_ask(&lease, "NUMBER", QPOOL_SEC(5), answer, &error) != QPOOL_OK) {
		(void)fprintf(stderr, "%s: %s\n", who, error.message);
		return 1;
	}
	printf("%s has session %s\n", who, answer + 4);
	return 0;
}

static int
run_child(qpool *pool)
{
	int failed = ask_for_number(pool, "child");

	qpool_free(pool); /* closes the child's own only */
	(void)fflush(stdout);
	return failed;
}

int
main(void)
{
	line_server *server = line_server_start("sesame", 8);
	line_source to = {line_server_address(server), "ali", "sesame"};
	qpool_ops ops = session_ops();
	qpool_error error;
	qpool *pool;
	int failed, status = 1;
	pid_t child;

	if (qpool_create(&pool, NULL, &ops, &to, &error) != QPOOL_OK) {
		(void)fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	failed = ask_for_number(pool, "parent");
	(void)fflush(stdout); /* or both would print it */
	child = fork();
	if (child == 0)
		_exit(run_child(pool));
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		failed = 1;
	failed |= ask_for_number(pool, "parent");
	qpool_free(pool);
	line_server_stop(server);
	return failed;
}
