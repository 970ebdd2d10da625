/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alloc: the only way to memory for the core.  It never aborts.  Under test the n-th call can be
 * made to fail.
 */
#ifndef QP_PLATFORM_ALLOC_H
#define QP_PLATFORM_ALLOC_H

#include <stddef.h>

/* `count` times `size` zero bytes (of a large block, pages nobody has touched yet); NULL when there
 * is no memory.  Keeps errno. */
void *qp_alloc_zero(size_t count, size_t size);
/* A copy of text; NULL when there is no memory.  Keeps errno. */
char *qp_alloc_text(const char *text);
void qp_alloc_free(void *memory);

#endif
