/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire: a peer at the other end of real sockets.  Each resource is one; what is written says which process
 * wrote it, so the server's side, which the parent keeps, can tell any byte of a child's from its own.  Made
 * for processes that fork anywhere: there is no lock in it, and its books are words.
 */
#ifndef FORK_WIRE_H
#define FORK_WIRE_H

#include <queuepool.h>

#include <stdatomic.h>
#include <sys/types.h>

#define WIRE_MOST 16384 /* resources in one process's life */

typedef enum wire_step {
	WIRE_OPEN,
	WIRE_CLOSE,
	WIRE_PEEK,
	WIRE_CHECK,
	WIRE_RESET,
	WIRE_DESCRIBE,
	WIRE_ABANDON,
	WIRE_DESTROY,
	WIRE_STEPS
} wire_step;

typedef struct wire_resource {
	pid_t owner; /* who opened it */
	int client;
	unsigned number;
	char key[24]; /* of a keyed pool */
	atomic_uint inside;
} wire_resource;

/* Called inside every step and every event, after whatever it writes. */
typedef void wire_hook(wire_step step, const qpool_event *event);

typedef struct wire {
	pid_t parent;
	atomic_int servers[WIRE_MOST]; /* 0: not yet; -1: ended */
	atomic_uint numbers;
	/* of this process and, as a child finds them, those before it */
	atomic_uint calls[WIRE_STEPS];
	atomic_uint standing[WIRE_STEPS]; /* threads that the gate stops */
	atomic_uint shut[WIRE_STEPS];
	atomic_uint failing[WIRE_STEPS]; /* how many of the next ones fail */
	qpool_err again;                 /* what a reset that fails returns; OK: ECHECK */
	int gate[2];                     /* those that are stopped read from it */
	_Atomic(wire_hook *) hook;
	/* Resources of this process, and the most there may be, or 0: a test that counts sets it, and begins at
	 * 0 in a child. */
	atomic_int alive;
	int most;
} wire;

/* fork().  In the child an alarm is the end, whatever it was in the parent. */
pid_t wire_fork(void);
/* In a child forked while other threads ran, first of all: where a sanitizer watches it ends here, with 0.  The
 * runtime's own locks may be held by threads that are not there: that of gcc 12's AddressSanitizer around its heap,
 * on which the child would wait for ever; and what is left of ThreadSanitizer looks at nothing. */
void wire_leave_if_watched(void);
void wire_begin(wire *peer);
/* With all steps, on this peer. */
qpool_ops wire_ops(void);
/* Calls of this step stop from now on ... */
void wire_shut(wire *peer, wire_step step);
/* ... this many stand there ... */
void wire_await(wire *peer, wire_step step, unsigned count);
/* ... and all go on. */
void wire_open(wire *peer, wire_step step);
void wire_event(void *user, qpool *pool, const qpool_event *event);

/* In the parent, one thread at a time: what came over the wires so far came from this process; returns how much. */
unsigned wire_read(wire *peer);
/* In the parent: everything is closed at the client's end, too, and nothing of a child ever came. */
void wire_end(wire *peer);

#endif
