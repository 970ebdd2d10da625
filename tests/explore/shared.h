/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shared: which words are touched by more than one actor, one of them writing, and not always with
 * a lock held.  A search need not branch before a step that touches any other: nobody could notice,
 * or not before the lock is free.  What is known grows from one execution to the next; when it
 * grows, a search has to begin anew.
 */
#ifndef EXPLORE_SHARED_H
#define EXPLORE_SHARED_H

#include <stdbool.h>

/* Actor number `who` touches the object; is it known as shared? */
bool shared_touch(const volatile void *object, unsigned who, bool writes, bool locked);
/* Has anything become known as shared since this was last asked? */
bool shared_has_grown(void);
void shared_forget(void);

#endif
