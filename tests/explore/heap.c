/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap: an arena that only grows until it is reset, so that a block lies at the same address in each
 * execution that allocates the same; and a list of all blocks.
 */
#include "heap.h"

#include "races.h"
#include "sanitize.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#if EXPLORE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(from, bytes)   ((void)(from), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(from, bytes) ((void)(from), (void)(bytes))
#endif

#define POISON 0xdd
#define ARENA  ((size_t)1 << 20)
#define GAP    32u /* between two blocks */
#define BLOCKS 256u

typedef struct block {
	unsigned char *body;
	size_t bytes;
	bool freed;
} block;

static _Alignas(64) unsigned char arena[ARENA];
static size_t arena_used;
static block blocks[BLOCKS];
static unsigned made, out;

void *
heap_get(size_t bytes)
{
	block *b = &blocks[made++];

	if (made == BLOCKS || ARENA - arena_used < bytes + 2 * (size_t)GAP)
		world_fail("the heap is full: enlarge it in heap.c");
	arena_used += GAP;
	*b = (block){arena + arena_used, bytes, false};
	arena_used += (bytes + 15) / 16 * 16;
	ASAN_UNPOISON_MEMORY_REGION(b->body, bytes);
	memset(b->body, 0, bytes);
	out++;
	return b->body;
}

void
heap_put(void *memory)
{
	block *b = blocks;

	if (memory == NULL)
		return;
	while (b < blocks + made && (b->body != memory || b->freed))
		b++;
	if (b == blocks + made)
		world_fail("something is freed that is not allocated");
	races_free(b->body, b->bytes);
	memset(b->body, POISON, b->bytes);
	ASAN_POISON_MEMORY_REGION(b->body, b->bytes);
	b->freed = true;
	out--;
}

void
heap_must_live(const volatile void *object)
{
	const unsigned char *place = (const unsigned char *)(uintptr_t)object;

	if (place < arena || place >= arena + ARENA || out == made)
		return;
	for (const block *b = blocks; b < blocks + made; b++)
		if (b->freed && place >= b->body && place < b->body + b->bytes)
			world_fail("freed memory is touched");
}

size_t
heap_count(void)
{
	return out;
}

void
heap_check(void)
{
	for (const block *b = blocks; b < blocks + made; b++) {
		if (!b->freed || b->bytes == 0)
			continue;
		ASAN_UNPOISON_MEMORY_REGION(b->body, b->bytes);
		if (b->body[0] != POISON || memcmp(b->body, b->body + 1, b->bytes - 1) != 0)
			world_fail("freed memory was written to");
	}
}

void
heap_reset(void)
{
	ASAN_POISON_MEMORY_REGION(arena, sizeof arena);
	arena_used = 0;
	made = out = 0;
}
