/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stdatomic: stands in front of the compiler's header of this name, so that every atomic of
 * src/platform/atomic.h, and with it of the whole core, becomes a call into the model of memory.
 * Only what that header uses, or may come to use, is here.
 */
#ifndef EXPLORE_MODEL_STDATOMIC_H
#define EXPLORE_MODEL_STDATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum memory_order {
	memory_order_relaxed,
	memory_order_consume,
	memory_order_acquire,
	memory_order_release,
	memory_order_acq_rel,
	memory_order_seq_cst
} memory_order;

typedef enum memory_change { MEMORY_SET, MEMORY_ADD, MEMORY_OR, MEMORY_AND } memory_change;

/* Values travel in 64 bits; size is that of the object, 1 to 8. */
uint64_t memory_load(const volatile void *object, size_t size, memory_order order);
void memory_store(volatile void *object, size_t size, uint64_t value, memory_order order);
/* Change it in one step, and return what it was. */
uint64_t memory_change_to(
    volatile void *object, size_t size, memory_change change, uint64_t operand, memory_order order);
/* True: it was *expected and is `desired` now.  False: *expected is what it was. */
bool memory_compare(volatile void *object, size_t size, void *expected, uint64_t desired,
    memory_order good, memory_order bad);
void memory_fence(memory_order order);

/* What an object holds, without _Atomic and const. */
#define MEMORY_TYPE_(object) __typeof__((void)0, *(object))
/* Little-endian: the low bytes come first. */
#define MEMORY_TYPED_(object, bits)                                          \
	__extension__({                                                      \
		uint64_t memory_bits_ = (bits);                              \
		MEMORY_TYPE_(object) memory_value_;                          \
		memcpy(&memory_value_, &memory_bits_, sizeof memory_value_); \
		memory_value_;                                               \
	})
#define MEMORY_BITS_(object, value)                                          \
	__extension__({                                                      \
		uint64_t memory_wide_ = 0;                                   \
		MEMORY_TYPE_(object) memory_given_ = (value);                \
		memcpy(&memory_wide_, &memory_given_, sizeof memory_given_); \
		memory_wide_;                                                \
	})

#define atomic_load_explicit(object, order) \
	MEMORY_TYPED_(object, memory_load((object), sizeof *(object), (order)))
#define atomic_store_explicit(object, value, order) \
	memory_store((object), sizeof *(object), MEMORY_BITS_(object, value), (order))
#define MEMORY_CHANGE_(object, change, value, order)                                 \
	MEMORY_TYPED_(object, memory_change_to((object), sizeof *(object), (change), \
				  MEMORY_BITS_(object, value), (order)))
#define atomic_exchange_explicit(object, value, order) \
	MEMORY_CHANGE_(object, MEMORY_SET, value, order)
#define atomic_fetch_add_explicit(object, value, order) \
	MEMORY_CHANGE_(object, MEMORY_ADD, value, order)
#define atomic_fetch_or_explicit(object, value, order) \
	MEMORY_CHANGE_(object, MEMORY_OR, value, order)
#define atomic_fetch_and_explicit(object, value, order) \
	MEMORY_CHANGE_(object, MEMORY_AND, value, order)
#define atomic_fetch_sub_explicit(object, value, order) \
	MEMORY_CHANGE_(object, MEMORY_ADD, (MEMORY_TYPE_(object))(0 - (value)), order)
#define atomic_compare_exchange_strong_explicit(object, expected, desired, good, bad) \
	memory_compare(                                                               \
	    (object), sizeof *(object), (expected), MEMORY_BITS_(object, desired), (good), (bad))
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit
#define atomic_thread_fence(order)            memory_fence(order)
#define atomic_signal_fence(order)            ((void)(order))

#endif
