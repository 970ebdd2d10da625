/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sanitize: is this built with AddressSanitizer?  It must be told of switches between stacks, and
 * of blocks that we allocate in one of its own.
 */
#ifndef EXPLORE_SANITIZE_H
#define EXPLORE_SANITIZE_H

#if defined(__SANITIZE_ADDRESS__)
#define EXPLORE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EXPLORE_ASAN 1
#endif
#endif
#ifndef EXPLORE_ASAN
#define EXPLORE_ASAN 0
#endif

#endif
