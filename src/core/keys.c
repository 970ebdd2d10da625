/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keys: linear hashing.  Buckets lie in chunks that double and never move.
 */
#include "core/keys.h"

#include "core/siphash.h"
#include "platform/alloc.h"
#include "platform/assert.h"
#include "platform/random.h"

#include <string.h>

void
qp_keys_init(qp_keys *keys)
{
	memset(keys, 0, sizeof *keys);
	keys->secret[0] = qp_random_seed();
	keys->secret[1] = qp_random_seed();
	keys->chunks[0] = keys->first;
}

void
qp_keys_dispose(qp_keys *keys)
{
	for (uint32_t chunk = 1; chunk < QP_KEYS_CHUNKS; chunk++)
		qp_alloc_free(keys->chunks[chunk]);
}

size_t
qp_keys_length(const char *text)
{
	size_t length = text != NULL ? strnlen(text, QP_KEY_MOST + 1) : 0;

	return length <= QP_KEY_MOST ? length : 0;
}

void
qp_keys_clear(qp_keys *keys)
{
	uint32_t chunk = 1;

	memset(keys->first, 0, sizeof keys->first);
	for (; chunk < QP_KEYS_CHUNKS && keys->chunks[chunk] != NULL; chunk++)
		memset(keys->chunks[chunk], 0,
		    ((size_t)QP_KEYS_LEAST << (chunk - 1)) * sizeof(qp_key *));
	/* Keep all buckets in use, so that keys inserted again need no more. */
	keys->level = chunk - 1;
	keys->split = keys->count = 0;
}

/* Chunk 0 has 16 buckets; each next chunk has as many as all before it together. */
static uint32_t
chunk_of(uint32_t bucket)
{
	return bucket < QP_KEYS_LEAST ? 0 : 32u - (uint32_t)__builtin_clz(bucket / QP_KEYS_LEAST);
}

static qp_key **
bucket_at(const qp_keys *keys, uint32_t bucket)
{
	uint32_t chunk = chunk_of(bucket);
	uint32_t start = chunk == 0 ? 0 : QP_KEYS_LEAST << (chunk - 1);

	return &keys->chunks[chunk][bucket - start];
}

static uint32_t
bucket_of(const qp_keys *keys, uint64_t hash)
{
	uint32_t whole = QP_KEYS_LEAST << keys->level;
	uint32_t bucket = (uint32_t)hash & (whole - 1);

	return bucket < keys->split ? (uint32_t)hash & (2 * whole - 1) : bucket;
}

static bool
is_same(const qp_key *key, const char *text, size_t length, uint64_t hash)
{
	return key->hash == hash && key->length == length && memcmp(key->text, text, length) == 0;
}

qp_key *
qp_keys_find(const qp_keys *keys, const char *text, size_t length)
{
	uint64_t hash = qp_siphash(keys->secret, text, length);
	qp_key *key = *bucket_at(keys, bucket_of(keys, hash));

	while (key != NULL && !is_same(key, text, length, hash))
		key = key->next;
	return key;
}

/* Add one bucket: the bucket at `split` is split in two. */
static void
grow(qp_keys *keys)
{
	uint32_t whole = QP_KEYS_LEAST << keys->level, chunk = chunk_of(whole);
	qp_key **from, **to;

	if (chunk == QP_KEYS_CHUNKS)
		return;
	if (keys->chunks[chunk] == NULL)
		keys->chunks[chunk] = qp_alloc_zero(whole, sizeof(qp_key *));
	if (keys->chunks[chunk] == NULL)
		return;
	from = bucket_at(keys, keys->split);
	to = bucket_at(keys, whole + keys->split);
	while (*from != NULL) {
		qp_key *key = *from;
		if ((key->hash & whole) == 0) {
			from = &key->next;
			continue;
		}
		*from = key->next;
		key->next = *to;
		*to = key;
	}
	if (++keys->split == whole) {
		keys->level++;
		keys->split = 0;
	}
}

void
qp_keys_put(qp_keys *keys, qp_key *key)
{
	qp_key **bucket;

	key->hash = qp_siphash(keys->secret, key->text, key->length);
	bucket = bucket_at(keys, bucket_of(keys, key->hash));
	key->next = *bucket;
	*bucket = key;
	keys->count++;
}

void
qp_keys_add(qp_keys *keys, qp_key *key, const char *text, size_t length)
{
	QP_MUST(length > 0 && length <= QP_KEY_MOST);
	memcpy(key->text, text, length);
	key->text[length] = '\0';
	key->length = length;
	if (keys->count >= (QP_KEYS_LEAST << keys->level) + keys->split)
		grow(keys);
	qp_keys_put(keys, key);
}

void
qp_keys_remove(qp_keys *keys, qp_key *key)
{
	qp_key **link = bucket_at(keys, bucket_of(keys, key->hash));

	while (*link != key)
		link = &(*link)->next;
	*link = key->next;
	keys->count--;
}

bool
qp_keys_is_valid(const qp_keys *keys)
{
	uint32_t whole = QP_KEYS_LEAST << keys->level, members = 0;

	for (uint32_t i = 0; i < whole + keys->split; i++)
		for (const qp_key *key = *bucket_at(keys, i); key != NULL; key = key->next) {
			if (bucket_of(keys, key->hash) != i)
				return false;
			members++;
		}
	return keys->split < whole && keys->count == members;
}
