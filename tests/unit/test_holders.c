/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an acquire that has timed out says of those who hold what it wanted.
 */
#include "virtual.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static qpool *
pool_of_size(fake *peer, uint32_t size, const char *name)
{
	qpool_options o = qpool_options_init();

	o.max_size = size;
	o.name = name;
	return pool_of(peer, fake_ops_plain(), &o);
}

static qpool_request
request_of(const char *site, const char *label, qpool_nsec timeout)
{
	qpool_request request = qpool_request_init();

	request.timeout = timeout;
	request.site = site;
	request.label = label;
	return request;
}

static qpool_lease
take(qpool *pool, const char *site, const char *label)
{
	qpool_request request = request_of(site, label, QPOOL_FOREVER);
	qpool_lease lease;

	assert_int_equal(qpool_acquire_with(pool, &request, &lease, NULL), QPOOL_OK);
	return lease;
}

/* Somebody else holds it: a thread that may be gone, or stays until the end. */
typedef struct holder {
	pthread_t thread;
	qpool *pool;
	const char *site, *label;
	pthread_barrier_t has, ends;
	qpool_lease lease;
} holder;

static void *
holds(void *argument)
{
	holder *h = argument;

	h->lease = take(h->pool, h->site, h->label);
	pthread_barrier_wait(&h->has);
	pthread_barrier_wait(&h->ends);
	qpool_release(&h->lease);
	return NULL;
}

static void
begin_holding(holder *h, qpool *pool, const char *site, const char *label)
{
	memset(h, 0, sizeof *h);
	h->pool = pool;
	h->site = site;
	h->label = label;
	pthread_barrier_init(&h->has, NULL, 2);
	pthread_barrier_init(&h->ends, NULL, 2);
	actor_runs(&h->thread, holds, h);
	pthread_barrier_wait(&h->has);
}

static void
end_holding(holder *h)
{
	pthread_barrier_wait(&h->ends);
	pthread_join(h->thread, NULL);
	pthread_barrier_destroy(&h->has);
	pthread_barrier_destroy(&h->ends);
}

/* The sentence of an acquire by this very thread, which time passes over. */
static void *
pass_time(void *argument)
{
	(void)argument;
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(2));
	return NULL;
}

static qpool_error
time_out(qpool *pool)
{
	qpool_lease lease;
	qpool_error error;
	pthread_t other;

	actor_runs(&other, pass_time, NULL);
	assert_int_equal(
	    qpool_acquire_at(pool, QPOOL_SEC(2), &lease, &error, "asker.c:1"), QPOOL_ETIMEOUT);
	pthread_join(other, NULL);
	return error;
}

#define BASE(lent)                                                                            \
	"all are lent: pool 'fake' gave nothing within 2 s: " lent " of " lent " lent, " lent \
	" open, 0 opening, 0 more wait"

static void
the_holder_is_named_with_what_it_does(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1, NULL);
	holder h;

	(void)state;
	begin_holding(&h, pool, "/home/somebody/src/worker.c:88", "import");
	qp_testing_clock_advance(QPOOL_SEC(10));
	assert_string_equal(
	    time_out(pool).message, BASE("1") "; held 12 s by worker.c:88 (import)");
	end_holding(&h);
	end_pool(pool, peer);
}

static void
the_longest_come_first(void **state)
{
	const char *sites[] = {"a.c:1", "b.c:2", "c.c:3"};
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 3, NULL);
	holder h[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		/* not in the order of the slots: the first slot is given back, and taken again last */
		begin_holding(&h[i], pool, sites[i], i == 1 ? "report" : NULL);
		qp_testing_clock_advance(QPOOL_SEC(10));
	}
	end_holding(&h[0]);
	begin_holding(&h[0], pool, sites[0], NULL);
	assert_string_equal(time_out(pool).message,
	    BASE("3") "; held 22 s by b.c:2 (report), 12 s by c.c:3, 2 s by a.c:1");
	for (unsigned i = 0; i < 3; i++)
		end_holding(&h[i]);
	end_pool(pool, peer);
}

static void
a_thread_that_is_gone_is_said_to_be(void **state)
{
	qpool_request request = request_of("gone.c:7", NULL, QPOOL_FOREVER);
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1, NULL);
	qpool_error error;
	actor a;

	(void)state;
	actor_acquires_with(&a, pool, &request);
	assert_int_equal(actor_join(&a), QPOOL_OK);
	do /* it was joined, but the system may be a moment behind */
		error = time_out(pool);
	while (strstr(error.message, "gone.c:7, thread gone") == NULL);
	qpool_release(&a.lease);
	end_pool(pool, peer);
}

