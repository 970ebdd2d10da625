/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kit: what scenes play with: a pool of resources that know who holds them, verbs that check their
 * outcome, and the books that must balance at quiet points and at the end.  It stands on the public
 * header, and on qp_pool_is_valid_locked; so it holds for any engine.
 */
#ifndef EXPLORE_KIT_H
#define EXPLORE_KIT_H

#include "world.h"

#include <queuepool.h>

#define KIT_RESOURCES 32u
#define KIT_MAY(err)  (1u << (err))

typedef struct kit_resource {
	enum { KIT_NONE = 0, KIT_OPEN, KIT_CLOSED } state;
	const actor *holder;
} kit_resource;

/* One for each execution.  Set what you like between kit_begin and kit_pool. */
typedef struct kit_books {
	qpool_options options;
	qpool_ops ops;
	int64_t open_takes_ns, close_takes_ns;
	unsigned fail_opens;  /* so many opens fail first */
	unsigned doubtful;    /* and so many after them fail if choice says so */
	qpool_err open_error; /* how */
	unsigned may;         /* what kit_acquire may return besides OK: KIT_MAY(...) */
	bool unchecked;       /* that somebody waits beside an idle or empty slot is no mistake */
	bool
	    unordered; /* nor that one is served before another who came first: workers take what expired
	                       * from who was served, and it comes back to the line */
	bool by_request; /* kit_acquire acquires by a request, which takes another way in */
	qpool *pool;
	qpool_keyed *keyed; /* instead */
	/* kept by the kit */
	unsigned most;           /* that may exist now */
	unsigned opening, exist; /* exist: those being opened, too */
	unsigned opens, failures, closes, detached, acquires, given_back;
	unsigned refused; /* of opens: made outside, and not adopted */
	bool is_paused, is_closing;
	kit_resource resources[KIT_RESOURCES];
} kit_books;

extern kit_books kit;

/* A scene's first words: clean books, and options with no limit on time or uses. */
void kit_begin(uint32_t max_size);
/* Make the pool of what is in the books, or a keyed one. */
void kit_pool(void);
void kit_keyed_pool(void);
/* Start an actor of the scene. */
actor *kit_go(const char *name, void *(*body)(void *), void *argument);
/* A scene's last words: wait for all actors, close and free. */
void kit_end(void);
/* The same, but the pool is closed and freed by the scene. */
void kit_end_closed(void);
/* The checks at quiet points, and when all are gone. */
void kit_quiet(void);
void kit_balance(void);

/* Verbs. */
qpool_err kit_acquire(qpool_nsec timeout, qpool_lease *lease);
qpool_err kit_acquire_with(const qpool_request *request, qpool_lease *lease);
qpool_err kit_acquire_key(const char *key, qpool_nsec timeout, qpool_lease *lease);
void kit_release(qpool_lease *lease);
void kit_discard(qpool_lease *lease);
void kit_detach(qpool_lease *lease);
/* Close the pool, and expect this. */
void kit_close(qpool_nsec timeout, qpool_err expected);
void kit_resize(uint32_t max_size);
void kit_start(unsigned workers);
void kit_stop(void);
/* The calling actor is served, if it acquires.  Should what it got be of no use, it comes back to the line, and is judged as if it
 * had come only then. */
void kit_away(void);
/* The calling actor holds the lease now, or no longer. */
void kit_take(const qpool_lease *lease);
void kit_give(const qpool_lease *lease);
/* Acquire for ever, release, so many times; once, and hold it for so many ms; once with a timeout
 * of so many ms. */
void *kit_rounds(void *count);
void *kit_hold(void *ms);
void *kit_once_within(void *ms);

/* Arguments of actors. */
#define KIT_NUMBER(n)  ((void *)(uintptr_t)(n))
#define KIT_TEXT(text) ((void *)(uintptr_t)(text))

#endif
