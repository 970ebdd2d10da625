/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interned texts: the same pointer for the same text, many of them, from many threads, with no memory.
 */
#include "testing.h"

#include "core/intern.h"
#include "platform/atomic.h"
#include "platform/testing.h"

#include <stdio.h>

static void
the_same_text_is_the_same_pointer(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	char text[] = "nightly report";
	const char *first = qpool_intern(pool, text), *other = qpool_intern(pool, "report");

	(void)state;
	assert_string_equal(first, "nightly report");
	assert_ptr_not_equal(first, text);
	assert_ptr_equal(qpool_intern(pool, "nightly report"), first);
	text[0] = 'N'; /* a copy it was */
	assert_string_equal(first, "nightly report");
	assert_ptr_not_equal(qpool_intern(pool, text), first);
	assert_string_equal(other, "report");
	assert_ptr_equal(qpool_intern(pool, ""), qpool_intern(pool, ""));
	assert_string_equal(qpool_intern(pool, ""), "");
	assert_null(qpool_intern(pool, NULL));
	assert_null(qpool_intern(NULL, "text"));
	end_pool(pool, peer);
}

static void
many_texts_are_kept_apart(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	static const char *kept[5000];
	char text[32];

	(void)state;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++) {
			const char *got;
			snprintf(text, sizeof text, "tenant %d", i);
			got = qpool_intern(pool, text);
			assert_string_equal(got, text);
			if (round == 0)
				kept[i] = got;
			assert_ptr_equal(got, kept[i]);
		}
	end_pool(pool, peer);
}

/* Two texts of one hash are two texts. */
static void
texts_of_one_hash_are_told_apart(void **state)
{
	static const char *const texts[] = {"b", "a", "c", "d"};
	qp_words words = {NULL, NULL};
	qp_word *made[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_null(qp_intern_find(&words, texts[i], 42, NULL));
		made[i] = qp_intern_new(texts[i], 42);
		assert_ptr_equal(qp_intern_find(&words, texts[i], 42, made[i]), made[i]);
	}
	for (int i = 0; i < 4; i++)
		assert_ptr_equal(qp_intern_find(&words, texts[i], 42, NULL), made[i]);
	assert_null(qp_intern_find(&words, "a", 41, NULL));
	qp_intern_end(&words);
	assert_null(qp_intern_find(&words, "a", 42, NULL));
}

static void
without_memory_it_is_null(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	const char *known = qpool_intern(pool, "known");

	(void)state;
	qp_testing_fail(QP_FAULT_ALLOC, 1, true);
	assert_null(qpool_intern(pool, "new"));
	assert_ptr_equal(qpool_intern(pool, "known"), known); /* which wants none */
	assert_int_equal(qp_testing_calls(QP_FAULT_ALLOC), 1);
	qp_testing_fail(QP_FAULT_ALLOC, 0, false);
	assert_string_equal(qpool_intern(pool, "new"), "new");
	end_pool(pool, peer);
}

static void
texts_last_as_long_as_the_pool(void **state)
{
	fake *peer = fake_new();
	qpool *pool = pool_of(peer, fake_ops(), NULL);
	qpool_lease lease = must_acquire(pool);
	const char *text = qpool_intern(pool, "until the last lease");

	(void)state;
	qpool_label(&lease, text);
	qpool_free(pool);
	assert_string_equal(text, "until the last lease"); /* a lease keeps the pool */
	qpool_release(&lease);
	fake_await_destroyed(peer);
	fake_end(peer);
}

static struct {
	qpool *pool;
	qp_atomic_u32 ready, next;
	const char *got[3][300];
} crowd;

static void *
interns(void *argument)
{
	uint32_t self = qp_add_release(&crowd.next, 1);
	char text[32];

	(void)argument;
	(void)qp_add_release(&crowd.ready, 1);
	while (qp_load_acquire(&crowd.ready) < 3)
		; /* all at once */
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof text, "text %d", i);
		crowd.got[self][i] = qpool_intern(crowd.pool, text);
	}
	return NULL;
}

static void
threads_get_the_same(void **state)
{
	fake *peer = fake_new();
	pthread_t threads[3];

	(void)state;
	crowd.pool = pool_of(peer, fake_ops(), NULL);
	for (int i = 0; i < 3; i++)
		actor_runs(&threads[i], interns, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 300; i++) {
		assert_non_null(crowd.got[0][i]);
		assert_ptr_equal(crowd.got[0][i], crowd.got[1][i]);
		assert_ptr_equal(crowd.got[0][i], crowd.got[2][i]);
	}
	end_pool(crowd.pool, peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_same_text_is_the_same_pointer),
	    cmocka_unit_test(many_texts_are_kept_apart),
	    cmocka_unit_test(texts_of_one_hash_are_told_apart),
	    cmocka_unit_test(without_memory_it_is_null),
	    cmocka_unit_test(texts_last_as_long_as_the_pool),
	    cmocka_unit_test(threads_get_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