static void
who_holds_without_a_site_is_named_by_number(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 1, NULL);
	qpool_error error;
	uint64_t thread;
	holder h;
	int end = 0;
	const char *at;

	(void)state;
	begin_holding(&h, pool, NULL, "line\nfeed");
	error = time_out(pool);
	at = strstr(error.message, "; held 2 s by thread ");
	assert_non_null(at);
	assert_int_equal(
	    sscanf(at, "; held 2 s by thread %" SCNu64 " (line?feed)%n", &thread, &end), 1);
	assert_int_equal((size_t)end, strlen(at));
	end_holding(&h);
	end_pool(pool, peer);
}

/* ---- hold and wait ---- */

static void
who_waits_for_itself_is_told_so(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 3, NULL);
	qpool_lease mine[2] = {take(pool, "dir/x.c:10", NULL), take(pool, "y.c:20", "audit")};
	holder h;

	(void)state;
	begin_holding(&h, pool, "z.c:30", NULL);
	assert_string_equal(time_out(pool).message,
	    BASE("3") "; this thread itself holds 2 of them: x.c:10, y.c:20; held 2 s by z.c:30");
	end_holding(&h);
	qpool_release(&mine[0]);
	qpool_release(&mine[1]);
	end_pool(pool, peer);
}

/* Holds one and asks for another one. */
static void *
holds_and_waits(void *argument)
{
	qpool *pool = argument;
	qpool_lease first = take(pool, "first.c:1", NULL), second = take(pool, "second.c:2", NULL);

	qpool_release(&first);
	qpool_release(&second);
	return NULL;
}

static void
a_holder_that_waits_itself_is_told_apart(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, 2, NULL);
	qpool_request request = request_of("asker.c:1", NULL, QPOOL_SEC(2));
	pthread_t other;
	holder h;
	actor a;

	(void)state;
	begin_holding(&h, pool, "calm.c:9", NULL);
	actor_runs(&other, holds_and_waits, pool);
	qp_testing_await_parked(1);
	actor_acquires_with(&a, pool, &request);
	qp_testing_await_parked(2);
	qp_testing_clock_advance(QPOOL_SEC(2));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	assert_non_null(strstr(a.error.message, "2 s by first.c:1, which waits itself"));
	assert_non_null(strstr(a.error.message, "2 s by calm.c:9"));
	assert_null(strstr(a.error.message, "calm.c:9, which"));
	end_holding(&h);
	pthread_join(other, NULL);
	end_pool(pool, peer);
}

/* ---- what fits ---- */

#define CROWD 9u

/* The sentence with the first `said` of them, and how many more; false: it does not fit. */
static bool
with_so_many(char out[240], const char *base, const char *item, unsigned said, unsigned all)
{
	char whole[2000];
	int length = snprintf(whole, sizeof whole, "%s", base);

	for (unsigned i = 0; i < said; i++)
		length += snprintf(whole + length, sizeof whole - (size_t)length, "%s%s",
		    i == 0 ? "; held " : ", ", item);
	if (said > 0 && said < all)
		length += snprintf(
		    whole + length, sizeof whole - (size_t)length, " and %u more", all - said);
	if (length >= 240)
		return false;
	memcpy(out, whole, (size_t)length + 1);
	return true;
}

/* Whatever the lengths are, what is said is whole, and no more would have fitted. */
static void
as_many_as_fit_and_none_is_cut(void **state)
{
	char name[101], base[240], item[100], expected[240];

	(void)state;
	for (unsigned length = 1; length <= 100; length++) {
		fake *peer = fake_new();
		qpool_lease leases[CROWD];
		qpool_error error;
		qpool *pool;
		actor a;
		unsigned said = 0;
		memset(name, 'n', sizeof name);
		name[length] = '\0';
		pool = pool_of_size(peer, CROWD, name);
		for (unsigned i = 0; i < CROWD; i++)
			leases[i] = take(pool, "lib/\xc3\xa4.c:5", "\xe2\x82\xac\xe2\x82\xac");
		actor_acquires(&a, pool, QPOOL_SEC(2));
		qp_testing_await_parked(1);
		qp_testing_clock_advance(QPOOL_SEC(2));
		assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
		error = a.error;
		(void)snprintf(base, sizeof base,
		    "all are lent: pool '%s' gave nothing within 2 s: 9 of 9 lent, 9 open, 0 opening, "
		    "0 more wait",
		    name);
		(void)snprintf(item, sizeof item, "2 s by \xc3\xa4.c:5 (\xe2\x82\xac\xe2\x82\xac)");
		for (unsigned i = 0; i <= CROWD; i++)
			if (with_so_many(expected, base, item, i, CROWD))
				said = i;
		assert_true(with_so_many(expected, base, item, said, CROWD));
		assert_string_equal(error.message, expected);
		for (unsigned i = 0; i < CROWD; i++)
			qpool_release(&leases[i]);
		end_pool(pool, peer);
	}
}

