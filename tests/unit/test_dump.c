/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dump: its text to the letter, descriptors of all kinds, while everything moves, and from a signal handler
 * on the thread that holds the lock of a wedged pool for good.
 */
#include "virtual.h"

#include "core/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

static char text[1 << 20];

/* ---- a reader of what is dumped ---- */

typedef struct reader {
	int from, to;
	pthread_t thread;
} reader;

static void *
reads(void *argument)
{
	const reader *r = argument;
	size_t length = 0;
	ssize_t got;

	while ((got = read(r->from, text + length, sizeof text - 1 - length)) != 0)
		if (got > 0)
			length += (size_t)got;
	text[length] = '\0';
	return NULL;
}

static void
begin_reading(reader *r)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	r->from = ends[0];
	r->to = ends[1];
	actor_runs(&r->thread, reads, r);
}

static void
end_reading(reader *r)
{
	close(r->to);
	pthread_join(r->thread, NULL);
	close(r->from);
}

static const char *
dump_of(const qpool *pool)
{
	reader r;

	begin_reading(&r);
	qpool_dump(pool, r.to);
	end_reading(&r);
	return text;
}

static unsigned
lines(const char *of)
{
	unsigned count = 0;

	for (; *of != '\0'; of++)
		count += *of == '\n';
	return count;
}

/* ---- what it says ---- */

static void
describe(void *user, void *resource, char *out, size_t room)
{
	fake_resource *r = resource;

	assert_ptr_equal(user, r->peer);
	snprintf(out, room, "pid %u\nat db1", (unsigned)(4710 + r->number));
}

static qpool *
described_pool(fake *peer, uint32_t max_size)
{
	qpool_ops ops = fake_ops();
	qpool_options o = qpool_options_init();

	ops.describe = describe;
	o.name = "orders";
	o.max_size = max_size;
	return pool_of(peer, ops, &o);
}

static qpool_lease
take(qpool *pool, const char *site, const char *label)
{
	qpool_request request = qpool_request_init();
	qpool_lease lease;

	request.site = site;
	request.label = label;
	assert_int_equal(qpool_acquire_with(pool, &request, &lease, NULL), QPOOL_OK);
	return lease;
}

static void
the_text_is_this(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 5);
	qpool_lease a = take(pool, "shop.c:12", "nightly\treport"), b = take(pool, NULL, NULL);
	char expected[1000];
	actor gone;

	(void)state;
	actor_acquires(&gone, pool, QPOOL_NOWAIT);
	assert_int_equal(actor_join(&gone), QPOOL_OK);
	qp_testing_clock_advance(QPOOL_MSEC(61250));
	qpool_release(&b);
	qp_testing_clock_advance(QPOOL_MSEC(7));
	snprintf(expected, sizeof expected,
	    "queuepool 'orders' of kind fake, max_size 5\n"
	    "  0 opening, 1 idle, 0 checking, 2 leased, 0 resetting, 0 closing; 0 waiting, 0 workers\n"
	    "  #1 leased for 61.257 s by thread %u at shop.c:12 \"nightly?report\"; open for 61.257 s, "
	    "lent 1 time; pid 4711?at db1\n"
	    "  #2 idle for 0.007 s; open for 61.257 s, lent 1 time; pid 4712?at db1\n"
	    "  #3 leased for 61.257 s by thread %llu (gone); open for 61.257 s, lent 1 time; "
	    "pid 4713?at db1\n",
	    (unsigned)gettid(),
	    (unsigned long long)qp_load_relaxed(&qp_slot_note(gone.lease.slot_)->thread));
	assert_string_equal(dump_of(pool), expected);
	qpool_release(&a);
	qpool_release(&gone.lease);
	end_pool(pool, peer);
}

static void
waiters_workers_and_opens_are_counted(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 1);
	actor a;

	(void)state;
	fake_gate_shut(peer, FAKE_OPEN);
	assert_int_equal(qpool_start(pool, 1, NULL), QPOOL_OK);
	actor_acquires(&a, pool, QPOOL_FOREVER);
	fake_gate_await(peer, FAKE_OPEN, 1);
	assert_string_equal(dump_of(pool),
	    "queuepool 'orders' of kind fake, max_size 1\n"
	    "  1 opening, 0 idle, 0 checking, 0 leased, 0 resetting, 0 closing; 1 waiting, 1 worker\n"
	    "  #0 opening\n");
	fake_gate_open(peer, FAKE_OPEN);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
