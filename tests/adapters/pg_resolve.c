/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pg_resolve: names of hosts, and a DNS that is silent.  This program's getaddrinfo stands before the C
 * library's: names that end in .test are answered here, and hangs.test only when the gate is open.
 */
#include "pg_opening.h"

#include <dlfcn.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pg_server *server;

/* ---- our DNS ------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_shut;           /* hangs.test waits */
	unsigned inside, left;  /* of hangs.test */
	unsigned calls;         /* for any name that ends in .test */
	bool has_taken_signals; /* a lookup's thread would have */
} dns = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static const struct {
	const char *name, *addresses[3];
	int code, sys_errno;
} zone[] = {
    {"here.test", {"127.0.0.1"}, 0, 0},
    {"hangs.test", {"127.0.0.1"}, 0, 0},
    {"two.test", {"127.0.0.2", "127.0.0.1"}, 0, 0},
    {"refuses.test", {"127.0.0.2", "127.0.0.3"}, 0, 0},
    {"alone.test", {"127.0.0.2"}, 0, 0},
    {"unknown.test", {NULL}, EAI_NONAME, 0},
    {"later.test", {NULL}, EAI_AGAIN, 0},
    {"broken.test", {NULL}, EAI_SYSTEM, ENFILE},
};

typedef int lookup_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static lookup_fn *
libc_lookup(void)
{
	void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
	lookup_fn *fn;

	memcpy(&fn, &symbol, sizeof fn);
	return fn;
}

static void
arrive(const char *name)
{
	sigset_t mask;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	(void)pthread_mutex_lock(&dns.lock);
	dns.calls++;
	if (!sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGALRM))
		dns.has_taken_signals = true;
	if (strcmp(name, "hangs.test") == 0) {
		dns.inside++;
		(void)pthread_cond_broadcast(&dns.changed);
		while (dns.is_shut)
			(void)pthread_cond_wait(&dns.changed, &dns.lock);
		dns.inside--;
		dns.left++;
		(void)pthread_cond_broadcast(&dns.changed);
	}
	(void)pthread_mutex_unlock(&dns.lock);
}

/* The C library's lists are chained one by one. */
static int
answer(size_t at, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	struct addrinfo **end = out;

	*out = NULL;
	for (size_t i = 0; i < 3 && zone[at].addresses[i] != NULL; i++) {
		int code = libc_lookup()(zone[at].addresses[i], service, hints, end);
		if (code != 0)
			return code;
		while (*end != NULL)
			end = &(*end)->ai_next;
	}
	errno = zone[at].sys_errno;
	return zone[at].code;
}

/* Under libc's name, whose declaration is in the way. */
__attribute__((visibility("default"))) int our_getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **out) __asm__("getaddrinfo");

int
our_getaddrinfo(
    const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	for (size_t i = 0; name != NULL && i < sizeof zone / sizeof zone[0]; i++)
		if (strcmp(name, zone[i].name) == 0) {
			arrive(name);
			return answer(i, service, hints, out);
		}
	return libc_lookup()(name, service, hints, out);
}

static void
dns_shut(bool is_shut)
{
	(void)pthread_mutex_lock(&dns.lock);
	dns.is_shut = is_shut;
	(void)pthread_cond_broadcast(&dns.changed);
	(void)pthread_mutex_unlock(&dns.lock);
}

static void
dns_await(const unsigned *counter, unsigned count)
{
	(void)pthread_mutex_lock(&dns.lock);
	while (*counter != count)
		(void)pthread_cond_wait(&dns.changed, &dns.lock);
	(void)pthread_mutex_unlock(&dns.lock);
}

static unsigned
dns_calls(void)
{
	unsigned calls;

	(void)pthread_mutex_lock(&dns.lock);
	calls = dns.calls;
	(void)pthread_mutex_unlock(&dns.lock);
	return calls;
}

/* ---- threads ------------------------------------------------------------------------- */

/* Of this process; a thread that has ended may be seen for a little while. */
static unsigned
threads_now(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned count = 0;

	assert_non_null(tasks);
	for (struct dirent *at; (at = readdir(tasks)) != NULL;)
		count += at->d_name[0] != '.';
	(void)closedir(tasks);
	return count;
}

static void
await_threads(unsigned count)
{
	while (threads_now() > count)
		(void)sched_yield();
}

/* Somebody else who acquires. */
typedef struct goer {
	pthread_t thread;
	opening *o;
	qpool_lease lease;
	qpool_error error;
	qpool_err err;
} goer;

static void *
go(void *of)
{
	goer *g = of;

	g->err = qpool_acquire(g->o->pool, OPENING_PATIENCE, &g->lease, &g->error);
	return NULL;
}

static void
send_out(goer *g, opening *o)
{
	*g = (goer){.o = o};
	assert_int_equal(pthread_create(&g->thread, NULL, go, g), 0);
}

