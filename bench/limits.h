/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limits: what this machine asks for the things pools are made of.  W1 runs them in its rounds, between
 * the peers, since ratios hold only within a round.
 */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

typedef struct limit {
	const char *name; /* stable: the key in JSON */
	const char *title;
	void (*turns)(unsigned count);
} limit;

extern const limit limits[];
extern const unsigned limit_count;

#endif
