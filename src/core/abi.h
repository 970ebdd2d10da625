/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * abi: size-tagged structs come in and go out here, so that a caller compiled against an older or a
 * newer header is understood or refused, never misread.  Every verb with such a struct calls in;
 * this room knows bytes and sizes, and no struct.
 */
#ifndef QP_CORE_ABI_H
#define QP_CORE_ABI_H

#include <queuepool.h>

/* Copy what both sides know of *from, whose first member is its size, and zero the rest of
 * *to.  EINVAL: no size was set.  ENOTSUP: the caller's struct is longer, and its unknown tail
 * is not all zero. */
qpool_err qp_abi_read(
    void *to, size_t known, const void *from, const char *what, qpool_error *error);
/* Copy what both sides know of *from to *to, whose size its caller has set, and zero the
 * rest of *to. */
void qp_abi_write(void *to, const void *from, size_t known);

#endif