static void
meet(goer *g)
{
	assert_int_equal(pthread_join(g->thread, NULL), 0);
	if (g->err != QPOOL_OK)
		fail_msg("no lease: %s", g->error.message);
	assert_non_null(qpool_pg_conn(&g->lease));
	assert_int_equal(qpool_release(&g->lease), QPOOL_OK);
}

/* ---- a test's surroundings ----------------------------------------------------------- */

static void *
do_nothing(void *of)
{
	return of;
}

static int
begin(void **state)
{
	pthread_t thread;

	(void)state;
	/* A sanitizer begins its own thread with the program's first one: before any is counted. */
	assert_int_equal(pthread_create(&thread, NULL, do_nothing, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	server = pg_server_start(NULL);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	pg_server_end(server);
	return 0;
}

/* Without lookups. */
static unsigned threads_usual;

static int
begin_one(void **state)
{
	(void)state;
	threads_usual = threads_now();
	(void)pthread_mutex_lock(&dns.lock);
	dns.calls = dns.left = 0;
	dns.has_taken_signals = false;
	(void)pthread_mutex_unlock(&dns.lock);
	return 0;
}

static int
end_one(void **state)
{
	bool has_taken_signals;

	(void)state;
	dns_shut(false);
	await_threads(threads_usual);
	(void)pthread_mutex_lock(&dns.lock);
	has_taken_signals = dns.has_taken_signals;
	(void)pthread_mutex_unlock(&dns.lock);
	return has_taken_signals;
}

static opening
pool_at(const char *hosts, qpool_nsec budget)
{
	opening o = opening_init();

	o.options.max_size = 2;
	o.options.open_budget = budget;
	opening_pool(&o, "host=%s port=%d dbname=postgres user=postgres sslmode=disable", hosts,
	    pg_server_port(server));
	return o;
}

static int64_t
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* ---- names --------------------------------------------------------------------------- */

static void
a_name(void **state)
{
	opening o = pool_at("here.test", OPENING_PATIENCE);
	PGconn *conn = opening_take(&o);

	(void)state;
	assert_string_equal(PQhost(conn), "here.test");
	assert_string_equal(PQhostaddr(conn), "127.0.0.1");
	assert_int_equal(dns_calls(), 1);
	/* Answers are not kept. */
	assert_int_equal(qpool_discard(&o.lease), QPOOL_OK);
	(void)opening_take(&o);
	assert_int_equal(dns_calls(), 2);
	opening_put(&o);
	opening_end(&o);
}

static void
nothing_to_look_up(void **state)
{
	opening o = pool_at("127.0.0.1", OPENING_PATIENCE);

	(void)state;
	(void)opening_take(&o);
	opening_put(&o);
	opening_end(&o);
	o = pool_at("hangs.test hostaddr=127.0.0.1", OPENING_PATIENCE);
	dns_shut(true);
	assert_string_equal(PQhost(opening_take(&o)), "hangs.test");
	opening_put(&o);
	opening_end(&o);
	assert_int_equal(dns_calls(), 0);
}

static void
several_addresses(void **state)
{
	opening o = pool_at("two.test", OPENING_PATIENCE);

	(void)state;
	assert_string_equal(PQhostaddr(opening_take(&o)), "127.0.0.1");
	assert_int_equal(opening_stats(&o).open_failures, 0);
	opening_put(&o);
	opening_end(&o);
	o = pool_at("refuses.test", OPENING_PATIENCE);
	opening_refused(&o, QPOOL_EOPEN, "", "127.0.0.2");
	assert_non_null(strstr(o.error.message, "refused"));
	assert_non_null(strstr(o.error.message, "refuses.test (127.0.0.3)"));
	opening_end(&o);
}

/* libpq tells the address only. */
static void
one_address_is_named(void **state)
{
	opening o = pool_at("alone.test", OPENING_PATIENCE);

	(void)state;
	opening_refused(
	    &o, QPOOL_EOPEN, "", "alone.test: connection to server at \"127.0.0.2\", port ");
	opening_end(&o);
}

static void
no_address(void **state)
{
	opening o = pool_at("unknown.test", OPENING_PATIENCE);

	(void)state;
	opening_refused(&o, QPOOL_EOPEN, "", "\"unknown.test\" has no address");
	opening_end(&o);
	o = pool_at("later.test", OPENING_PATIENCE);
	opening_refused(&o, QPOOL_EOPEN, "", "\"later.test\" has no address");
	opening_end(&o);
	o = pool_at("broken.test", OPENING_PATIENCE);
	opening_refused(&o, QPOOL_EOPEN, "", strerror(ENFILE));
	assert_int_equal(o.error.sys_errno, ENFILE);
	opening_end(&o);
	/* The next host is tried. */
	o = pool_at("unknown.test,here.test", OPENING_PATIENCE);
	assert_string_equal(PQhost(opening_take(&o)), "here.test");
	opening_put(&o);
	opening_end(&o);
}

/* ---- silence ------------------------------------------------------------------------- */

static void
ends_by_its_budget(void **state)
{
	opening o = pool_at("hangs.test", QPOOL_MSEC(100));
	int64_t began = now();

	(void)state;
	dns_shut(true);
	opening_refused(&o, QPOOL_EOPEN, "", "\"hangs.test\" was not found in time");
	assert_true(now() - began >= QPOOL_MSEC(100));
	assert_true(now() - began < QPOOL_SEC(20));
	opening_end(&o);
}

/* A silent name takes its share, no more. */
static void
goes_on_to_the_next_host(void **state)
{
	opening o = pool_at("hangs.test,here.test", QPOOL_SEC(3));

	(void)state;
	dns_shut(true);
	assert_string_equal(PQhost(opening_take(&o)), "here.test");
	opening_put(&o);
	opening_end(&o);
}

static void
others_open_meanwhile(void **state)
{
	opening silent = pool_at("hangs.test", OPENING_PATIENCE);
	opening other = pool_at("here.test", OPENING_PATIENCE);
	goer g;

	(void)state;
	dns_shut(true);
	send_out(&g, &silent);
	dns_await(&dns.inside, 1);
	(void)opening_take(&other);
	opening_put(&other);
	dns_shut(false);
	meet(&g);
	opening_end(&other);
	opening_end(&silent);
}

/* A lookup of the same name is under way: whoever comes waits for it. */
static void
joins(void **state)
{
	opening o = pool_at("hangs.test", OPENING_PATIENCE);
	qpool_lease lease;
	goer first, second;

	(void)state;
	dns_shut(true);
	send_out(&first, &o);
	dns_await(&dns.inside, 1);
	assert_int_not_equal(qpool_acquire(o.pool, QPOOL_MSEC(100), &lease, &o.error), QPOOL_OK);
	assert_non_null(strstr(o.error.message, "hangs.test"));
	assert_int_equal(dns_calls(), 1);
	/* Who leaves at his deadline does not end it for those who stay. */
	send_out(&second, &o);
	dns_shut(false);
	meet(&first);
	meet(&second);
	opening_end(&o);
}

static void
outlives_the_pool(void **state)
{
	opening o = pool_at("hangs.test", QPOOL_MSEC(100));
	unsigned threads = threads_now();

	(void)state;
	dns_shut(true);
	opening_refused(&o, QPOOL_EOPEN, "", "hangs.test");
	assert_int_equal(threads_now(), threads + 1);
	opening_end(&o);
	dns_shut(false);
	dns_await(&dns.left, 1);
	await_threads(threads);
}

/* ---- fork ---------------------------------------------------------------------------- */

/* In a child there is no cmocka to jump to. */
static void
live(opening *o)
{
	int code = 0;

	(void)alarm(60);
	dns.is_shut = false; /* no other thread lives here */
	if (qpool_acquire(o->pool, OPENING_PATIENCE, &o->lease, &o->error) != QPOOL_OK) {
		fprintf(stderr, "in a child: no lease: %s\n", o->error.message);
		_exit(1);
	}
	code = !pg_answers(qpool_pg_conn(&o->lease));
	code |= qpool_release(&o->lease) != QPOOL_OK;
	code |= qpool_close(o->pool, OPENING_PATIENCE) != QPOOL_OK;
	qpool_free(o->pool);
	code |= dns.calls != 2;
	_exit(code);
}

static void
forked_while_it_hangs(void **state)
{
	int status = 1;
	opening o;
	goer g;
	pid_t child;

	(void)state;
#if defined(__SANITIZE_THREAD__)
	skip(); /* its children may have no threads */
#endif
	o = pool_at("hangs.test", OPENING_PATIENCE);
	dns_shut(true);
	send_out(&g, &o);
	dns_await(&dns.inside, 1);
	(void)fflush(NULL);
	child = fork();
	if (child == 0)
		live(&o);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* The parent's went on. */
	dns_shut(false);
	meet(&g);
	assert_int_equal(dns_calls(), 1);
	opening_end(&o);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, begin_one, end_one)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    ONE(a_name),
	    ONE(nothing_to_look_up),
	    ONE(several_addresses),
	    ONE(one_address_is_named),
	    ONE(no_address),
	    ONE(ends_by_its_budget),
	    ONE(goes_on_to_the_next_host),
	    ONE(others_open_meanwhile),
	    ONE(joins),
	    ONE(outlives_the_pool),
	    ONE(forked_while_it_hangs),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("pg_resolve", tests, begin, end);
}
