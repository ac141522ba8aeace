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

/* CLOCK_MONOTONIC, seconds. */
static __always_inline __u32 clock_s(void)
{
	return (__u32)(bpf_ktime_get_coarse_ns() / 1000000000);
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

/* Which entry of a full bucket goes: the one with the highest rank. Ties are broken by age. */
enum entry_rank {
	RANK_BUSY = 0, /* somebody is writing it */
	RANK_LIVE = 1 << 24,
	RANK_CLOSING = 2 << 24, /* also: not yet open, not proven live */
	RANK_EXPIRED = 3 << 24,
	RANK_FREE = 4 << 24,
	RANK_SAME_KEY = 5 << 24,
};

/* An entry chosen to be written over, as it was seen when chosen. */
struct victim {
	__u64 *key; /* NULL: none */
	__u64 *value;
	__u64 seen_key;
	__u64 seen_value;
	__u32 rank;
};

/* Becomes the victim's owner; false when somebody else was faster. */
static __always_inline bool victim_claim(const struct victim *victim, __u64 key)
{
	if (victim->seen_key == 0)
		return swap(victim->key, 0, key);
	return swap(victim->value, victim->seen_value, 0);
}

/* Only the owner. The exchange orders the key before the value. */
static __always_inline void victim_fill(const struct victim *victim, __u64 key, __u64 value)
{
	WRITE_ONCE(*victim->key, key);
	(void)__sync_lock_test_and_set(victim->value, value);
}

/* Frees an entry, unless it changed since it was seen. */
static __always_inline void entry_free(__u64 *key, __u64 *value, __u64 seen)
{
	if (swap(value, seen, 0))
		WRITE_ONCE(*key, 0);
}

#endif
