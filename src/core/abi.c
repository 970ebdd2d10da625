/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * abi: bytes and sizes; knows no struct.
 */
#include "core/abi.h"

#include "core/error.h"

/* No struct of this or a later version is as long: such a size was never set, and reading that far
 * could leave the memory. */
#define MOST 4096u

static size_t
size_of(const void *tagged)
{
	size_t size;

	memcpy(&size, tagged, sizeof size);
	return size;
}

qpool_err
qp_abi_read(void *to, size_t known, const void *from, const char *what, qpool_error *error)
{
	size_t size = size_of(from);
	const unsigned char *bytes = from;

	if (size < sizeof size || size > MOST)
		return qp_error_set(
		    error, QPOOL_EINVAL, "%s.size is %zu: start from %s_init()", what, size, what);
	for (size_t i = known; i < size; i++)
		if (bytes[i] != 0)
			return qp_error_set(error, QPOOL_ENOTSUP,
			    "%s is %zu bytes long and sets what this library (%s, %zu bytes) does "
			    "not know, at byte %zu: use a newer library or leave it 0",
			    what, size, qpool_version(), known, i);
	memset(to, 0, known);
	memcpy(to, from, size < known ? size : known);
	return QPOOL_OK;
}

void
qp_abi_write(void *to, const void *from, size_t known)
{
	size_t size = size_of(to);

	if (size < sizeof size)
		return;
	memset(to, 0, size);
	memcpy(to, from, size < known ? size : known);
	memcpy(to, &size, sizeof size);
}
