/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shared: a table of addresses.  Blocks and stacks lie at the same addresses in each execution that
 * made the same choices, and mostly in the others; a word that moves is only learned again.  Under
 * AddressSanitizer what is on a stack moves about for no reason of ours, so there all is shared.
 */
#include "shared.h"

#include "races.h"
#include "sanitize.h"

#include <stdint.h>
#include <string.h>

#define SLOTS 16384u /* a power of two */

typedef struct word {
	uintptr_t address;
	bool is_shared;
	bool is_found; /* shared from the next execution on: this one must not shift */
	/* in this execution: */
	uint32_t run;
	unsigned writer; /* counted from 1; 0: nobody */
	uint32_t written_at, read_at[RACES_ACTORS];
} word;

static word table[SLOTS];
static unsigned used;
static bool grown;

static word *
find(uintptr_t address)
{
	unsigned i = (unsigned)((address >> 2) * UINT64_C(0x9e3779b97f4a7c15) >> 40) % SLOTS;

	while (table[i].address != 0 && table[i].address != address)
		i = (i + 1) % SLOTS;
	used += table[i].address == 0;
	if (table[i].run != races_run())
		table[i] = (word){.address = address,
		    .is_shared = table[i].is_shared,
		    .is_found = table[i].is_found,
		    .run = races_run()};
	return &table[i];
}

static bool
is_ordered(const word *w, unsigned who, bool writes)
{
	bool ordered = w->writer == 0 || races_knows(who, w->writer - 1, w->written_at);

	for (unsigned i = 0; writes && i < RACES_ACTORS; i++)
		ordered = ordered && (w->read_at[i] == 0 || races_knows(who, i, w->read_at[i]));
	return ordered;
}

bool
shared_touch(const volatile void *object, unsigned who, bool writes)
{
	word *w;

	if (EXPLORE_ASAN || object == NULL || used > SLOTS / 2)
		return true;
	w = find((uintptr_t)object);
	if (!w->is_found && !is_ordered(w, who, writes))
		w->is_found = grown = true;
	if (writes) {
		w->writer = who + 1;
		w->written_at = races_time(who);
	} else {
		w->read_at[who] = races_time(who);
	}
	return w->is_shared;
}

bool
shared_has_grown(void)
{
	bool was = grown;

	for (unsigned i = 0; was && i < SLOTS; i++)
		table[i].is_shared = table[i].is_found;
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
