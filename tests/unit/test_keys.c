/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The set of keys: the hash is the published one, the table finds what is in it and nothing else while it grows,
 * one bucket at a time, and works on without memory.
 */
#include "testing.h"

#include "core/keys.h"
#include "core/siphash.h"
#include "platform/testing.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY 20000u

static void
the_hash_is_the_published_one(void **state)
{
	/* From the paper's appendix: key 00..0f, message 00..0e. */
	const uint64_t secret[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
	unsigned char message[15];

	(void)state;
	for (unsigned i = 0; i < sizeof message; i++)
		message[i] = (unsigned char)i;
	assert_true(qp_siphash(secret, message, sizeof message) == 0xa129ca6149be45e5u);
	assert_true(qp_siphash(secret, message, 0) == 0x726fdb47dd0e0e31u);
	assert_true(qp_siphash(secret, message, 8) == 0x93f5f5799a932462u);
}

static void
two_sets_hash_differently(void **state)
{
	qp_keys one, two;

	(void)state;
	qp_keys_init(&one);
	qp_keys_init(&two);
	assert_true(qp_siphash(one.secret, "a", 1) != qp_siphash(two.secret, "a", 1));
}

static void
lengths_are_those_of_keys(void **state)
{
	char text[QP_KEY_MOST + 2];

	(void)state;
	memset(text, 'x', sizeof text);
	text[QP_KEY_MOST + 1] = '\0';
	assert_int_equal(qp_keys_length(NULL), 0);
	assert_int_equal(qp_keys_length(""), 0);
	assert_int_equal(qp_keys_length("a"), 1);
	assert_int_equal(qp_keys_length(text), 0);
	assert_int_equal(qp_keys_length(text + 1), QP_KEY_MOST);
}

static size_t
name(char text[16], unsigned i)
{
	return (size_t)snprintf(text, 16, "tenant %u", i);
}

static void
fill_and_empty(qp_keys *keys, qp_key *all)
{
	char text[16];

	for (unsigned i = 0; i < MANY; i++) {
		size_t length = name(text, i);
		assert_null(qp_keys_find(keys, text, length));
		qp_keys_add(keys, &all[i], text, length);
		if ((i & (i - 1)) == 0)
			assert_true(qp_keys_is_valid(keys));
	}
	assert_true(qp_keys_is_valid(keys));
	for (unsigned i = 0; i < MANY; i++) {
		size_t length = name(text, i);
		assert_ptr_equal(qp_keys_find(keys, text, length), &all[i]);
		if (i % 3 == 0)
			qp_keys_remove(keys, &all[i]);
	}
	assert_true(qp_keys_is_valid(keys));
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(
		    qp_keys_find(keys, text, name(text, i)), i % 3 == 0 ? NULL : &all[i]);
}

static void
many_are_found(void **state)
{
	qp_key *all = calloc(MANY, sizeof *all);
	qp_keys keys;

	(void)state;
	qp_keys_init(&keys);
	fill_and_empty(&keys, all);
	assert_true((16u << keys.level) + keys.split >= MANY); /* a bucket a key */
	qp_keys_dispose(&keys);
	free(all);
}

static void
without_memory_it_works_on(void **state)
{
	qp_key *all = calloc(MANY, sizeof *all);
	qp_keys keys;

	(void)state;
	qp_keys_init(&keys);
	qp_testing_fail(QP_FAULT_ALLOC, 4, true);
	fill_and_empty(&keys, all);
	qp_testing_fail(QP_FAULT_ALLOC, 0, false);
	assert_int_equal((16u << keys.level) + keys.split, 128);
	qp_keys_dispose(&keys);
	free(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_hash_is_the_published_one),
	    cmocka_unit_test(two_sets_hash_differently),
	    cmocka_unit_test(lengths_are_those_of_keys),
	    cmocka_unit_test(many_are_found),
	    cmocka_unit_test(without_memory_it_works_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
