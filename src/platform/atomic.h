/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * atomic: all atomic operations of the core, each with its memory order in its name, so that a
 * reader sees the orders by scanning and a test can put a model of memory underneath.  The seq_cst
 * ones stand at the end, with the one thing they are for.
 */
#ifndef QP_PLATFORM_ATOMIC_H
#define QP_PLATFORM_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct qp_atomic_u32 {
	_Atomic uint32_t value;
} qp_atomic_u32;

typedef struct qp_atomic_u64 {
	_Atomic uint64_t value;
} qp_atomic_u64;

typedef struct qp_atomic_i64 {
	_Atomic int64_t value;
} qp_atomic_i64;

/* Points to static text, or to something else that is complete before it is published. */
typedef struct qp_atomic_ptr {
	_Atomic(const void *) value;
} qp_atomic_ptr;

static inline uint32_t
qp_load_relaxed(const qp_atomic_u32 *a)
{
	return atomic_load_explicit(&a->value, memory_order_relaxed);
}

static inline uint32_t
qp_load_acquire(const qp_atomic_u32 *a)
{
	return atomic_load_explicit(&a->value, memory_order_acquire);
}

static inline void
qp_store_relaxed(qp_atomic_u32 *a, uint32_t value)
{
	atomic_store_explicit(&a->value, value, memory_order_relaxed);
}

static inline void
qp_store_release(qp_atomic_u32 *a, uint32_t value)
{
	atomic_store_explicit(&a->value, value, memory_order_release);
}

static inline uint32_t
qp_add_release(qp_atomic_u32 *a, uint32_t more)
{
	return atomic_fetch_add_explicit(&a->value, more, memory_order_release);
}

static inline uint64_t
qp_load64_relaxed(const qp_atomic_u64 *a)
{
	return atomic_load_explicit(&a->value, memory_order_relaxed);
}

static inline void
qp_store64_relaxed(qp_atomic_u64 *a, uint64_t value)
{
	atomic_store_explicit(&a->value, value, memory_order_relaxed);
}

static inline uint64_t
qp_load64_acquire(const qp_atomic_u64 *a)
{
	return atomic_load_explicit(&a->value, memory_order_acquire);
}

static inline void
qp_store64_release(qp_atomic_u64 *a, uint64_t value)
{
	atomic_store_explicit(&a->value, value, memory_order_release);
}

static inline uint64_t
qp_add64_relaxed(qp_atomic_u64 *a, uint64_t more)
{
	return atomic_fetch_add_explicit(&a->value, more, memory_order_relaxed);
}

/* Raise it to `value`, unless it is as large already. */
static inline void
qp_max64_relaxed(qp_atomic_u64 *a, uint64_t value)
{
	uint64_t seen = qp_load64_relaxed(a);

	while (seen < value && !atomic_compare_exchange_weak_explicit(&a->value, &seen, value,
				   memory_order_relaxed, memory_order_relaxed))
		; /* a failed exchange has updated `seen` */
}

static inline int64_t
qp_loadi64_relaxed(const qp_atomic_i64 *a)
{
	return atomic_load_explicit(&a->value, memory_order_relaxed);
}

static inline int64_t
qp_loadi64_acquire(const qp_atomic_i64 *a)
{
	return atomic_load_explicit(&a->value, memory_order_acquire);
}

static inline void
qp_storei64_relaxed(qp_atomic_i64 *a, int64_t value)
{
	atomic_store_explicit(&a->value, value, memory_order_relaxed);
}

static inline void
qp_storei64_release(qp_atomic_i64 *a, int64_t value)
{
	atomic_store_explicit(&a->value, value, memory_order_release);
}

static inline const void *
qp_loadptr_relaxed(const qp_atomic_ptr *a)
{
	return atomic_load_explicit(&a->value, memory_order_relaxed);
}

static inline const void *
qp_loadptr_acquire(const qp_atomic_ptr *a)
{
	return atomic_load_explicit(&a->value, memory_order_acquire);
}

static inline void
qp_storeptr_relaxed(qp_atomic_ptr *a, const void *value)
{
	atomic_store_explicit(&a->value, value, memory_order_relaxed);
}

static inline void
qp_storeptr_release(qp_atomic_ptr *a, const void *value)
{
	atomic_store_explicit(&a->value, value, memory_order_release);
}

/* True when `a` was `expected`; then it is `desired` now. */
static inline bool
qp_cas_acq_rel(qp_atomic_u32 *a, uint32_t expected, uint32_t desired)
{
	return atomic_compare_exchange_strong_explicit(
	    &a->value, &expected, desired, memory_order_acq_rel, memory_order_relaxed);
}

static inline bool
qp_cas64_acq_rel(qp_atomic_u64 *a, uint64_t expected, uint64_t desired)
{
	return atomic_compare_exchange_strong_explicit(
	    &a->value, &expected, desired, memory_order_acq_rel, memory_order_relaxed);
}

/*
 * Two threads each write one word and then read the other's.  At least one must see what the other
 * wrote, or both go on as if alone.  Acquire and release do not promise that: each write may still
 * be in its processor's store buffer while the other reads.  One of these between write and read,
 * on both sides, does; or on one side only, if the other calls qp_membarrier (membarrier.h).
 */
static inline uint32_t
qp_exchange_seq_cst(qp_atomic_u32 *a, uint32_t value)
{
	return atomic_exchange_explicit(&a->value, value, memory_order_seq_cst);
}

static inline void
qp_fence_seq_cst(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/* Between two looks at a word that another processor is about to write. */
static inline void
qp_pause(void)
{
#if defined __x86_64__ || defined __i386__
	__builtin_ia32_pause();
#elif defined __aarch64__
	__asm__ __volatile__("isb");
#endif
}

/* The compiler moves no access across it; the processor may.  The cheap half of a pair whose other
 * half is qp_membarrier. */
static inline void
qp_fence_compiler(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

#endif
