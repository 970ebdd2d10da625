/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * races: vector clocks.  Each actor counts its releases; whoever acquires what one of them left
 * learns how far its maker had come.  For each byte it is kept who wrote it last, and for each word
 * when each actor last read from it.
 */
#include "races.h"

#include "choice.h"
#include "heap.h"
#include "trace.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CELLS 4096u /* a power of two; both tables stay far from full */

/* Eight bytes of plain memory. */
typedef struct cell {
	uintptr_t address; /* divided by 8 */
	uint32_t run;      /* the execution this is about */
	uint32_t written_at[8];
	uint8_t writer[8]; /* counted from 1; 0: nobody */
	uint32_t read_at[RACES_ACTORS];
	uint8_t read[RACES_ACTORS]; /* a bit for each byte */
	const void *write_place, *read_place[RACES_ACTORS];
} cell;

/* An atomic word, or a lock, and what its last store carried. */
typedef struct carrier {
	uintptr_t address;
	uint32_t run;
	clocks carried;
} carrier;

bool races_on;
static bool keeps_clocks; /* somebody will ask */
static cell cells[CELLS];
static carrier carriers[CELLS];
static cell *used[CELLS]; /* the cells of this execution */
static unsigned cells_used;
static uint32_t run;
/* Of each actor: what it knows, what it would know after an acquire fence, and what it knew at
 * its last release fence. */
static clocks known[RACES_ACTORS], seen[RACES_ACTORS], fenced[RACES_ACTORS];
static const void *places[2];

_Static_assert(RACES_ACTORS == WORLD_ACTORS, "a clock for each actor");

void
races_begin(void)
{
	keeps_clocks = races_on || choice_is_search();
	run++;
	cells_used = 0;
	memset(known, 0, sizeof known);
	memset(seen, 0, sizeof seen);
	memset(fenced, 0, sizeof fenced);
	for (unsigned i = 0; i < RACES_ACTORS; i++)
		known[i].at[i] = 1;
	places[0] = places[1] = NULL;
}

uint32_t
races_run(void)
{
	return run;
}

uint32_t
races_time(unsigned who)
{
	return known[who].at[who];
}

bool
races_knows(unsigned who, unsigned other, uint32_t time)
{
	return who == other || known[who].at[other] >= time;
}

static void
learn(clocks *to, const clocks *from)
{
	for (unsigned i = 0; i < RACES_ACTORS; i++)
		if (from->at[i] > to->at[i])
			to->at[i] = from->at[i];
}

static unsigned
hash(uintptr_t address)
{
	return (unsigned)(address * UINT64_C(0x9e3779b97f4a7c15) >> 40) % CELLS;
}

static carrier *
carrier_of(const volatile void *object)
{
	uintptr_t address = (uintptr_t)object;
	unsigned i = hash(address >> 2);

	while (carriers[i].run == run && carriers[i].address != address)
		i = (i + 1) % CELLS;
	if (carriers[i].run != run)
		carriers[i] = (carrier){.address = address, .run = run};
	return &carriers[i];
}

static cell *
cell_of(uintptr_t address)
{
	unsigned i = hash(address);

	while (cells[i].run == run && cells[i].address != address)
		i = (i + 1) % CELLS;
	if (cells[i].run != run) {
		memset(&cells[i], 0, sizeof cells[i]);
		cells[i].address = address;
		cells[i].run = run;
		used[cells_used++] = &cells[i];
		if (cells_used > CELLS / 2)
			world_fail("more memory is touched than races.c has cells for");
	}
	return &cells[i];
}

/* ---- what orders ---- */

static bool
acquires(memory_order order)
{
	return order != memory_order_relaxed && order != memory_order_release;
}

static bool
releases(memory_order order)
{
	return order == memory_order_release || order == memory_order_acq_rel ||
	       order == memory_order_seq_cst;
}

void
races_load(const volatile void *object, unsigned who, memory_order order)
{
	if (keeps_clocks)
		learn(acquires(order) ? &known[who] : &seen[who], &carrier_of(object)->carried);
}

clocks
races_store(unsigned who, memory_order order)
{
	clocks carried = {{0}};

	if (!keeps_clocks)
		return carried;
	carried = releases(order) ? known[who] : fenced[who];
	known[who].at[who] += releases(order);
	return carried;
}

void
races_arrive(const volatile void *object, const clocks *carried)
{
	if (keeps_clocks)
		carrier_of(object)->carried = *carried;
}

void
races_exchange(const volatile void *object, unsigned who, memory_order order)
{
	clocks carried;

	if (!keeps_clocks)
		return;
	races_load(object, who, order);
	carried = races_store(who, order);
	learn(&carrier_of(object)->carried, &carried); /* it goes on with what others released */
}

void
races_fence(unsigned who, memory_order order)
{
	if (acquires(order))
		learn(&known[who], &seen[who]);
	if (releases(order)) {
		fenced[who] = known[who];
		known[who].at[who]++;
	}
}

void
races_lock(const void *lock, unsigned who)
{
	races_load(lock, who, memory_order_acquire);
}

void
races_unlock(const void *lock, unsigned who)
{
	clocks carried = races_store(who, memory_order_release);

	races_arrive(lock, &carried);
}

void
races_start(unsigned who, unsigned other)
{
	learn(&known[other], &known[who]);
	known[who].at[who]++;
}

