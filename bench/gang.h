/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gang: threads that start together and work until the same instant.  Workloads come in.
 */
#ifndef BENCH_GANG_H
#define BENCH_GANG_H

#include <stdint.h>

/* Work begins before from_ns, so that what is counted is a machine in full run. */
typedef struct gang_window {
	int64_t from_ns, until_ns;
} gang_window;

typedef void gang_body(void *shared, unsigned index, const gang_window *window);

/* Run `body` on `count` threads, each with its index, and return when all have ended.  The window
 * opens `ramp_ns` after the common start, for `open_ns`.  Returns what CPU time the whole process
 * spent inside the window. */
int64_t gang_run(unsigned count, gang_body *body, void *shared, int64_t ramp_ns, int64_t open_ns);

#endif
