/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenes of memory alone, without a pool.  They show that the model lets stores be late, which is
 * what a fast engine can trip over, and that each remedy in src/platform is one: a scene that lacks
 * it must fail.
 */
#include "scene.h"

#include "platform/membarrier.h"

/* How an actor gets from its write to its read. */
typedef enum remedy { PLAIN, EXCHANGE, FENCE, MEMBARRIER, UNHEARD } remedy;

static qp_atomic_u32 wants[2];
static uint32_t seen[2];

static void
write_then_read(unsigned me, remedy how)
{
	if (how == EXCHANGE)
		(void)qp_exchange_seq_cst(&wants[me], 1);
	else
		qp_store_release(&wants[me], 1);
	if (how == FENCE)
		qp_fence_seq_cst();
	if (how == MEMBARRIER && !qp_membarrier())
		world_fail("no membarrier");
	if (how == UNHEARD)
		(void)qp_membarrier();
	seen[me] = qp_load_acquire(&wants[1 - me]);
}

static void *
first(void *how)
{
	write_then_read(0, (remedy)(uintptr_t)how);
	return NULL;
}

static void *
second(void *how)
{
	write_then_read(1, (remedy)(uintptr_t)how);
	return NULL;
}

/* Dekker's beginning: not both may think that they are alone. */
static void
dekker(remedy a, remedy b)
{
	kit_begin(1);
	for (unsigned i = 0; i < 2; i++)
		qp_store_relaxed(&wants[i], 0);
	kit_go("a", first, KIT_NUMBER(a));
	kit_go("b", second, KIT_NUMBER(b));
	world_unmute();
	world_join_all();
	if (seen[0] == 0 && seen[1] == 0)
		world_fail("both think that they are alone");
}

static void *
dekker_plain(void *unused)
{
	(void)unused;
	dekker(PLAIN, PLAIN);
	return NULL;
}

static void *
dekker_exchange(void *unused)
{
	(void)unused;
	dekker(EXCHANGE, EXCHANGE);
	return NULL;
}

/* One exchange has become a plain store. */
static void *
dekker_weakened(void *unused)
{
	(void)unused;
	dekker(EXCHANGE, PLAIN);
	return NULL;
}

static void *
dekker_fence(void *unused)
{
	(void)unused;
	dekker(FENCE, FENCE);
	return NULL;
}

static void *
dekker_membarrier(void *unused)
{
	(void)unused;
	dekker(PLAIN, MEMBARRIER);
	return NULL;
}

/* The rare side keeps its own fence, but the barrier for the other side is dropped. */
static void *
dekker_dropped(void *unused)
{
	(void)unused;
	dekker(PLAIN, FENCE);
	return NULL;
}

/* The kernel refuses, and the rare side goes on as if it had not. */
static void *
dekker_refused(void *unused)
{
	(void)unused;
	world_grant_membarriers(0);
	dekker(PLAIN, UNHEARD);
	return NULL;
}

/* Stores of one actor are seen in their order: the model is no weaker than the machine. */
static void *
tell(void *unused)
{
	(void)unused;
	qp_store_relaxed(&wants[0], 1);
	qp_store_release(&wants[1], 1);
	return NULL;
}

static void *
hear(void *unused)
{
	(void)unused;
	if (qp_load_acquire(&wants[1]) == 1 && qp_load_relaxed(&wants[0]) == 0)
		world_fail("the second store was seen before the first");
	return NULL;
}

static void *
message(void *unused)
{
	(void)unused;
	kit_begin(1);
	for (unsigned i = 0; i < 2; i++)
		qp_store_relaxed(&wants[i], 0);
	kit_go("a", tell, NULL);
	kit_go("b", hear, NULL);
	world_unmute();
	world_join_all();
	return NULL;
}

/* A stack of three, numbered from 1, whose top carries a generation in its high half, or not. */
static qp_atomic_u32 top, below[4];
static unsigned owners[4];
static bool counts_generations;

static uint32_t
next_top(uint32_t was, uint32_t index)
{
	return counts_generations ? ((was >> 16) + 1) << 16 | index : index;
}

static uint32_t
pop(void)
{
	uint32_t was, index;

	do {
		was = qp_load_acquire(&top);
		index = was & 0xffff;
		if (index == 0)
			return 0;
	} while (!qp_cas_acq_rel(&top, was, next_top(was, qp_load_relaxed(&below[index]))));
	if (owners[index]++ > 0)
		world_fail("%u was taken twice", index);
	return index;
}

static void
push(uint32_t index)
{
	uint32_t was;

	owners[index]--;
	do {
		was = qp_load_relaxed(&top);
		qp_store_relaxed(&below[index], was & 0xffff);
	} while (!qp_cas_acq_rel(&top, was, next_top(was, index)));
}

static void *
pop_one(void *unused)
{
	(void)unused;
	(void)pop();
	(void)pop();
	return NULL;
}

/* Takes two and gives back the first: the top is what it was, and what is below is not. */
static void *
pop_two(void *unused)
{
	uint32_t mine = pop();

	(void)unused;
	(void)pop();
	if (mine != 0)
		push(mine);
	return NULL;
}

static void
stack(bool with_generations)
{
	kit_begin(1);
	counts_generations = with_generations;
	for (uint32_t i = 0; i < 4; i++) {
		qp_store_relaxed(&below[i], i > 0 && i < 3 ? i + 1 : 0);
		owners[i] = 0;
	}
	qp_store_relaxed(&top, 1);
	kit_go("a", pop_one, NULL);
	kit_go("b", pop_two, NULL);
	world_unmute();
	world_join_all();
}

static void *
generation(void *unused)
{
	(void)unused;
	stack(true);
	return NULL;
}

static void *
no_generation(void *unused)
{
	(void)unused;
	stack(false);
	return NULL;
}

const scene scenes_litmus[] = {
    {"dekker_plain", dekker_plain, 0, 0, true},
    {"dekker_exchange", dekker_exchange, 0, 0, false},
    {"dekker_weakened", dekker_weakened, 0, 0, true},
    {"dekker_fence", dekker_fence, 0, 0, false},
    {"dekker_membarrier", dekker_membarrier, 0, 0, false},
    {"dekker_dropped", dekker_dropped, 0, 0, true},
    {"dekker_refused", dekker_refused, 0, 0, true},
    {"message", message, 0, 0, false},
    {"generation", generation, 0, 0, false},
    {"no_generation", no_generation, 0, 0, true},
    {NULL, NULL, 0, 0, false},
};
