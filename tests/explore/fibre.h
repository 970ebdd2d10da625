/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fibre: stacks that one thread of the system switches between, at places of our choice only.  The
 * world calls in.  It knows nothing of schedules.
 */
#ifndef EXPLORE_FIBRE_H
#define EXPLORE_FIBRE_H

typedef struct fibre fibre;

/* A fibre that will run body() each time it is given work, and fibre_rest() after it.  Ends the
 * program when there is no memory. */
fibre *fibre_new(void (*body)(void));
/* The stack that was there before any fibre. */
fibre *fibre_main(void);
/* Leave `from`, which is running, and go on in `to`. */
void fibre_switch(fibre *from, fibre *to);
/* Forget what the fibre was doing, wherever it was; it begins body() anew.  Not the running one. */
void fibre_reset(fibre *f);

#endif
