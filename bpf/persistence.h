/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The persistence table: which real server a client's next connection goes to. An entry holds for
 * the service's timeout after the client's last new connection, and as long as the manager's sweep
 * sees it live.
 */
#ifndef XLB_PERSISTENCE_H
#define XLB_PERSISTENCE_H

#include <stddef.h>

#include <xlb/hash.h>

#include "entry.h"

static __always_inline struct xlb_client_bucket *client_bucket(__u64 key)
{
	__u32 index = (__u32)xlb_hash(key, xlb_hash_seed) & xlb_client_mask;

	return bpf_map_lookup_elem(&xlb_persistence, &index);
}

/* The index of the client's real server, 0 when there is none or the entry has expired. */
static __always_inline __u32 client_find(__u64 key, __u32 timeout_s, __u32 now_s)
{
	struct xlb_client_bucket *bucket = client_bucket(key);

	if (!bucket)
		return 0;
#pragma unroll
	for (int i = 0; i < XLB_PERSISTENCE_PER_BUCKET; i++) {
		struct xlb_client *client = &bucket->clients[i];
		__u64 seen = entry_read(&client->key, &client->value, key);

		if (seen && !xlb_client_expired(seen, READ_ONCE(client->live), now_s, timeout_s))
			return XLB_FLOW_REAL_SERVER(seen);
	}
	return 0;
}

/* Entries of other services have other timeouts, which only the manager knows: it frees what has
 * expired. Here the oldest goes first, which is expired if any is. */
static __always_inline __u32 client_rank(const struct xlb_client *client, __u64 seen_key,
					 __u64 seen_value, __u64 key, __u32 now_s)
{
	__u32 age_s = xlb_age(now_s, XLB_FLOW_SECOND(seen_value));

	if (seen_key == 0)
		return RANK_FREE;
	if (seen_value == 0)
		return RANK_BUSY;
	if (seen_key == key)
		return RANK_SAME_KEY;
	if (xlb_client_live(READ_ONCE(client->live), now_s))
		return RANK_LIVE + age_s;
	return RANK_CLOSING + age_s;
}

static __always_inline struct xlb_client *
client_choose_victim(struct victim *best, struct xlb_client_bucket *bucket, __u64 key, __u32 now_s)
{
	struct xlb_client *chosen = NULL;

#pragma unroll
	for (int i = 0; i < XLB_PERSISTENCE_PER_BUCKET; i++) {
		struct xlb_client *client = &bucket->clients[i];
		__u64 seen_key = READ_ONCE(client->key);
		__u64 seen_value = READ_ONCE(client->value);
		__u32 rank = client_rank(client, seen_key, seen_value, key, now_s);

		if (rank > best->rank) {
			*best = (struct victim){&client->key, &client->value, seen_key, seen_value,
						rank};
			chosen = client;
		}
	}
	return chosen;
}

/* Notes a new connection of the client to `real_server`. Not static, so the verifier checks it
 * once. */
__noinline int client_remember(__u64 key, __u32 real_server, __u32 now_s)
{
	struct xlb_client_bucket *bucket = client_bucket(key);
	__u64 value = XLB_FLOW_VALUE(real_server, now_s, 1);

	if (!bucket)
		return false;
	for (int attempt = 0; attempt < INSERT_ATTEMPTS; attempt++) {
		struct victim victim = {};
		struct xlb_client *client = client_choose_victim(&victim, bucket, key, now_s);

		if (!client)
			return false;
		if (victim.rank == RANK_SAME_KEY && victim.seen_value == value)
			return true; /* noted already in this second */
		if (victim_claim(&victim, key)) {
			if (victim.rank != RANK_SAME_KEY)
				WRITE_ONCE(client->live, 0);
			victim_fill(&victim, key, value);
			return true;
		}
	}
	return false;
}

#endif
