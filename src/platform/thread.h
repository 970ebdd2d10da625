/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread: start, join and name threads; one pointer that the core may keep for each thread; and the
 * shield against pthread_cancel, without which a cancelled thread would end in the middle of a
 * list.  The core calls in; this room knows no pool.
 */
#ifndef QP_PLATFORM_THREAD_H
#define QP_PLATFORM_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct qp_thread {
	pthread_t handle;
} qp_thread;

/* Start `body(argument)` with every signal blocked, under a name of at most 15 characters.  0, or
 * an errno and nothing started.  Keeps errno. */
int qp_thread_start(qp_thread *thread, const char *name, void *(*body)(void *), void *argument);
/* Wait until the thread ends.  Not from the thread itself. */
void qp_thread_join(qp_thread *thread);
/* Let the thread end by itself; then it cannot be joined. */
void qp_thread_detach(qp_thread *thread);
/* From here to the unshield that is given what this returned, the thread acts on no cancel; one
 * that arrives stays pending.  May nest. */
int qp_thread_shield(void);
void qp_thread_unshield(int before);
/* The calling thread's own pointer, at first NULL; the address is stable while the thread lives. */
void **qp_thread_pocket(void);
/* The calling thread's number with the system, never 0.  Only the first call in a process
 * asks the system. */
uint32_t qp_thread_id(void);
/* No thread of this process has that number now.  The system may reuse a number; then the new
 * thread is taken for the old one.  Async-signal-safe, keeps errno. */
bool qp_thread_is_gone(uint32_t id);

#endif
