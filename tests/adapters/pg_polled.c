/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_polled: what the system says of a socket, in the two cases that no real server brings about when a
 * test wants them: that there is always something to read, as when a server answers faster than a busy
 * machine reads (a deadline which only a wait in vain would notice is never noticed then); and that a
 * server's last words are there but not yet its end.  The program's own poll and ppoll stand in front of
 * libc's.
 */
#include "pg_kit.h"

#include <queuepool/postgres.h>

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static pg_server *server;
static atomic_bool always; /* ppoll: something to read */
static atomic_uint
    looks_left; /* poll, if not 0: something to read, and no end; after the last, nothing */

/* Under libc's name, whose declaration is in the way. */
__attribute__((visibility("default"))) int our_ppoll(struct pollfd *all, nfds_t count,
    const struct timespec *span, const sigset_t *mask) __asm__("ppoll");

int
our_ppoll(struct pollfd *all, nfds_t count, const struct timespec *span, const sigset_t *mask)
{
	int (*libc)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);

	*(void **)&libc = dlsym(RTLD_NEXT, "ppoll");
	if (!atomic_load(&always))
		return libc(all, count, span, mask);
	for (nfds_t i = 0; i < count; i++)
		all[i].revents = (short)(all[i].events & POLLIN);
	return (int)count;
}

int our_poll_(struct pollfd *all, nfds_t count, int msec) __asm__("poll");
__attribute__((visibility("default"))) int
our_poll_(struct pollfd *all, nfds_t count, int msec)
{
	int (*libc)(struct pollfd *, nfds_t, int);

	*(void **)&libc = dlsym(RTLD_NEXT, "poll");
	if (atomic_load(&looks_left) == 0)
		return libc(all, count, msec);
	if (atomic_fetch_sub(&looks_left, 1) == 1) {
		atomic_store(&looks_left, 1);
		return 0;
	}
	all[0].revents = POLLIN;
	return 1;
}

static int
begin(void **state)
{
	(void)state;
	server = pg_server_start(NULL);
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* One that answers after a second or two; what missed its deadline hears it. */
#define SLOW "SELECT pg_sleep(1.5)"

static qpool *
pool_of_one(qpool_lease *lease)
{
	qpool_options options = qpool_options_init();
	qpool_error error;
	qpool *pool;

	options.max_size = 1;
	assert_int_equal(
	    qpool_pg_create(&pool, pg_server_conninfo(server), NULL, &options, &error), QPOOL_OK);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), lease, &error), QPOOL_OK);
	assert_non_null(qpool_pg_conn(lease));
	return pool;
}

static void
a_statement(void **state)
{
	qpool_pg_params params = qpool_pg_params_init();
	qpool_error error;
	PGresult *result;
	qpool_lease lease;
	qpool *pool = pool_of_one(&lease);

	(void)state;
	params.timeout = QPOOL_MSEC(20);
	atomic_store(&always, true);
	assert_int_equal(qpool_pg_query(&lease, SLOW, &params, &result, &error), QPOOL_EUNKNOWN);
	atomic_store(&always, false);
	assert_non_null(strstr(error.message, "no answer within 20 ms"));
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(pool);
}

/* A worker gives it a moment, then cancels it, long before it would have ended. */
static void
a_return(void **state)
{
	qpool_lease lease;
	qpool *pool = pool_of_one(&lease);
	int pid = PQbackendPID(qpool_pg_conn(&lease));

	(void)state;
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	assert_int_equal(PQsendQuery(qpool_pg_conn(&lease), "SELECT pg_sleep(600)"), 1);
	atomic_store(&always, true);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, NULL), QPOOL_OK);
	atomic_store(&always, false);
	assert_int_equal(PQbackendPID(qpool_pg_conn(&lease)), pid);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(pool);
}

/* "terminating connection..." comes before the connection ends, maybe in a packet of its own. */
static void
last_words(void **state)
{
	qpool_lease lease;
	qpool *pool = pool_of_one(&lease);
	int pid = PQbackendPID(qpool_pg_conn(&lease));

	(void)state;
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	pg_kill_backend(server, pid);
	atomic_store(&looks_left, 2);
	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, NULL), QPOOL_OK);
	atomic_store(&looks_left, 0);
	assert_int_not_equal(PQbackendPID(qpool_pg_conn(&lease)), pid);
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
	qpool_free(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_statement),
	    cmocka_unit_test(a_return),
	    cmocka_unit_test(last_words),
	};

	return cmocka_run_group_tests_name("pg_polled", tests, begin, finish);
}
