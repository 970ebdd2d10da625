/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chunk: slots in a row, and beside them what the pool itself can do without: who has each, its
 * resource's number, and, only in pools that use them, a text, what became of checks, and links
 * across keys.  So a slot is one line of the processor's cache, and a pool pays for what it uses.
 * pool makes chunks and knows where they are; whoever has a slot finds the rest of it here.  A chunk
 * never moves, and never takes a lock.
 *
 *     header │ slot 0, slot 1, ... │ notes │ numbers │ answers? │ kins? │ texts?
 */
#ifndef QP_CORE_CHUNK_H
#define QP_CORE_CHUNK_H

#include "core/slot.h"
#include "platform/compiler.h"

struct qpool;

/*
 * Of a lease, for people.  Written by the owner, shown to any thread (show.h): stored by release, so
 * that a thread that sees a new value also sees every move before it.  Nothing is cleared when the
 * lease ends; read in LEASED only.
 */
typedef struct qp_note {
	qp_atomic_i64 leased_ns;   /* its begin; coarse, unless hist samples it */
	qp_atomic_ptr site, label; /* where it was taken, and what for; or NULL */
	qp_atomic_u32 thread;      /* that took it */
} qp_note;

/* Of a resource that can be asked.  The owner's. */
typedef struct qp_answers {
	uint64_t asked;        /* pool.suspicions when the resource was last known to be alive */
	int64_t answered_ns;   /* when it last passed a check; coarse */
	int64_t unanswered_ns; /* spent since then on checks cut short without an answer */
} qp_answers;

/* Of a slot in the pool of a key. */
typedef struct qp_kin {
	qp_slot *newer,
	    *older;      /* in a list of all keys: idle, or busy, slots; guarded by the lock */
	qp_slot *victim; /* in OPENING: close it first, same owner; or NULL */
	bool busy;       /* in the list of busy slots (idle.h); under the lock */
	bool ousted;     /* in CLOSING: its place is another key's now; likewise */
} qp_kin;

#define QP_ABOUT 64u /* bytes of a description, the NUL included */

/* Text from ops.describe, with its NUL, as words.  Written and read as a note is. */
typedef struct qp_about {
	qp_atomic_u64 words[QP_ABOUT / 8];
} qp_about;

/* What a pool has of these: a set of bits. */
enum { QP_HAS_ANSWERS = 1u, QP_HAS_KINS = 2u, QP_HAS_ABOUTS = 4u };

#define QP_CHUNK_MAGIC 0x4348554eu
/* Threads lend neighbouring slots at the same time, and two notes share a line.  So every second one
 * changes places with the one this far from it; not in a small chunk. */
#define QP_CHUNK_APART 16u

/* All fixed once a thread can find the chunk. */
typedef struct qp_chunk {
	_Alignas(QP_LINE) uint32_t magic;
	uint32_t first; /* number of its first slot in the pool */
	struct qpool *pool;
	void *block;         /* what to free */
	uint32_t count;      /* a power of two */
	uint32_t apart;      /* QP_CHUNK_APART, or 0 */
	qp_note *notes;      /* the numbers lie behind them */
	qp_answers *answers; /* NULL, like the following: none */
	qp_kin *kins;
	qp_about *abouts;
} qp_chunk;

/* What a chunk takes. */
size_t qp_chunk_bytes(uint32_t count, unsigned has);
/* `count` slots, a power of two, from 2; zero, so their pages are not touched.  NULL: no memory. */
qp_chunk *qp_chunk_make(struct qpool *pool, uint32_t first, uint32_t count, unsigned has);
void qp_chunk_free(qp_chunk *chunk);
/* Store a description, or read it; both take QP_ABOUT bytes, the last of which is always NUL.
 * Without texts, nothing is stored and "" is read. */
void qp_chunk_describe(qp_slot *slot, const char *about);
void qp_chunk_description(const qp_slot *slot, char *out);

static inline qp_slot *
qp_chunk_slots(const qp_chunk *chunk)
{
	return (qp_slot *)(uintptr_t)(chunk + 1);
}

/* Of a slot that was set up, like all that follow. */
static inline const qp_chunk *
qp_chunk_of(const qp_slot *slot)
{
	return (const qp_chunk *)(const void *)(slot - qp_slot_place(slot)) - 1;
}

/* Is this the address of a slot that was set up? */
static inline bool
qp_chunk_knows(const void *slot)
{
	return QP_LIKELY(slot != NULL) && QP_LIKELY((uintptr_t)slot % _Alignof(qp_slot) == 0) &&
	       QP_LIKELY(qp_slot_is_set_up(slot)) &&
	       QP_LIKELY(qp_chunk_of(slot)->magic == QP_CHUNK_MAGIC);
}

static inline struct qpool *
qp_slot_pool(const qp_slot *slot)
{
	return qp_chunk_of(slot)->pool;
}

static inline qp_note *
qp_slot_note(const qp_slot *slot)
{
	const qp_chunk *chunk = qp_chunk_of(slot);
	uint32_t place = qp_slot_place(slot);

	return &chunk->notes[place ^ (place & 1) * chunk->apart];
}

/* What is kept of a slot in links of its pool: its number, from 1; NULL: 0. */
static inline uint32_t
qp_slot_link(const qp_slot *slot)
{
	return slot != NULL ? qp_chunk_of(slot)->first + qp_slot_place(slot) + 1 : 0;
}

/* A slot in another chunk of the same pool. */
qp_slot *qp_chunk_linked(const qp_chunk *chunk, uint32_t link);
/* The slot that this one is linked to. */
static inline qp_slot *
qp_slot_linked(const qp_slot *from, uint32_t link)
{
	const qp_chunk *chunk = qp_chunk_of(from);
	uint32_t place;

	if (link == 0)
		return NULL;
	place = link - 1 - chunk->first;
	return place < chunk->count ? qp_chunk_slots(chunk) + place : qp_chunk_linked(chunk, link);
}

static inline qp_slot *
qp_slot_newer(const qp_slot *slot)
{
	return qp_slot_linked(slot, slot->newer);
}

static inline qp_slot *
qp_slot_older(const qp_slot *slot)
{
	return qp_slot_linked(slot, slot->older);
}

/* The number of its resource.  atomic: written and read as a note is. */
static inline qp_atomic_u64 *
qp_slot_resource_id(const qp_slot *slot)
{
	const qp_chunk *chunk = qp_chunk_of(slot);

	return (qp_atomic_u64 *)(void *)(chunk->notes + chunk->count) + qp_slot_place(slot);
}

/* NULL: the pool neither peeks nor checks. */
static inline qp_answers *
qp_slot_answers(const qp_slot *slot)
{
	qp_answers *answers = qp_chunk_of(slot)->answers;

	return answers != NULL ? answers + qp_slot_place(slot) : NULL;
}

/* NULL: not in the pool of a key. */
static inline qp_kin *
qp_slot_kin(const qp_slot *slot)
{
	qp_kin *kins = qp_chunk_of(slot)->kins;

	return kins != NULL ? kins + qp_slot_place(slot) : NULL;
}

#endif
