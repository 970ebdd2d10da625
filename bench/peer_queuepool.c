/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_queuepool: ours, through its public header like any user.  Four settings: with every kind of
 * recycling on, which is the one that figures and targets speak of; with none; with a line that anybody may
 * pass; and with a text for each resource.
 */
#include "peer.h"

#include "fail.h"

#include <stdio.h>

/* Low enough that a long loop does recycle, high enough that this costs nothing. */
enum { MAX_USES = 1000000 };

static int stub;

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

static void
describe_stub(void *user, void *resource, char *out, size_t room)
{
	(void)user;
	(void)snprintf(out, room, "stub %p", resource);
}

static void *
make_of(const qpool_options *options, qpool_ops ops)
{
	qpool_error error;
	qpool *pool;

	ops.kind = "stub";
	ops.open = open_stub;
	ops.close = close_stub;
	if (qpool_create(&pool, options, &ops, &stub, &error) != QPOOL_OK)
		fail("queuepool gave no pool: %s", error.message);
	return pool;
}

static void *
make_with(const qpool_options *options)
{
	return make_of(options, qpool_ops_init());
}

static void *
make(unsigned capacity)
{
	qpool_options options = qpool_options_init();

	/* max_idle, max_age and its jitter are on by default. */
	options.max_size = capacity;
	options.max_uses = MAX_USES;
	return make_with(&options);
}

static void *
make_unlimited(unsigned capacity)
{
	qpool_options options = qpool_options_init();

	options.max_size = capacity;
	options.max_uses = QPOOL_NOLIMIT;
	options.max_idle = QPOOL_FOREVER;
	options.max_age = QPOOL_FOREVER;
	return make_with(&options);
}

static void *
make_unfair(unsigned capacity)
{
	qpool_options options = qpool_options_init();

	options.max_size = capacity;
	options.max_uses = MAX_USES;
	options.max_overtake = QPOOL_FOREVER;
	return make_with(&options);
}

static void *
make_described(unsigned capacity)
{
	qpool_options options = qpool_options_init();
	qpool_ops ops = qpool_ops_init();

	options.max_size = capacity;
	options.max_uses = MAX_USES;
	ops.describe = describe_stub;
	return make_of(&options, ops);
}

static void
fill(void *pool, unsigned count)
{
	qpool_error error;

	while (count-- > 0)
		if (qpool_adopt(pool, &stub, &error) != QPOOL_OK)
			fail("queuepool adopted nothing: %s", error.message);
}

static void
get(void *pool, peer_loan *loan)
{
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_DEFAULT, &loan->lease, &error) != QPOOL_OK)
		fail("queuepool lent nothing: %s", error.message);
}

static void
put(void *pool, peer_loan *loan)
{
	qpool_err err = qpool_release(&loan->lease);

	(void)pool;
	if (err != QPOOL_OK)
		fail("queuepool took nothing back: %s", qpool_err_text(err));
}

static void
turns(void *pool, unsigned count)
{
	peer_loan loan;

	while (count-- > 0) {
		get(pool, &loan);
		put(pool, &loan);
	}
}

static bool
get_within(void *pool, peer_loan *loan, int64_t timeout_ns)
{
	qpool_error error;
	qpool_err err = qpool_acquire(pool, timeout_ns, &loan->lease, &error);

	if (err != QPOOL_OK && err != QPOOL_ETIMEOUT)
		fail("queuepool lent nothing: %s", error.message);
	return err == QPOOL_OK;
}

static unsigned
opened(void *pool)
{
	qpool_stats stats = qpool_stats_init();

	qpool_get_stats(pool, &stats);
	return (unsigned)stats.opens;
}

static void
unmake(void *pool)
{
	qpool_free(pool);
}

const peer peer_queuepool = {
    .name = "queuepool",
    .title = "queuepool",
    .works = PEER_STUBS | PEER_MIXED,
    .make = make,
    .get = get,
    .put = put,
    .turns = turns,
    .get_within = get_within,
    .fill = fill,
    .opened = opened,
    .unmake = unmake,
};

const peer peer_queuepool_unlimited = {
    .name = "queuepool_unlimited",
    .title = "queuepool, recycling off",
    .works = PEER_W1 | PEER_W8 | PEER_IDLE,
    .make = make_unlimited,
    .get = get,
    .put = put,
    .turns = turns,
    .fill = fill,
    .unmake = unmake,
};

const peer peer_queuepool_described = {
    .name = "queuepool_described",
    .title = "queuepool, described",
    .works = PEER_W8,
    .make = make_described,
    .get = get,
    .put = put,
    .turns = turns,
    .fill = fill,
    .unmake = unmake,
};

const peer peer_queuepool_unfair = {
    .name = "queuepool_unfair",
    .title = "queuepool, overtake unlimited",
    .works = PEER_W3 | PEER_1000,
    .make = make_unfair,
    .get = get,
    .put = put,
    .turns = turns,
    .unmake = unmake,
};
