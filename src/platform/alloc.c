/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alloc: the heap of libc, errno kept.
 */
#include "platform/alloc.h"

#include "platform/testing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *
qp_alloc_zero(size_t count, size_t size)
{
	int keep = errno;
	void *memory;

#if QP_TESTING
	if (qp_testing_fault(QP_FAULT_ALLOC))
		return NULL;
#endif
	memory = calloc(count, size);
	errno = keep;
	return memory;
}

char *
qp_alloc_text(const char *text)
{
	size_t room = strlen(text) + 1;
	char *copy = qp_alloc_zero(1, room);

	if (copy != NULL)
		memcpy(copy, text, room);
	return copy;
}

void
qp_alloc_free(void *memory)
{
	free(memory);
}
