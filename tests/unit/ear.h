/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ear: who listens to events of leases, and writes them down.  The tests of watch come in.
 */
#ifndef UNIT_EAR_H
#define UNIT_EAR_H

#include "virtual.h"

#include <pthread.h>

/* What was told, in order.  The texts an entry points at live only while it is told of. */
typedef struct told {
	qpool_event event;
	qpool_entry entry;
	char describe[64], key[16], entry_key[16];
	pthread_t by;
} told;

typedef struct ear {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	told all[64];
	unsigned count;
	/* Run when this type is told, before it is written down. */
	qpool_event_type on;
	void (*then)(void *argument);
	void *argument;
} ear;

static inline void
hear(void *user, qpool *pool, const qpool_event *event)
{
	ear *e = user;
	told *t;

	(void)pool;
	if (event->type == e->on && e->then != NULL)
		e->then(e->argument);
	pthread_mutex_lock(&e->mutex);
	t = &e->all[e->count++ % 64];
	memset(t, 0, sizeof *t);
	t->event = *event;
	t->by = pthread_self();
	if (event->key != NULL)
		(void)strncpy(t->key, event->key, sizeof t->key - 1);
	if (event->entry != NULL) {
		t->entry = *event->entry;
		if (event->entry->key != NULL)
			(void)strncpy(t->entry_key, event->entry->key, sizeof t->entry_key - 1);
		(void)strncpy(t->describe, event->entry->describe, sizeof t->describe - 1);
	}
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->mutex);
}

#define EAR_INIT                                                                        \
	{                                                                               \
		.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER \
	}

/* Until so many were told. */
static inline void
await_told(ear *e, unsigned count)
{
	pthread_mutex_lock(&e->mutex);
	while (e->count < count)
		pthread_cond_wait(&e->changed, &e->mutex);
	pthread_mutex_unlock(&e->mutex);
}

static inline const told *
only(ear *e, unsigned at, qpool_event_type type)
{
	if (at >= e->count)
		fail_msg("only %u events", e->count);
	assert_int_equal(e->all[at].event.type, type);
	return &e->all[at];
}

#define LEASES                                                                           \
	(1u << QPOOL_EV_ACQUIRED | 1u << QPOOL_EV_HELD_LONG | 1u << QPOOL_EV_HELD_BACK | \
	    1u << QPOOL_EV_HOLDER_GONE | 1u << QPOOL_EV_RELEASED)
#define ENDS (LEASES & ~(1u << QPOOL_EV_ACQUIRED))

static inline qpool_options
heard_by(ear *e, uint64_t mask)
{
	qpool_options o = qpool_options_init();

	o.max_size = 2;
	o.held_long = QPOOL_SEC(1);
	o.max_idle = o.max_age = QPOOL_FOREVER;
	o.on_event = hear;
	o.event_user = e;
	o.event_mask = mask;
	return o;
}

#endif
