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

#include <stdbool.h>
#include <stdint.h>

/* What a get leaves with its caller.  A peer that needs more than a pointer adds its member. */
typedef union peer_loan {
	void *resource;
	qpool_lease lease;
} peer_loan;

enum {
	PEER_W1 = 1u << 0,
	PEER_W2 = 1u << 1,
	PEER_W3 = 1u << 2,
	PEER_W4 = 1u << 3,
	PEER_W5 = 1u << 4,
	PEER_W6 = 1u << 5,
	PEER_W6_64 = 1u << 6,
	PEER_W7 = 1u << 7,
	PEER_W8 = 1u << 8,
	PEER_MIXED = 1u << 9,
	PEER_FEW = 1u << 10,
	PEER_IDLE = 1u << 11,
	PEER_1000 = 1u << 12, /* W3 and W4 with 1000 threads */
	/* What any pool of stubs that blocks can do. */
	PEER_STUBS = PEER_W1 | PEER_W2 | PEER_W3 | PEER_W4 | PEER_W5 | PEER_W7 | PEER_W8 |
	             PEER_FEW | PEER_1000,
};

typedef struct peer {
	const char *name;  /* stable: the key in JSON */
	const char *title; /* for people */
	unsigned works;    /* the workloads it takes part in */
	bool is_rival;     /* somebody else's design, which blocks when all are lent */
	bool is_library;   /* takes part with --rivals only */
	bool is_bound;     /* no pool: in W4 and W6 run by as many threads as there are resources */
	bool is_limit;     /* no pool: what the machine asks for a hand-over */
	void *(*make)(unsigned capacity);         /* NULL: it could not */
	void (*get)(void *pool, peer_loan *loan); /* blocks; ends the program if it cannot serve */
	void (*put)(void *pool, peer_loan *loan);
	/* `count` gets and puts.  NULL: the caller's loop over get and put.  For a peer whose get and
	 * put only forward to a library: it loops over the library itself, or the forwarding, which no
	 * user of that library pays, would be counted. */
	void (*turns)(void *pool, unsigned count);
	/* W6: run the statement on what was lent.  NULL elsewhere. */
	void (*use)(void *pool, peer_loan *loan);
	/* mixed: as get, but gives up after so long: false.  NULL elsewhere. */
	bool (*get_within)(void *pool, peer_loan *loan, int64_t timeout_ns);
	/* W8: open so many, and lend none.  NULL: it cannot. */
	void (*fill)(void *pool, unsigned count);
	/* few: how many resources it has opened so far.  NULL elsewhere. */
	unsigned (*opened)(void *pool);
	void (*unmake)(void *pool);
} peer;

extern const peer peer_none;      /* no pool at all: the calls, and nothing in them */
extern const peer peer_queuepool; /* every kind of recycling on */
extern const peer peer_queuepool_unlimited, peer_queuepool_unfair;
extern const peer peer_queuepool_described;
extern const peer peer_mutex;
extern const peer peer_mutex_clocks;
extern const peer peer_spin, peer_futex, peer_futex_one_core; /* limits of W5 */
#ifdef BENCH_GLIB
extern const peer peer_glib;
#endif
#ifdef BENCH_APR
extern const peer peer_apr;
#endif
#ifdef BENCH_ZDB
extern const peer peer_zdb;
#endif
#ifdef BENCH_POSTGRES
extern const peer peer_pg_none, peer_pg_mutex, peer_pg_queuepool;
#ifdef BENCH_ZDB
extern const peer peer_pg_zdb, peer_pg_zdb_100us;
#endif
extern const peer peer_pg_queuepool_strict, peer_pg_queuepool_1250us, peer_pg_queuepool_10ms;
#endif

extern const peer *const peers[];
extern const unsigned peer_count;

#endif
