/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * output: bytes to a descriptor, from anywhere, signal handlers included.  dump calls in.  It
 * neither buffers nor formats.
 */
#ifndef QP_PLATFORM_OUTPUT_H
#define QP_PLATFORM_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* Write all the bytes.  false: the descriptor takes no more (an error, or it is full and
 * non-blocking), and the rest is lost.  Async-signal-safe, keeps errno. */
bool qp_output_write(int fd, const char *bytes, size_t length);

#endif
