/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * One entry of the flow or the persistence table: a key and a value, two aligned words that every
 * CPU reads and writes without a lock, by the discipline told in xlb/abi.h.
 */
#ifndef XLB_ENTRY_H
#define XLB_ENTRY_H

#include <stdbool.h>

#include <linux/types.h>

#include "maps.h"

#define READ_ONCE(word)		(*(const volatile __typeof__(word) *)&(word))
#define WRITE_ONCE(word, value) (*(volatile __typeof__(word) *)&(word) = (value))

enum { INSERT_ATTEMPTS = 3 }; /* each lost to another CPU in the same bucket */

/* CLOCK_MONOTONIC, seconds, from the kernel's tick count: reading that costs nothing. */
static __always_inline __u32 clock_s(void)
{
	return (__u32)((bpf_jiffies64() - xlb_clock_epoch) * xlb_clock_scale >> 32);
}

static __always_inline bool swap(__u64 *word, __u64 seen, __u64 wanted)
{
	return __sync_val_compare_and_swap(word, seen, wanted) == seen;
}

/* The value that belongs to `wanted_key`, 0 if the entry has another. */
static __always_inline __u64 entry_read(const __u64 *key, const __u64 *value, __u64 wanted_key)
{
	__u64 seen;

	if (READ_ONCE(*key) != wanted_key)
		return 0;
	seen = READ_ONCE(*value);
	return READ_ONCE(*key) == wanted_key ? seen : 0;
}

/* Becomes the owner of an entry seen so; false when somebody else was faster. */
static __always_inline bool entry_claim(__u64 *key, __u64 *value, __u64 seen_key, __u64 seen_value,
					__u64 new_key)
{
	if (seen_key == 0)
		return swap(key, 0, new_key);
	return swap(value, seen_value, 0);
}

/* Only the owner. The exchange orders the key before the value. */
static __always_inline void entry_fill(__u64 *key, __u64 *value, __u64 new_key, __u64 new_value)
{
	WRITE_ONCE(*key, new_key);
	(void)__sync_lock_test_and_set(value, new_value);
}

/* Frees an entry, unless it changed since it was seen: true when it was freed. */
static __always_inline bool entry_free(__u64 *key, __u64 *value, __u64 seen)
{
	if (!swap(value, seen, 0))
		return false;
	WRITE_ONCE(*key, 0);
	return true;
}

#endif
