/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * intern: texts that live as long as the pool, each once.  A tree ordered by hash, so that nothing is ever moved
 * and a new text takes one piece of memory, made before the lock is taken.  Guarded by the pool's lock.
 */
#ifndef QP_CORE_INTERN_H
#define QP_CORE_INTERN_H

#include <stddef.h>
#include <stdint.h>

typedef struct qp_word {
	struct qp_word *less, *more; /* by hash, then by text */
	struct qp_word *next;        /* of all, the newest first */
	uint64_t hash;
	char text[];
} qp_word;

typedef struct qp_words {
	qp_word *root, *all;
} qp_words;

/* Depth follows from the hash alone; texts come from the program, not from its enemies. */
uint64_t qp_intern_hash(const char *text);
/* Room for text, in no tree yet; NULL: no memory. */
qp_word *qp_intern_new(const char *text, uint64_t hash);
/* The one with this text: that in the tree, or else `fresh`, which is in it from now on, or NULL. */
qp_word *qp_intern_find(qp_words *words, const char *text, uint64_t hash, qp_word *fresh);
/* Free them all. */
void qp_intern_end(qp_words *words);

#endif
