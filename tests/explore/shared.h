/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shared: which atomic words do actors touch, one of them writing, with nothing else to order them?
 * A search need not branch before a step that touches any other: in whatever order locks and the
 * other words let the actors come, nobody could notice.  What is known grows from one execution to
 * the next; when it grows, a search has to begin anew.
 */
#ifndef EXPLORE_SHARED_H
#define EXPLORE_SHARED_H

#include <stdbool.h>

/* Actor number `who` touches the object; is it known as shared? */
bool shared_touch(const volatile void *object, unsigned who, bool writes);
/* Has anything become known as shared since this was last asked? */
bool shared_has_grown(void);
void shared_forget(void);

#endif
