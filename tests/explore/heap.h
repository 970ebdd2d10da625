/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap: the memory of one execution.  What is freed stays poisoned until the end, so that a late
 * touch is seen.  wall.c puts it under qp_alloc_*; the world begins and ends it.
 */
#ifndef EXPLORE_HEAP_H
#define EXPLORE_HEAP_H

#include <stddef.h>

void *heap_get(size_t bytes);
/* Ends the execution when it is no block that is out. */
void heap_put(void *memory);
/* Ends the execution when `object` lies in a freed block. */
void heap_must_live(const volatile void *object);
/* How many blocks are out. */
size_t heap_count(void);
/* Ends the execution when something was written to a freed block. */
void heap_check(void);
/* Forget everything, whatever is still out. */
void heap_reset(void);

#endif
