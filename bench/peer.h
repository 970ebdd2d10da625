/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer: a pool to measure, whoever wrote it.  Workloads come in and know nothing else about a pool.  A
 * peer is one file, its struct, and a line in peers.c; it lives in a translation unit of its own, so
 * that every get and put crosses a real call.  All of them lend a stub: opening and closing do nothing;
 * but those of W6, which lend connections of a real PostgreSQL.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <queuepool.h>

/* What a get leaves with its caller.  A peer that needs more than a pointer adds its member. */
typedef union peer_loan {
	void *resource;
	qpool_lease lease;
} peer_loan;

enum { PEER_W1 = 1u << 0, PEER_W2 = 1u << 1, PEER_W4 = 1u << 2, PEER_W6 = 1u << 3 };

typedef struct peer {
	const char *name;  /* stable: the key in JSON */
	const char *title; /* for people */
	unsigned works;    /* the workloads it takes part in */
	bool is_rival;     /* somebody else's design, which blocks when all are lent */
	bool is_bound;     /* no pool: run by as many threads as there are resources */
	void *(*make)(unsigned capacity);         /* NULL: it could not */
	void (*get)(void *pool, peer_loan *loan); /* blocks; ends the program if it cannot serve */
	void (*put)(void *pool, peer_loan *loan);
	/* `count` gets and puts.  NULL: the caller's loop over get and put.  For a peer whose get and
	 * put only forward to a library: it loops over the library itself, or the forwarding, which no
	 * user of that library pays, would be counted. */
	void (*turns)(void *pool, unsigned count);
	/* W6: run the statement on what was lent.  NULL elsewhere. */
	void (*use)(void *pool, peer_loan *loan);
	void (*unmake)(void *pool);
} peer;

extern const peer peer_none;      /* no pool at all: the calls, and nothing in them */
extern const peer peer_queuepool; /* every kind of recycling on */
extern const peer peer_queuepool_unlimited;
extern const peer peer_mutex;
extern const peer peer_mutex_clocks;
#ifdef BENCH_POSTGRES
extern const peer peer_pg_none, peer_pg_mutex, peer_pg_queuepool;
extern const peer peer_pg_queuepool_strict, peer_pg_queuepool_1250us, peer_pg_queuepool_10ms;
#endif

extern const peer *const peers[];
extern const unsigned peer_count;

#endif
