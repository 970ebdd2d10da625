/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed: what the tests of keyed pools share: one of fakes, a lease of a key, and its end.
 */
#ifndef UNIT_KEYED_H
#define UNIT_KEYED_H

#include "virtual.h"

#include <sched.h>

static inline qpool_keyed *
keyed_of_with(fake *peer, qpool_ops ops, const qpool_options *options, uint32_t max_per_key)
{
	qpool_error error;
	qpool_keyed *keyed = NULL;

	if (qpool_keyed_create(&keyed, options, max_per_key, &ops, peer, &error) != QPOOL_OK)
		fail_msg("qpool_keyed_create: %s", error.message);
	return keyed;
}

static inline qpool_keyed *
keyed_of(fake *peer, uint32_t total, uint32_t max_per_key)
{
	qpool_options o = qpool_options_init();

	o.max_size = total;
	fake_watch_keys(peer, max_per_key != 0 ? max_per_key : total);
	return keyed_of_with(peer, fake_ops(), &o, max_per_key);
}

static inline qpool_lease
must_borrow(qpool_keyed *keyed, const char *key)
{
	qpool_lease lease;
	qpool_error error;

	if (qpool_keyed_acquire(keyed, key, QPOOL_FOREVER, &lease, &error) != QPOOL_OK)
		fail_msg("qpool_keyed_acquire: %s", error.message);
	assert_string_equal(fake_of(&lease)->key, key);
	return lease;
}

/* Close with nothing out, free, and look that the peer never had more than `total`, and has nothing left. */
static inline void
end_keyed(qpool_keyed *keyed, fake *peer, unsigned total)
{
	assert_true(fake_live_peak(peer) <= total);
	assert_int_equal(qpool_keyed_close(keyed, QPOOL_FOREVER), QPOOL_OK);
	qpool_keyed_free(keyed);
	fake_end(peer);
}

#endif
