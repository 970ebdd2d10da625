/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_resolve: names of hosts, with a getaddrinfo of the test's own in front of libc's, which holds back the
 * answer for slow.test and makes several addresses of many.test.
 */
#include "pg_kit.h"

#include <queuepool/postgres.h>

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pg_server *server;

/* All but `lookups` under `lock`. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_shut;
	unsigned inside;
	atomic_uint lookups; /* of slow.test, ever */
} door = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void
stand_at_the_door(void)
{
	(void)pthread_mutex_lock(&door.lock);
	door.inside++;
	(void)pthread_cond_broadcast(&door.changed);
	while (door.is_shut)
		(void)pthread_cond_wait(&door.changed, &door.lock);
	door.inside--;
	(void)pthread_cond_broadcast(&door.changed);
	(void)pthread_mutex_unlock(&door.lock);
}

static void
shut(bool is_shut)
{
	(void)pthread_mutex_lock(&door.lock);
	door.is_shut = is_shut;
	(void)pthread_cond_broadcast(&door.changed);
	while (!is_shut && door.inside > 0)
		(void)pthread_cond_wait(&door.changed, &door.lock);
	(void)pthread_mutex_unlock(&door.lock);
}

static int
libc(const char *node, const struct addrinfo *hints, struct addrinfo **out)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	*(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
	return next(node, NULL, hints, out);
}

/* The list of `first`, then that of `second`; libc's freeaddrinfo takes it as one. */
static int
two(const char *first, const char *second, const struct addrinfo *hints, struct addrinfo **out)
{
	struct addrinfo *last;
	int code = libc(first, hints, out);

	for (last = *out; code == 0 && last->ai_next != NULL;)
		last = last->ai_next;
	return code != 0 ? code : libc(second, hints, &last->ai_next);
}

int getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out);

/* Under libc's name, whose declaration is in the way. */
int held_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
    struct addrinfo **out) __asm__("getaddrinfo");

int
held_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (node != NULL && strcmp(node, "many.test") == 0)
		return two("127.0.0.2", "127.0.0.1", hints, out);
	if (node != NULL && strcmp(node, "no.test") == 0)
		return EAI_NONAME;
	if (node != NULL && strcmp(node, "slow.test") == 0) {
		atomic_fetch_add(&door.lookups, 1);
		stand_at_the_door();
		return libc("127.0.0.1", hints, out);
	}
	*(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
	return next(node, service, hints, out);
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

static qpool *
pool_at(const char *host, qpool_nsec open_budget)
{
	qpool_options options = qpool_options_init();
	qpool_error error;
	char conninfo[256];
	qpool *pool;

	(void)snprintf(conninfo, sizeof conninfo, "host=%s port=%d dbname=postgres user=postgres",
	    host, pg_server_port(server));
	options.open_failure = QPOOL_OPEN_TELL;
	options.open_budget = open_budget;
	if (qpool_pg_create(&pool, conninfo, NULL, &options, &error) != QPOOL_OK)
		fail_msg("no pool: %s", error.message);
	return pool;
}

static void
must_serve(qpool *pool)
{
	qpool_lease lease;
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_SEC(60), &lease, &error) != QPOOL_OK)
		fail_msg("no lease: %s", error.message);
	assert_true(pg_answers(qpool_pg_conn(&lease)));
	assert_int_equal(qpool_release(&lease), QPOOL_OK);
}

static void
must_refuse(qpool *pool, const char *words)
{
	qpool_lease lease;
	qpool_error error;

	assert_int_equal(qpool_acquire(pool, QPOOL_SEC(60), &lease, &error), QPOOL_EOPEN);
	assert_non_null(strstr(error.message, words));
}

static void
a_name_that_nobody_answers(void **state)
{
	qpool *slow = pool_at("slow.test", QPOOL_MSEC(300)), *other;
	unsigned before = atomic_load(&door.lookups);

	(void)state;
	shut(true);
	must_refuse(slow, "slow.test");
	/* The lookup goes on, and nobody else waits for it. */
	other = pool_at("127.0.0.1", QPOOL_SEC(30));
	must_serve(other);
	/* One that is under way is not begun again. */
	must_refuse(slow, "slow.test");
	assert_int_equal(atomic_load(&door.lookups), before + 1);
	shut(false);
	must_serve(slow);
	qpool_free(slow);
	qpool_free(other);
}

/* Its thread ends after everything it was begun for. */
static void
a_lookup_outlives_its_pool(void **state)
{
	qpool *slow = pool_at("slow.test", QPOOL_MSEC(100));

	(void)state;
	shut(true);
	must_refuse(slow, "slow.test");
	qpool_free(slow);
	shut(false);
}

static int
child_of(qpool *slow)
{
	qpool_lease lease;

	/* The thread that looks up is the parent's; its door is open here. */
	door.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	door.changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	door.is_shut = false;
	if (qpool_acquire(slow, QPOOL_SEC(60), &lease, NULL) != QPOOL_OK)
		return 1;
	return pg_answers(qpool_pg_conn(&lease)) ? 0 : 2;
}

static void
a_child_looks_up_for_itself(void **state)
{
	qpool *slow = pool_at("slow.test", QPOOL_MSEC(300));
	int status = -1;
	pid_t child;

	(void)state;
	shut(true);
	must_refuse(slow, "slow.test");
	child = fork();
	if (child == 0)
		_exit(child_of(slow));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	shut(false);
	must_serve(slow);
	qpool_free(slow);
}

static void
the_next_address_serves(void **state)
{
	qpool *many = pool_at("many.test", QPOOL_SEC(30));

	(void)state;
	must_serve(many);
	qpool_free(many);
}

static void
a_name_without_an_address(void **state)
{
	qpool *none = pool_at("no.test", QPOOL_SEC(30));

	(void)state;
	must_refuse(none, "host \"no.test\" has no address");
	qpool_free(none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_name_that_nobody_answers),
	    cmocka_unit_test(a_lookup_outlives_its_pool),
	    cmocka_unit_test(a_child_looks_up_for_itself),
	    cmocka_unit_test(the_next_address_serves),
	    cmocka_unit_test(a_name_without_an_address),
	};
	return cmocka_run_group_tests(tests, begin, finish);
}