a_run_of_failures_is_told(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 1);
	qpool_lease lease;

	(void)state;
	fake_fail(peer, FAKE_OPEN, UINT32_MAX, QPOOL_EDENIED);
	assert_int_equal(qpool_acquire(pool, QPOOL_NOWAIT, &lease, NULL), QPOOL_EDENIED);
	qp_testing_clock_advance(QPOOL_MSEC(2500));
	assert_string_equal(dump_of(pool),
	    "queuepool 'orders' of kind fake, max_size 1\n"
	    "  0 opening, 0 idle, 0 checking, 0 leased, 0 resetting, 0 closing; 0 waiting, 0 workers\n"
	    "  opening fails: 1 times in 2.500 s; the pool is down\n");
	end_pool(pool, peer);
}

static void
a_closing_pool_says_so(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 1);
	qpool_lease lease = must_acquire(pool);

	(void)state;
	assert_int_equal(qpool_close(pool, QPOOL_NOWAIT), QPOOL_ETIMEOUT);
	assert_non_null(strstr(dump_of(pool), "max_size 1, closing\n"));
	qpool_release(&lease);
	end_pool(pool, peer);
}

static void
no_pool_is_told(void **state)
{
	(void)state;
	assert_string_equal(dump_of(NULL), "queuepool: no pool\n");
}

static void
texts_are_cut(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 1);
	static char site[5000];
	qpool_lease lease;

	(void)state;
	memset(site, 's', sizeof site - 1);
	lease = take(pool, site, NULL);
	assert_int_equal(strspn(strstr(dump_of(pool), "sss"), "s"), 160);
	qpool_release(&lease);
	end_pool(pool, peer);
}

/* ---- descriptors ---- */

static void
a_large_pool_is_dumped_whole(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 300);
	qpool_lease leases[300];

	(void)state;
	for (int i = 0; i < 300; i++)
		leases[i] = must_acquire(pool);
	for (int i = 10; i < 290; i += 2)
		qpool_discard(&leases[i]);
	errno = 4321;
	assert_int_equal(lines(dump_of(pool)), 2 + 300 - 140);
	assert_int_equal(errno, 4321);
	assert_non_null(strstr(text, "\n  #300 leased"));
	for (int i = 0; i < 300; i++)
		qpool_release(&leases[i]);
	end_pool(pool, peer);
}

static void
a_descriptor_that_takes_nothing_is_left(void **state)
{
	fake *peer = fake_new();
	qpool *pool = described_pool(peer, 300);
	qpool_lease leases[300];
	int ends[2];

	(void)state;
	for (int i = 0; i < 300; i++)
		leases[i] = must_acquire(pool);
	errno = 4321;
	qpool_dump(pool, -1);
	assert_int_equal(pipe(ends), 0);
	(void)fcntl(ends[1], F_SETPIPE_SZ, 4096);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	errno = 4321;
	qpool_dump(pool, ends[1]); /* comes back, though nobody reads */
	assert_int_equal(errno, 4321);
	close(ends[0]);
	close(ends[1]);
	for (int i = 0; i < 300; i++)
		qpool_release(&leases[i]);
	end_pool(pool, peer);
}

/* ---- while everything moves ---- */

static struct {
	qpool *pool;
	qp_atomic_u32 stop;
} churn;

static void *
churns(void *argument)
{
	(void)argument;
	for (unsigned i = 0; qp_load_acquire(&churn.stop) == 0; i++) {
		qpool_lease lease;
		if (qpool_acquire(churn.pool, QPOOL_MSEC(1), &lease, NULL) != QPOOL_OK)
			continue;
		qpool_label(&lease, "busy");
		if (i % 4 == 0)
			qpool_discard(&lease);
		else
			qpool_release(&lease);
	}
	return NULL;
}

