/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory: total store order, as on x86.  A plain store goes to the end of its actor's buffer, and
 * reaches memory when a choice, a locked instruction or a fence of that actor, or a membarrier of
 * anybody drains it.  A load looks into its own actor's buffer first.  What is not atomic is not
 * buffered.
 */
#include "heap.h"
#include "races.h"
#include "trace.h"
#include "world.h"

#include <stdatomic.h>

static uint64_t
peek(const volatile void *object, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, (const void *)(uintptr_t)object, size);
	return value;
}

static void
poke(volatile void *object, size_t size, uint64_t value)
{
	memcpy((void *)(uintptr_t)object, &value, size);
}

static unsigned
number_of(const actor *a)
{
	return (unsigned)(a - world_actors());
}

void
memory_drain_one(actor *a)
{
	races_arrive(a->stores[0].object, &a->stores[0].carried);
	poke(a->stores[0].object, a->stores[0].size, a->stores[0].value);
	memmove(a->stores, a->stores + 1, --a->stored * sizeof a->stores[0]);
}

void
memory_drain(actor *a)
{
	while (a->stored > 0)
		memory_drain_one(a);
}

void
memory_drain_all(void)
{
	for (unsigned i = 0; i < WORLD_ACTORS; i++)
		memory_drain(&world_actors()[i]);
}

static uint64_t
seen_by(const actor *a, const volatile void *object, size_t size)
{
	for (unsigned i = a->stored; i > 0; i--)
		if (a->stores[i - 1].object == object && a->stores[i - 1].size == size)
			return a->stores[i - 1].value;
	return peek(object, size);
}

uint64_t
memory_load(const volatile void *object, size_t size, memory_order order)
{
	uint64_t value;

	if (world_is_muted())
		return seen_by(world_self(), object, size);
	world_point(object, false);
	heap_must_live(object);
	races_load(object, number_of(world_self()), order);
	value = seen_by(world_self(), object, size);
	TRACE("load", object, value);
	return value;
}

void
memory_store(volatile void *object, size_t size, uint64_t value, memory_order order)
{
	actor *self = world_self();

	world_point(object, true);
	heap_must_live(object);
	if (self->stored == WORLD_STORES)
		memory_drain_one(self);
	self->stores[self->stored++] =
	    (pending){object, value, size, races_store(number_of(self), order)};
	if (order == memory_order_seq_cst || world_is_muted())
		memory_drain(self);
	TRACE(self->stored > 0 ? "store, buffered" : "store", object, value);
}

uint64_t
memory_change_to(
    volatile void *object, size_t size, memory_change change, uint64_t operand, memory_order order)
{
	uint64_t was;

	world_point(object, true);
	heap_must_live(object);
	memory_drain(world_self());
	races_exchange(object, number_of(world_self()), order);
	was = peek(object, size);
	switch (change) {
	case MEMORY_SET:
		break;
	case MEMORY_ADD:
		operand += was;
		break;
	case MEMORY_OR:
		operand |= was;
		break;
	case MEMORY_AND:
		operand &= was;
		break;
	}
	poke(object, size, operand);
	TRACE("change", object, operand);
	return was;
}

bool
memory_compare(volatile void *object, size_t size, void *expected, uint64_t desired,
    memory_order good, memory_order bad)
{
	uint64_t was, wanted = peek(expected, size);

	world_point(object, true);
	heap_must_live(object);
	memory_drain(world_self());
	was = peek(object, size);
	if (was == wanted) {
		races_exchange(object, number_of(world_self()), good);
		poke(object, size, desired);
	} else {
		races_load(object, number_of(world_self()), bad);
		poke(expected, size, was);
	}
	TRACE(
	    was == wanted ? "compare, swap" : "compare, no", object, was == wanted ? desired : was);
	return was == wanted;
}

void
memory_fence(memory_order order)
{
	races_fence(number_of(world_self()), order);
	/* The weaker ones cost nothing on this machine, and change nothing in this model. */
	if (order != memory_order_seq_cst)
		return;
	world_point(NULL, true);
	memory_drain(world_self());
	TRACE("fence", NULL, 0);
}
