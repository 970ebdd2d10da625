/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chunk: one block of memory, and texts that are read while they change.
 */
#include "core/chunk.h"

#include "core/pool.h"
#include "platform/alloc.h"

#include <string.h>

size_t
qp_chunk_bytes(uint32_t count, unsigned has)
{
	size_t each = sizeof(qp_slot) + sizeof(qp_note) + sizeof(qp_atomic_u64);

	each += has & QP_HAS_ANSWERS ? sizeof(qp_answers) : 0;
	each += has & QP_HAS_KINS ? sizeof(qp_kin) : 0;
	each += has & QP_HAS_ABOUTS ? sizeof(qp_about) : 0;
	return QP_LINE - 1 + sizeof(qp_chunk) + count * each;
}

qp_chunk *
qp_chunk_make(struct qpool *pool, uint32_t first, uint32_t count, unsigned has)
{
	char *block = qp_alloc_zero(1, qp_chunk_bytes(count, has)), *end;
	qp_chunk *chunk;

	if (block == NULL)
		return NULL;
	chunk = (qp_chunk *)(((uintptr_t)block + QP_LINE - 1) & ~(uintptr_t)(QP_LINE - 1));
	chunk->magic = QP_CHUNK_MAGIC;
	chunk->first = first;
	chunk->pool = pool;
	chunk->block = block;
	chunk->count = count;
	chunk->apart = count > QP_CHUNK_APART ? QP_CHUNK_APART : 0;
	chunk->notes = (qp_note *)(void *)(qp_chunk_slots(chunk) + count);
	end = (char *)(chunk->notes + count) + count * sizeof(qp_atomic_u64);
	if (has & QP_HAS_ANSWERS) {
		chunk->answers = (qp_answers *)(void *)end;
		end += count * sizeof(qp_answers);
	}
	if (has & QP_HAS_KINS) {
		chunk->kins = (qp_kin *)(void *)end;
		end += count * sizeof(qp_kin);
	}
	if (has & QP_HAS_ABOUTS)
		chunk->abouts = (qp_about *)(void *)end;
	return chunk;
}

void
qp_chunk_free(qp_chunk *chunk)
{
	void *block = chunk != NULL ? chunk->block : NULL;

	if (chunk != NULL)
		chunk->magic = 0;
	qp_alloc_free(block);
}

qp_slot *
qp_chunk_linked(const qp_chunk *chunk, uint32_t link)
{
	return qp_pool_slot(chunk->pool, link - 1);
}

void
qp_chunk_describe(qp_slot *slot, const char *about)
{
	qp_about *abouts = qp_chunk_of(slot)->abouts;
	uint64_t words[QP_ABOUT / 8] = {0};

	if (abouts == NULL)
		return;
	memcpy(words, about, strnlen(about, QP_ABOUT - 1));
	for (size_t i = 0; i < QP_ABOUT / 8; i++)
		qp_store64_release(&abouts[qp_slot_place(slot)].words[i], words[i]);
}

void
qp_chunk_description(const qp_slot *slot, char *out)
{
	const qp_about *abouts = qp_chunk_of(slot)->abouts;

	out[0] = out[QP_ABOUT - 1] = '\0';
	if (abouts == NULL)
		return;
	/* Word by word: a text that changes meanwhile may come out mixed, but always ends in
	 * NUL. */
	for (size_t i = 0; i < QP_ABOUT / 8; i++) {
		uint64_t word = qp_load64_acquire(&abouts[qp_slot_place(slot)].words[i]);
		memcpy(out + i * 8, &word, sizeof word);
	}
	out[QP_ABOUT - 1] = '\0';
}
