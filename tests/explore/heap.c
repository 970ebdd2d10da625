/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap: a list of blocks that are out and a list of those that were.
 */
#include "heap.h"

#include "races.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define POISON 0xdd

typedef struct block {
	struct block *next;
	size_t bytes;
	max_align_t body[];
} block;

static block *out, *freed;
static size_t count;

void *
heap_get(size_t bytes)
{
	block *b = calloc(1, sizeof *b + bytes);

	if (b == NULL)
		abort();
	b->bytes = bytes;
	b->next = out;
	out = b;
	count++;
	return b->body;
}

void
heap_put(void *memory)
{
	block **link = &out, *b;

	if (memory == NULL)
		return;
	while (*link != NULL && (void *)(*link)->body != memory)
		link = &(*link)->next;
	if (*link == NULL)
		world_fail("something is freed that is not allocated");
	b = *link;
	*link = b->next;
	races_free(b->body, b->bytes);
	memset(b->body, POISON, b->bytes);
	b->next = freed;
	freed = b;
	count--;
}

void
heap_must_live(const volatile void *object)
{
	const char *place = (const char *)(uintptr_t)object;

	for (const block *b = freed; b != NULL; b = b->next)
		if (place >= (const char *)b->body && place < (const char *)b->body + b->bytes)
			world_fail("freed memory is touched");
}

size_t
heap_count(void)
{
	return count;
}

void
heap_check(void)
{
	for (const block *b = freed; b != NULL; b = b->next) {
		const unsigned char *body = (const unsigned char *)b->body;
		if (b->bytes > 0 &&
		    (body[0] != POISON || memcmp(body, body + 1, b->bytes - 1) != 0))
			world_fail("freed memory was written to");
	}
}

static void
drop(block **list)
{
	while (*list != NULL) {
		block *b = *list;
		*list = b->next;
		free(b);
	}
}

void
heap_reset(void)
{
	drop(&out);
	drop(&freed);
	count = 0;
}
