/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shared: a table of addresses.  Blocks and stacks lie at the same addresses in each execution that
 * made the same choices, and mostly in the others; a word that moves is only learned again.
 */
#include "shared.h"

#include <stdint.h>
#include <string.h>

#define SLOTS 65536u

typedef struct word {
	uintptr_t address;
	uint32_t touched; /* a bit for each actor */
	bool written, unlocked;
} word;

static word table[SLOTS];
static unsigned used;
static bool grown;

static word *
find(uintptr_t address)
{
	unsigned i = (unsigned)((address >> 2) * UINT64_C(0x9e3779b97f4a7c15) >> 48) % SLOTS;

	while (table[i].address != 0 && table[i].address != address)
		i = (i + 1) % SLOTS;
	used += table[i].address == 0;
	table[i].address = address;
	return &table[i];
}

static bool
is_shared(const word *w)
{
	return (w->touched & (w->touched - 1)) != 0 && w->written && w->unlocked;
}

bool
shared_touch(const volatile void *object, unsigned who, bool writes, bool locked)
{
	word *w;
	bool was;

	if (object == NULL || used > SLOTS / 2)
		return true;
	w = find((uintptr_t)object);
	was = is_shared(w);
	w->touched |= UINT32_C(1) << who;
	w->written = w->written || writes;
	w->unlocked = w->unlocked || !locked;
	grown = grown || is_shared(w) != was;
	return is_shared(w);
}

bool
shared_has_grown(void)
{
	bool was = grown;

	grown = false;
	return was;
}

void
shared_forget(void)
{
	memset(table, 0, sizeof table);
	used = 0;
	grown = false;
}
