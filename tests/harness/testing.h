/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * testing: cmocka with what it needs before it, and the few words all tests share.
 */
#ifndef HARNESS_TESTING_H
#define HARNESS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actor.h"
#include "fake.h"

/* A pool of fakes; the options may be NULL.  Fails the test when it cannot be made. */
static inline qpool *
pool_of(fake *peer, qpool_ops ops, const qpool_options *options)
{
	qpool_error error;
	qpool *pool = NULL;
	qpool_err err = qpool_create(&pool, options, &ops, peer, &error);

	if (err != QPOOL_OK)
		fail_msg("qpool_create: %s", error.message);
	return pool;
}

static inline qpool_lease
must_acquire(qpool *pool)
{
	qpool_lease lease;
	qpool_error error;

	if (qpool_acquire(pool, QPOOL_FOREVER, &lease, &error) != QPOOL_OK)
		fail_msg("qpool_acquire: %s", error.message);
	return lease;
}

/* Close with nothing out, free, and look that the peer has nothing left. */
static inline void
end_pool(qpool *pool, fake *peer)
{
	assert_int_equal(qpool_close(pool, QPOOL_FOREVER), QPOOL_OK);
	qpool_free(pool);
	fake_end(peer);
}

#endif
