/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake: a peer with resources that watch themselves.  Each knows who is inside it, and ends the process
 * when two are, when it is used after close, or closed twice; the peer counts what is open at its own end,
 * not the pool's.  Callbacks can be told to fail, and gates stop them until the test says go.  Tests of
 * every kind come in; it knows the public header only.
 */
#ifndef HARNESS_FAKE_H
#define HARNESS_FAKE_H

#include <queuepool.h>

#include <pthread.h>

typedef enum fake_step {
	FAKE_OPEN,
	FAKE_CLOSE,
	FAKE_PEEK,
	FAKE_CHECK,
	FAKE_RESET,
	FAKE_DESTROY,
	FAKE_STEPS
} fake_step;

typedef struct fake fake;

typedef struct fake_resource {
	uint32_t magic;
	uint32_t inside; /* who is: guarded by the peer's mutex */
	uint64_t number; /* 1, 2, ... in order of opening */
	fake *peer;
	bool dead;   /* peek says ECHECK, check fails */
	bool unsure; /* peek says EAGAIN */
	bool dirty;  /* set by a holder; reset clears it, an acquirer must never see it */
	uint64_t checks, resets;
	qpool_nsec budget; /* of the last step that had one */
	bool on_worker;    /* the last step was */
	char key[256];     /* it was opened for, or ""; no step of it is told another one */
} fake_resource;

/* Runs inside a callback, before the script decides; for tests of re-entry. */
typedef void fake_hook(fake *peer, fake_step step, void *argument);

fake *fake_new(void);
/* Nothing may be open any more, and destroy was called if a pool was made.  Frees. */
void fake_end(fake *peer);
/* open, close, destroy only. */
qpool_ops fake_ops_plain(void);
/* All steps. */
qpool_ops fake_ops(void);

/* The next `times` calls of step fail with err; UINT32_MAX: until told otherwise; 0: none. */
void fake_fail(fake *peer, fake_step step, unsigned times, qpool_err err);
/* After `pass` calls that go well. */
void fake_fail_after(fake *peer, fake_step step, unsigned pass, unsigned times, qpool_err err);
/* From now on one call in n fails with EOPEN (open) or ECHECK, at random by seed; 0: none. */
void fake_fail_one_in(fake *peer, unsigned n, uint64_t seed);
/* open for this key fails with err from now on, NULL: for none. */
void fake_refuse(fake *peer, const char *key, qpool_err err);
/* No key may ever have more than this many live ones: that ends the process.  Before the first open. */
void fake_watch_keys(fake *peer, unsigned most);
/* open does not return more than this many live ones: EFULL. */
void fake_limit(fake *peer, unsigned most);
void fake_hook_on(fake *peer, fake_step step, fake_hook *hook, void *argument);
/* Opened resources are born unsure or dead. */
void fake_born(fake *peer, bool unsure, bool dead);
/* All that are open now die. */
void fake_kill_all(fake *peer);

/* Calls of step from now on stop inside it... */
void fake_gate_shut(fake *peer, fake_step step);
/* ... wait until at least `count` stand there ... */
void fake_gate_await(fake *peer, fake_step step, unsigned count);
/* ... let `count` of them go on ... */
void fake_gate_pass(fake *peer, fake_step step, unsigned count);
/* ... or all, now and later. */
void fake_gate_open(fake *peer, fake_step step);

unsigned fake_calls(fake *peer, fake_step step);
/* Open, and not detached. */
unsigned fake_live(fake *peer);
unsigned fake_live_peak(fake *peer);
/* How many opens were inside the callback at once, at most. */
unsigned fake_opening_peak(fake *peer);
/* Why the last one was closed. */
qpool_why fake_last_why(fake *peer);
/* The budget the last open was given, and whether a worker ran it. */
qpool_step fake_last_open(fake *peer);

/* Until destroy has run; the pool may be gone by then. */
void fake_await_destroyed(fake *peer);
/* Detach, and close what that gives; false: it gave nothing. */
bool fake_detach(fake *peer, qpool_lease *lease);

/* Open one without the pool, for qpool_adopt; and close it when it is still yours. */
fake_resource *fake_make(fake *peer);
void fake_unmake(fake_resource *r);

/* A holder enters and leaves its resource: two at once end the process. */
void fake_use(const qpool_lease *lease);
void fake_unuse(const qpool_lease *lease);
fake_resource *fake_of(const qpool_lease *lease);

#endif
