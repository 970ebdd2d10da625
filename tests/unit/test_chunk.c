/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies beside slots: each has its own, neighbours' notes are apart, and what is no slot is told.
 */
#include "testing.h"

#include "core/chunk.h"

static qp_chunk *
chunk_of(uint32_t count, unsigned has)
{
	qp_chunk *chunk = qp_chunk_make(NULL, 0, count, has);

	assert_non_null(chunk);
	for (uint32_t i = 0; i < count; i++)
		qp_slot_init(&qp_chunk_slots(chunk)[i], i);
	return chunk;
}

static void
a_slot_is_a_line(void **state)
{
	qp_chunk *chunk = chunk_of(2, 0);

	(void)state;
	assert_int_equal((uintptr_t)qp_chunk_slots(chunk) % QP_LINE, 0);
	assert_int_equal(sizeof(qp_slot) % QP_LINE, 0);
	qp_chunk_free(chunk);
}

/* Write all there is beside each slot, all of it different, and read it back. */
static void
each_slot_has_its_own(uint32_t count, unsigned has)
{
	qp_chunk *chunk = chunk_of(count, has);
	char text[QP_ABOUT];

	for (uint32_t i = 0; i < count; i++) {
		qp_slot *slot = &qp_chunk_slots(chunk)[i];
		assert_ptr_equal(qp_chunk_of(slot), chunk);
		assert_int_equal(qp_slot_answers(slot) != NULL, (has & QP_HAS_ANSWERS) != 0);
		assert_int_equal(qp_slot_kin(slot) != NULL, (has & QP_HAS_KINS) != 0);
		memset(qp_slot_note(slot), (int)i & 0xff, sizeof(qp_note));
		qp_store_relaxed(&qp_slot_note(slot)->thread, i);
		qp_store64_relaxed(qp_slot_resource_id(slot), UINT64_MAX - i);
		if (has & QP_HAS_ANSWERS)
			*qp_slot_answers(slot) = (qp_answers){i, i, i};
		if (has & QP_HAS_KINS)
			*qp_slot_kin(slot) = (qp_kin){slot, slot, slot, true, true};
		memset(text, 'a' + (int)(i % 26), sizeof text);
		qp_chunk_describe(slot, text);
	}
	for (uint32_t i = 0; i < count; i++) {
		const qp_slot *slot = &qp_chunk_slots(chunk)[i];
		assert_true(qp_chunk_knows(slot));
		assert_int_equal(qp_load_relaxed(&qp_slot_note(slot)->thread), i);
		assert_int_equal(qp_load64_relaxed(qp_slot_resource_id(slot)), UINT64_MAX - i);
		if (has & QP_HAS_ANSWERS)
			assert_int_equal(qp_slot_answers(slot)->unanswered_ns, i);
		if (has & QP_HAS_KINS)
			assert_ptr_equal(qp_slot_kin(slot)->victim, slot);
		qp_chunk_description(slot, text);
		if (has & QP_HAS_ABOUTS)
			assert_int_equal(text[QP_ABOUT - 2], 'a' + i % 26);
		else
			assert_string_equal(text, "");
		assert_int_equal(text[QP_ABOUT - 1], 0);
	}
	qp_chunk_free(chunk);
}

static void
nothing_lies_on_anything_else(void **state)
{
	const uint32_t counts[] = {2, 4, 32, 512};

	(void)state;
	for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++)
		for (unsigned has = 0; has < 8; has++)
			each_slot_has_its_own(counts[i], has);
}

static void
notes_of_neighbours_share_no_line(void **state)
{
	qp_chunk *chunk = chunk_of(64, 0);
	const qp_slot *slots = qp_chunk_slots(chunk);

	(void)state;
	assert_int_equal(sizeof(qp_note) * 2, QP_LINE);
	for (uint32_t i = 0; i < 64; i++)
		for (uint32_t k = i + 1; k < 64 && k < i + QP_CHUNK_APART - 1; k++)
			assert_int_not_equal((uintptr_t)qp_slot_note(&slots[i]) / QP_LINE,
			    (uintptr_t)qp_slot_note(&slots[k]) / QP_LINE);
	qp_chunk_free(chunk);
}

static void
what_is_no_slot_is_told(void **state)
{
	qp_chunk *chunk = chunk_of(4, 0), *unused = qp_chunk_make(NULL, 0, 4, 0);
	qp_slot *slot = &qp_chunk_slots(chunk)[1], copies[3];

	(void)state;
	memset(copies, 0, sizeof copies);
	copies[2] = *slot; /* looks like one, but lies in no chunk */
	assert_true(qp_chunk_knows(slot));
	assert_false(qp_chunk_knows(NULL));
	assert_false(qp_chunk_knows((char *)slot + 8));
	assert_false(qp_chunk_knows(chunk));
	assert_false(qp_chunk_knows(&copies[2]));
	assert_false(qp_chunk_knows(qp_chunk_slots(unused)));
	qp_slot_init(slot, 0); /* then the header would lie elsewhere */
	assert_false(qp_chunk_knows(slot));
	qp_chunk_free(chunk);
	qp_chunk_free(unused);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_slot_is_a_line),
	    cmocka_unit_test(nothing_lies_on_anything_else),
	    cmocka_unit_test(notes_of_neighbours_share_no_line),
	    cmocka_unit_test(what_is_no_slot_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
