/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chance: what makes a race test repeatable as far as threads allow: one seed from which all draws come,
 * printed at the start and settable (QPOOL_SEED), and how long to run (QPOOL_SECONDS).
 */
#ifndef RACE_CHANCE_H
#define RACE_CHANCE_H

#include <queuepool.h>

/* Sanitizers make everything slower, and bounds in real time wider. */
#if defined(__SANITIZE_THREAD__)
#define RACE_SLOWER 6
#elif defined(__SANITIZE_ADDRESS__)
#define RACE_SLOWER 3
#else
#define RACE_SLOWER 1
#endif

typedef struct chance {
	uint64_t state;
} chance;

/* The seed of this run: QPOOL_SEED, or drawn once. */
uint64_t chance_seed(void);
/* QPOOL_SECONDS, or 4. */
unsigned chance_seconds(void);
/* A stream of its own for every (seed, which). */
chance chance_stream(uint64_t seed, uint64_t which);
uint64_t chance_draw(chance *c);
/* 0 .. most - 1. */
unsigned chance_upto(chance *c, unsigned most);
/* True once in n. */
bool chance_one_in(chance *c, unsigned n);
/* Monotonic. */
int64_t chance_now(void);

#endif
