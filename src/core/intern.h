/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * intern: texts that live as long as the pool, each stored once.  qpool_intern calls in, and
 * allocates a new text before it takes the lock.  The tree is ordered by hash, so nothing is ever
 * moved.  Guarded by the pool's lock.
 */
#ifndef QP_CORE_INTERN_H
#define QP_CORE_INTERN_H

#include <stddef.h>
#include <stdint.h>

typedef struct qp_word {
	struct qp_word *less, *more; /* by hash, then by text */
	struct qp_word *next;        /* all words, newest first */
	uint64_t hash;
	char text[];
} qp_word;

typedef struct qp_words {
	qp_word *root, *all;
} qp_words;

/* The tree's depth depends on the hash alone.  No secret is needed: texts come from the program,
 * not from attackers. */
uint64_t qp_intern_hash(const char *text);
/* A new word, in no tree yet; NULL: no memory. */
qp_word *qp_intern_new(const char *text, uint64_t hash);
/* The word with this text: the one in the tree; else `fresh` (or NULL), inserted. */
qp_word *qp_intern_find(qp_words *words, const char *text, uint64_t hash, qp_word *fresh);
/* Free all words. */
void qp_intern_end(qp_words *words);

#endif