static void
lines_are_whole_while_everything_moves(void **state)
{
	fake *peer = fake_new();
	pthread_t threads[3];

	(void)state;
	churn.pool = described_pool(peer, 2);
	assert_int_equal(qpool_start(churn.pool, 1, NULL), QPOOL_OK);
	for (int i = 0; i < 3; i++)
		actor_runs(&threads[i], churns, NULL);
	for (int i = 0; i < 500; i++) {
		char *rest = NULL;
		(void)dump_of(churn.pool);
		assert_in_range(lines(text), 2, 5);
		for (char *line = strtok_r(text, "\n", &rest); line != NULL;
		     line = strtok_r(NULL, "\n", &rest))
			assert_true(
			    strncmp(line, "queuepool 'orders' of kind fake, max_size 2", 43) == 0 ||
			    strncmp(line, "  opening fails: ", 17) == 0 ||
			    strncmp(line, "  #", 3) == 0 ||
			    strstr(line, " waiting, 1 worker") != NULL);
	}
	qp_store_release(&churn.stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	end_pool(churn.pool, peer);
}

/* ---- wedged ---- */

static struct {
	qpool *pool;
	sem_t locked, free_it;
	int to;
	qp_atomic_u32 dumped;
} wedge;

static void
dumps(int number)
{
	(void)number;
	qpool_dump(wedge.pool, wedge.to);
	qp_store_release(&wedge.dumped, 1);
}

/* Takes the lock, says so, and keeps it until told: as good as for good. */
static void *
wedges(void *argument)
{
	(void)argument;
	qp_pool_lock(wedge.pool);
	sem_post(&wedge.locked);
	while (sem_wait(&wedge.free_it) != 0)
		;
	qp_pool_unlock(wedge.pool, NULL);
	return NULL;
}

static void
a_wedged_pool_is_dumped_from_a_signal_handler(void **state)
{
	struct sigaction before, action = {.sa_handler = dumps, .sa_flags = SA_RESTART};
	fake *peer = fake_new();
	qpool_lease held;
	pthread_t wedger;
	actor waiters[3];
	reader r;

	(void)state;
	wedge.pool = described_pool(peer, 1);
	held = take(wedge.pool, "holder.c:99", "the long one");
	actor_acquires(&waiters[0], wedge.pool, QPOOL_FOREVER);
	await_waiting(wedge.pool, 1);
	sem_init(&wedge.locked, 0, 0);
	sem_init(&wedge.free_it, 0, 0);
	actor_runs(&wedger, wedges, NULL);
	assert_int_equal(sem_wait(&wedge.locked), 0);
	for (int i = 1; i < 3; i++)
		actor_acquires(&waiters[i], wedge.pool, QPOOL_FOREVER); /* up to the lock */
	begin_reading(&r);
	wedge.to = r.to;
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	assert_int_equal(pthread_kill(wedger, SIGUSR1), 0); /* the very thread that has the lock */
	while (qp_load_acquire(&wedge.dumped) == 0)
		sched_yield();
	end_reading(&r);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
	assert_non_null(strstr(text, " 1 leased, "));
	assert_non_null(strstr(text, "; 1 waiting, 0 workers\n"));
	assert_non_null(strstr(text, "  #1 leased for "));
	assert_non_null(strstr(text, " at holder.c:99 \"the long one\"; open for "));
	assert_non_null(strstr(text, "pid 4711"));
	sem_post(&wedge.free_it);
	pthread_join(wedger, NULL);
	qpool_release(&held);
	/* In whatever order: each is served once the one before has given back. */
	for (int served = 0; served < 3;)
		for (int i = 0; i < 3; i++)
			if (waiters[i].pool != NULL && actor_is_done(&waiters[i])) {
				assert_int_equal(actor_join(&waiters[i]), QPOOL_OK);
				waiters[i].pool = NULL;
				qpool_release(&waiters[i].lease);
				served++;
			}
	sem_destroy(&wedge.locked);
	sem_destroy(&wedge.free_it);
	end_pool(wedge.pool, peer);
}

static qp_atomic_u32 grown;

/* Nothing orders it after the growth: it has only its own look to go by. */
static void *
dumps_until_grown(void *argument)
{
	int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
	bool last;

	do {
		last = qp_load_relaxed(&grown) != 0;
		qpool_dump(argument, sink);
	} while (!last);
	close(sink);
	return NULL;
}

/* ThreadSanitizer says whether they are. */
static void
slots_that_are_added_are_seen_whole(void **state)
{
	fake *peer = fake_new();
	qpool_options o = qpool_options_init();
	qpool_lease leases[33];
	pthread_t thread;
	qpool *pool;

	(void)state;
	o.max_size = 32; /* the first chunk */
	pool = pool_of(peer, fake_ops(), &o);
	for (unsigned i = 0; i < 32; i++)
		leases[i] = must_acquire(pool);
	qp_store_relaxed(&grown, 0);
	actor_runs(&thread, dumps_until_grown, pool);
	o = qpool_options_init();
	o.max_size = 33;
	assert_int_equal(qpool_configure(pool, &o, NULL), QPOOL_OK);
	leases[32] = must_acquire(pool);
	qp_store_relaxed(&grown, 1);
	pthread_join(thread, NULL);
	for (unsigned i = 0; i < 33; i++)
		qpool_release(&leases[i]);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(the_text_is_this),
	    cmocka_unit_test(waiters_workers_and_opens_are_counted),
	    VIRTUAL(a_run_of_failures_is_told),
	    cmocka_unit_test(a_closing_pool_says_so),
	    cmocka_unit_test(no_pool_is_told),
	    cmocka_unit_test(texts_are_cut),
	    cmocka_unit_test(a_large_pool_is_dumped_whole),
	    cmocka_unit_test(a_descriptor_that_takes_nothing_is_left),
	    cmocka_unit_test(lines_are_whole_while_everything_moves),
	    cmocka_unit_test(slots_that_are_added_are_seen_whole),
	    cmocka_unit_test(a_wedged_pool_is_dumped_from_a_signal_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
