/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace: what happened, step by step, for people.  Off, it costs a look at one flag.
 */
#ifndef EXPLORE_TRACE_H
#define EXPLORE_TRACE_H

#include "platform/compiler.h"

#include <stdbool.h>
#include <stdint.h>

extern bool trace_on;

/* `what` was done to an object by the function that calls the one that says so. */
#define TRACE(what, object, value)                                                          \
	do {                                                                                \
		if (QP_UNLIKELY(trace_on))                                                  \
			trace_step((what), (object), (value), __builtin_return_address(0)); \
	} while (0)

void trace_step(const char *what, const volatile void *object, uint64_t value, const void *from);
/* A line of the scene's; trace_say is what scenes call. */
QP_PRINTF(1, 2) void trace_add(const char *format, ...);
#define trace_say(...)                          \
	do {                                    \
		if (QP_UNLIKELY(trace_on))      \
			trace_add(__VA_ARGS__); \
	} while (0)
/* Print which line of code this is. */
void trace_name(const void *place);
/* Print all that was traced, and forget it. */
void trace_print(void);

#endif
