/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * intern: the tree, and qpool_intern.
 */
#include "core/intern.h"

#include "core/pool.h"
#include "platform/alloc.h"

uint64_t
qp_intern_hash(const char *text)
{
	uint64_t hash =
	    0xcbf29ce484222325u; /* FNV-1a, then mixed: the tree goes by the high bits */

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15u;
	return hash ^ (hash >> 29);
}

qp_word *
qp_intern_new(const char *text, uint64_t hash)
{
	size_t room = strlen(text) + 1;
	qp_word *word = qp_alloc_zero(1, sizeof *word + room);

	if (word == NULL)
		return NULL;
	memcpy(word->text, text, room);
	word->hash = hash;
	return word;
}

qp_word *
qp_intern_find(qp_words *words, const char *text, uint64_t hash, qp_word *fresh)
{
	qp_word **link = &words->root;

	while (*link != NULL) {
		qp_word *here = *link;
		int order = hash < here->hash   ? -1
		            : hash > here->hash ? 1
		                                : strcmp(text, here->text);
		if (order == 0)
			return here;
		link = order < 0 ? &here->less : &here->more;
	}
	*link = fresh;
	if (fresh != NULL) {
		fresh->next = words->all;
		words->all = fresh;
	}
	return fresh;
}

void
qp_intern_end(qp_words *words)
{
	while (words->all != NULL) {
		qp_word *word = words->all;
		words->all = word->next;
		qp_alloc_free(word);
	}
	words->root = NULL;
}

static qp_word *
find(qpool *pool, const char *text, uint64_t hash, qp_word *fresh)
{
	qp_word *word;

	qp_pool_lock(pool);
	word = qp_intern_find(&pool->root->words, text, hash, fresh);
	qp_pool_unlock(pool, NULL);
	return word;
}

const char *
qpool_intern(qpool *pool, const char *text)
{
	qp_word *word, *fresh;
	uint64_t hash;

	if (qp_pool_look(pool, NULL) != QPOOL_OK || text == NULL)
		return NULL;
	hash = qp_intern_hash(text);
	word = find(pool, text, hash, NULL);
	if (word != NULL)
		return word->text;
	fresh = qp_intern_new(text, hash);
	if (fresh == NULL)
		return NULL;
	word = find(pool, text, hash, fresh);
	if (word != fresh)
		qp_alloc_free(fresh); /* another thread was first */
	return word->text;
}
