/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pairs: the loops whose instructions are counted, each on a pool of its own.  counts.py runs it under callgrind,
 * which collects inside counted_* alone and knows a loop by its case_*.  It is a test and no benchmark: it
 * measures no time, and what it yields is compared with held.txt.  The common pool is that of W1 in
 * bench/peer_queuepool.c.  Public header only.
 */
#include <queuepool.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Before the counting: resources are open by then, and the shelf, too. */
enum { CAPACITY = 8, MAX_USES = 1000000, WARM = 256 };

static int stub;

static void
need(bool is_so, const char *what)
{
	if (is_so)
		return;
	(void)fprintf(stderr, "pairs: failed: %s\n", what);
	exit(1);
}

static qpool_err
open_stub(void *user, const qpool_step *step, void **out, qpool_error *error)
{
	(void)step;
	(void)error;
	*out = user;
	return QPOOL_OK;
}

static void
close_stub(void *user, void *resource, qpool_why why)
{
	(void)user;
	(void)resource;
	(void)why;
}

static qpool_err
peek_stub(void *user, void *resource, qpool_error *error)
{
	(void)user;
	(void)resource;
	(void)error;
	return QPOOL_OK;
}

static qpool *
make(const qpool_options *options, bool peeks)
{
	qpool_ops ops = qpool_ops_init();
	qpool *pool;

	ops.kind = "stub";
	ops.open = open_stub;
	ops.close = close_stub;
	ops.peek = peeks ? peek_stub : NULL;
	need(qpool_create(&pool, options, &ops, &stub, NULL) == QPOOL_OK, "qpool_create");
	return pool;
}

/* max_idle, max_age and its jitter are on by default. */
static qpool_options
common_options(void)
{
	qpool_options options = qpool_options_init();

	options.max_size = CAPACITY;
	options.max_uses = MAX_USES;
	return options;
}

static __attribute__((noinline)) void
counted_pairs(qpool *pool, unsigned long times)
{
	qpool_lease lease;
	qpool_error error;

	while (times-- > 0) {
		need(qpool_acquire(pool, QPOOL_DEFAULT, &lease, &error) == QPOOL_OK, "acquire");
		need(qpool_release(&lease) == QPOOL_OK, "release");
	}
}

static __attribute__((noinline)) void
counted_refusals(qpool *pool, unsigned long times)
{
	qpool_lease lease;
	qpool_error error;

	while (times-- > 0)
		need(qpool_acquire(pool, QPOOL_NOWAIT, &lease, &error) == QPOOL_EAGAIN, "EAGAIN");
}

static void
warm(qpool *pool)
{
	qpool_lease lease;

	for (int i = 0; i < WARM; i++) {
		need(qpool_acquire(pool, QPOOL_DEFAULT, &lease, NULL) == QPOOL_OK, "acquire");
		need(qpool_release(&lease) == QPOOL_OK, "release");
	}
}

static void
pairs(qpool *pool, unsigned long times)
{
	warm(pool);
	counted_pairs(pool, times);
	qpool_free(pool);
}

static __attribute__((noinline)) void
case_common(unsigned long times)
{
	qpool_options options = common_options();

	pairs(make(&options, false), times);
}

static __attribute__((noinline)) void
case_unlimited(unsigned long times)
{
	qpool_options options = common_options();

	options.max_uses = QPOOL_NOLIMIT;
	options.max_idle = QPOOL_FOREVER;
	options.max_age = QPOOL_FOREVER;
	pairs(make(&options, false), times);
}

static __attribute__((noinline)) void
case_peek(unsigned long times)
{
	qpool_options options = common_options();

	pairs(make(&options, true), times);
}

/* No shelf, in either engine.  A worker keeps the shelf shut as well, but when it runs is the system's choice, and
 * what a release finds to ask of it depends on that. */
static __attribute__((noinline)) void
case_oldest(unsigned long times)
{
	qpool_options options = common_options();

	options.order = QPOOL_OLDEST_FIRST;
	pairs(make(&options, false), times);
}

static __attribute__((noinline)) void
case_refused(unsigned long times)
{
	qpool_options options = common_options();
	qpool *pool = make(&options, false);
	qpool_lease leases[CAPACITY];

	for (int i = 0; i < CAPACITY; i++)
		need(qpool_acquire(pool, QPOOL_NOWAIT, &leases[i], NULL) == QPOOL_OK, "acquire");
	counted_refusals(pool, times);
	for (int i = 0; i < CAPACITY; i++)
		need(qpool_release(&leases[i]) == QPOOL_OK, "release");
	qpool_free(pool);
}

static void (*const cases[])(unsigned long) = {
    case_common, case_unlimited, case_peek, case_oldest, case_refused};

int
main(int count, char **words)
{
	char *end = NULL;
	unsigned long times = count == 2 ? strtoul(words[1], &end, 10) : 0;

	if (times == 0 || *end != '\0') {
		(void)fprintf(stderr, "usage: pairs TIMES, more than 0\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cases[i](times);
	return 0;
}
