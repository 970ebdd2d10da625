/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * siphash: as Aumasson and Bernstein published it in 2012; the unit test uses their test vector.
 */
#include "core/siphash.h"

typedef struct state {
	uint64_t v0, v1, v2, v3;
} state;

static uint64_t
turn_left(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static void
stir(state *s, unsigned rounds)
{
	while (rounds-- > 0) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = turn_left(s->v1, 13) ^ s->v0;
		s->v3 = turn_left(s->v3, 16) ^ s->v2;
		s->v0 = turn_left(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = turn_left(s->v1, 17) ^ s->v2;
		s->v3 = turn_left(s->v3, 21) ^ s->v0;
		s->v2 = turn_left(s->v2, 32);
	}
}

static void
take_in(state *s, uint64_t word)
{
	s->v3 ^= word;
	stir(s, 2);
	s->v0 ^= word;
}

uint64_t
qp_siphash(const uint64_t secret[2], const void *text, size_t length)
{
	const unsigned char *bytes = text;
	state s = {secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
	    secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
	uint64_t word = 0;

	for (size_t i = 0; i < length; i++) {
		word |= (uint64_t)bytes[i] << 8 * (i % 8);
		if (i % 8 == 7) {
			take_in(&s, word);
			word = 0;
		}
	}
	take_in(&s, word | (uint64_t)length << 56);
	s.v2 ^= 0xff;
	stir(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