/* Long names are cut themselves, between characters. */
static void
a_long_site_and_label_are_cut_between_characters(void **state)
{
	char site[200], label[200];

	(void)state;
	for (unsigned shift = 0; shift < 3; shift++) {
		fake *peer = fake_new();
		qpool *pool = pool_of_size(peer, 1, NULL);
		qpool_error error;
		const char *at;
		holder h;
		memset(site, 's', shift);
		memset(label, 'l', shift);
		for (unsigned i = 0; i < 60; i++) {
			memcpy(site + shift + (size_t)i * 3, "\xe2\x82\xac", 4);
			memcpy(label + shift + (size_t)i * 3, "\xe2\x82\xac", 4);
		}
		begin_holding(&h, pool, site, label);
		error = time_out(pool);
		at = strstr(error.message, "; held 2 s by ");
		assert_non_null(at);
		at += strlen("; held 2 s by ");
		assert_memory_equal(at, site, shift + (48 - shift) / 3 * 3);
		at += shift + (48 - shift) / 3 * 3;
		assert_memory_equal(at, " (", 2);
		at += 2;
		assert_memory_equal(at, label, shift + (32 - shift) / 3 * 3);
		at += shift + (32 - shift) / 3 * 3;
		assert_string_equal(at, ")");
		end_holding(&h);
		end_pool(pool, peer);
	}
}

/* Who wanted several says so in front; there is room for it. */
static void
the_sentence_of_several_is_not_cut(void **state)
{
	qpool_request request = request_of("asker.c:1", NULL, QPOOL_SEC(2));
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, CROWD, NULL);
	qpool_lease out[2];
	holder h[CROWD];
	qpool_error error;
	pthread_t other;

	(void)state;
	for (unsigned i = 0; i < CROWD; i++)
		begin_holding(&h[i], pool, "somewhere.c:100", "something");
	actor_runs(&other, pass_time, NULL);
	assert_int_equal(qpool_acquire_many(pool, 2, &request, out, &error), QPOOL_ETIMEOUT);
	pthread_join(other, NULL);
	assert_non_null(strstr(error.message, "0 of 2 wanted at once came free: all are lent: "));
	assert_string_equal(strstr(error.message, "; held "),
	    "; held 2 s by somewhere.c:100 (something), 2 s by somewhere.c:100 "
	    "(something) and 7 more");
	for (unsigned i = 0; i < CROWD; i++)
		end_holding(&h[i]);
	end_pool(pool, peer);
}

/* More than are kept, of which the longest are in the last slots. */
static void
the_longest_of_many_are_found(void **state)
{
	enum { MANY = 300 };
	fake *peer = fake_new();
	qpool *pool = pool_of_size(peer, MANY, NULL);
	qpool_lease *leases = calloc(MANY, sizeof *leases);
	actor a;

	(void)state;
	assert_non_null(leases);
	for (unsigned i = 0; i < MANY; i++)
		leases[i] = take(pool, "new.c:1", NULL);
	for (unsigned i = 0; i < MANY - 2; i++) { /* all but two are lent anew */
		qp_testing_clock_advance(QPOOL_MSEC(1));
		qpool_release(&leases[i]);
		leases[i] = take(pool, "new.c:1", NULL);
	}
	qpool_label(&leases[MANY - 2], "old");
	qpool_label(&leases[MANY - 1], "old");
	actor_acquires(&a, pool, QPOOL_SEC(2));
	qp_testing_await_parked(1);
	qp_testing_clock_advance(QPOOL_SEC(2));
	assert_int_equal(actor_join(&a), QPOOL_ETIMEOUT);
	assert_non_null(strstr(a.error.message,
	    "; held 2.3 s by new.c:1 (old), 2.3 s by new.c:1 (old), 2.3 s by new.c:1, "));
	for (unsigned i = 0; i < MANY; i++)
		qpool_release(&leases[i]);
	free(leases);
	end_pool(pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    VIRTUAL(the_holder_is_named_with_what_it_does),
	    VIRTUAL(the_longest_come_first),
	    VIRTUAL(a_thread_that_is_gone_is_said_to_be),
	    VIRTUAL(who_holds_without_a_site_is_named_by_number),
	    VIRTUAL(who_waits_for_itself_is_told_so),
	    VIRTUAL(a_holder_that_waits_itself_is_told_apart),
	    VIRTUAL(as_many_as_fit_and_none_is_cut),
	    VIRTUAL(a_long_site_and_label_are_cut_between_characters),
	    VIRTUAL(the_sentence_of_several_is_not_cut),
	    VIRTUAL(the_longest_of_many_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
