/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keys: a set of texts, found by hash.  Each key lies in its user's struct; the set owns none of
 * them and never decides how long one lives.  keyed calls in, under the lock of the keyed pool.
 *
 * The set grows by one bucket at a time (linear hashing), so that no insertion, made with the lock
 * held, moves more than one bucket's worth of keys, whether there are ten or a million:
 *
 *     buckets:  0 ......... split ......... 2^level * least ......... and as many as were split
 *               split in two  not yet                                 their other halves
 */
#ifndef QP_CORE_KEYS_H
#define QP_CORE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QP_KEY_MOST 255u /* bytes */

#define QP_KEYS_LEAST  16u /* buckets in the beginning */
#define QP_KEYS_CHUNKS 24u

typedef struct qp_key {
	struct qp_key *next; /* in its bucket */
	uint64_t hash;
	size_t length;
	char text[QP_KEY_MOST + 1];
} qp_key;

/* count = members; split < 16 << level.  A key with hash h is in bucket h mod (16 << level), or,
 * where that is below split, in h mod (32 << level). */
typedef struct qp_keys {
	uint64_t secret[2];
	uint32_t level, split, count;
	qp_key *first[QP_KEYS_LEAST]; /* the first chunk of buckets: never allocated */
	qp_key **chunks[QP_KEYS_CHUNKS];
} qp_keys;

/* Make an empty set, with a secret of its own. */
void qp_keys_init(qp_keys *keys);
void qp_keys_dispose(qp_keys *keys);
/* Empty the set, whatever state it was in, and keep its memory. */
void qp_keys_clear(qp_keys *keys);
/* The text's length if it can be a key, 1 to QP_KEY_MOST bytes; else 0. */
size_t qp_keys_length(const char *text);
qp_key *qp_keys_find(const qp_keys *keys, const char *text, size_t length);
/* Copy the text into *key and insert it; the set must not have it.  Without memory for more
 * buckets the set keeps those it has. */
void qp_keys_add(qp_keys *keys, qp_key *key, const char *text, size_t length);
void qp_keys_remove(qp_keys *keys, qp_key *key);
/* As add, for a key whose text and length are set; needs no memory. */
void qp_keys_put(qp_keys *keys, qp_key *key);
bool qp_keys_is_valid(const qp_keys *keys);

#endif