void
races_join(unsigned who, unsigned other)
{
	learn(&known[who], &known[other]);
}

/* ---- what must be ordered ---- */

static void
must_know(
    unsigned who, unsigned other, uint32_t at, const char *what, const void *then, const void *now)
{
	if (races_knows(who, other, at))
		return;
	places[0] = then;
	places[1] = now;
	world_fail("a race: %s by %s and by %s, and nothing orders them", what,
	    world_actors()[other].name, world_actors()[who].name);
}

/* The bytes of a cell that mask names. */
static void
write_cell(cell *c, unsigned mask, unsigned who, const void *place)
{
	for (unsigned i = 0; i < RACES_ACTORS; i++)
		if (c->read[i] & mask)
			must_know(
			    who, i, c->read_at[i], "a read and a write", c->read_place[i], place);
	for (unsigned i = 0; i < 8; i++) {
		if (!(mask & 1u << i))
			continue;
		if (c->writer[i] != 0)
			must_know(who, c->writer[i] - 1u, c->written_at[i], "two writes",
			    c->write_place, place);
		c->writer[i] = (uint8_t)(who + 1);
		c->written_at[i] = known[who].at[who];
	}
	c->write_place = place;
}

static void
read_cell(cell *c, unsigned mask, unsigned who, const void *place)
{
	for (unsigned i = 0; i < 8; i++)
		if ((mask & 1u << i) && c->writer[i] != 0)
			must_know(who, c->writer[i] - 1u, c->written_at[i], "a write and a read",
			    c->write_place, place);
	/* Of older reads of other bytes nothing is kept: they are forgotten, not made up. */
	if (c->read_at[who] != known[who].at[who])
		c->read[who] = 0;
	c->read_at[who] = known[who].at[who];
	c->read[who] = (uint8_t)(c->read[who] | mask);
	c->read_place[who] = place;
}

static void
touch(const volatile void *object, size_t bytes, bool writes, const void *place)
{
	uintptr_t at = (uintptr_t)object, end = at + bytes;
	unsigned who;

	/* Each thread has its own errno, but all actors are one thread. */
	if (world_self() == NULL || world_is_muted() || object == &errno)
		return;
	heap_must_live(object);
	who = (unsigned)(world_self() - world_actors());
	while (at < end) {
		unsigned first = (unsigned)(at % 8);
		unsigned count = end - at < 8 - first ? (unsigned)(end - at) : 8 - first;
		unsigned mask = ((1u << count) - 1) << first;
		cell *c = cell_of(at / 8);
		if (writes)
			write_cell(c, mask, who, place);
		else
			read_cell(c, mask, who, place);
		at += count;
	}
}

/* Whatever was touched of the block must be known to have ended.  Later touches are heap's to find. */
void
races_free(const void *block, size_t bytes)
{
	uintptr_t from = (uintptr_t)block / 8, end = ((uintptr_t)block + bytes + 7) / 8;
	const void *place = __builtin_return_address(0);

	if (!races_on || world_is_muted())
		return;
	for (unsigned i = 0; i < cells_used; i++)
		if (used[i]->address >= from && used[i]->address < end)
			write_cell(used[i], 0xff, (unsigned)(world_self() - world_actors()), place);
}

void
races_explain(void)
{
	if (places[0] == NULL)
		return;
	printf("the two touches were:\n");
	(void)fflush(stdout);
	trace_name(places[0]);
	trace_name(places[1]);
}

/* ---- what the compiler calls ---- */

/* The names are not ours to choose. */
void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *object, unsigned long bytes);
void __tsan_write_range(void *object, unsigned long bytes);

void
__tsan_init(void)
{
	races_on = true;
}

void
__tsan_func_entry(void *caller)
{
	(void)caller;
}

void
__tsan_func_exit(void)
{
}

void
__tsan_read_range(void *object, unsigned long bytes)
{
	touch(object, bytes, false, __builtin_return_address(0));
}

void
__tsan_write_range(void *object, unsigned long bytes)
{
	touch(object, bytes, true, __builtin_return_address(0));
}

#define TOUCH(name, bytes, writes)                                         \
	void name(void *object);                                           \
	void name(void *object)                                            \
	{                                                                  \
		touch(object, bytes, writes, __builtin_return_address(0)); \
	}

TOUCH(__tsan_read1, 1, false)
TOUCH(__tsan_read2, 2, false)
TOUCH(__tsan_read4, 4, false)
TOUCH(__tsan_read8, 8, false)
TOUCH(__tsan_read16, 16, false)
TOUCH(__tsan_write1, 1, true)
TOUCH(__tsan_write2, 2, true)
TOUCH(__tsan_write4, 4, true)
TOUCH(__tsan_write8, 8, true)
TOUCH(__tsan_write16, 16, true)
TOUCH(__tsan_unaligned_read2, 2, false)
TOUCH(__tsan_unaligned_read4, 4, false)
TOUCH(__tsan_unaligned_read8, 8, false)
TOUCH(__tsan_unaligned_read16, 16, false)
TOUCH(__tsan_unaligned_write2, 2, true)
TOUCH(__tsan_unaligned_write4, 4, true)
TOUCH(__tsan_unaligned_write8, 8, true)
TOUCH(__tsan_unaligned_write16, 16, true)
