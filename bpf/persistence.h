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

#include "connection.h"
#include "entry.h"

static __always_inline struct xlb_client_bucket *client_bucket(__u64 key)
{
	__u32 index = xlb_bucket_hash(key, xlb_hash_seed) & xlb_client_mask;

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

/* How long ago the client opened a connection or was seen live. The entry with the most goes when
 * the bucket is full: it has expired if any has (their services' timeouts differ, and only the
 * manager, who frees what has expired, knows them all). A free one counts as older than all. */
static __always_inline __u32 client_idle_s(const struct xlb_client *client, __u64 value,
					   __u32 now_s)
{
	__u32 opened_s = xlb_age(now_s, XLB_FLOW_SECOND(value));
	__u64 live = READ_ONCE(client->live);
	__u32 live_s = xlb_age(now_s, (__u32)live);

	if (value == 0)
		return 1 << 24;
	return live != 0 && live_s < opened_s ? live_s : opened_s;
}

struct client_victim {
	struct xlb_client *client; /* NULL: none */
	__u64 key, value;	   /* as seen */
	__u32 idle_s;
	__u32 number; /* in its bucket */
};

static __always_inline void client_choose_in(struct client_victim *victim,
					     struct xlb_client_bucket *bucket, __u64 key,
					     __u32 now_s)
{
#pragma unroll
	for (int i = 0; i < XLB_PERSISTENCE_PER_BUCKET; i++) {
		struct xlb_client *client = &bucket->clients[i];
		__u64 seen_key = READ_ONCE(client->key);
		__u64 seen_value = READ_ONCE(client->value);
		__u32 idle_s = client_idle_s(client, seen_value, now_s);

		if (seen_key && !seen_value)
			continue; /* somebody's just now */
		if (seen_key == key || !victim->client || idle_s > victim->idle_s)
			*victim = (struct client_victim){client, seen_key, seen_value, idle_s, i};
		if (seen_key == key)
			return;
	}
}

/* A connection that is not remembered yet, as scheduling and the tables see it. */
struct request {
	__u64 flow_key;
	__u64 client_key; /* 0: no persistence */
	__u64 slot_hash;
	struct address client;
	__u32 now_s;
	__be16 client_port;
	__u8 family;
	__u8 state; /* of the new flow; 0: it is not remembered */
	__u8 zero[8];
};

/* For listings: the client's address beside a key that is a hash. Only what owns the entry calls
 * it. */
static __always_inline void client_note_address(const struct request *request, __u32 prefix,
						__u32 number)
{
	__u32 bucket = xlb_bucket_hash(request->client_key, xlb_hash_seed) & xlb_client_mask;
	__u32 place = bucket * XLB_PERSISTENCE_PER_BUCKET + number;
	struct xlb_client_address *noted = bpf_map_lookup_elem(&xlb_client_addresses, &place);

	if (noted)
		*(struct address *)noted->address = masked(request->client, prefix, XLB_IPV6);
}

/* One attempt to note a new connection of the client: false when another CPU was faster. Not
 * static, so that the verifier checks it once. */
__noinline int client_insert(const struct request *request, __u32 prefix, __u32 real_server)
{
	struct xlb_client_bucket *bucket;
	struct client_victim victim = {};
	__u64 value;

	if (!request)
		return false;
	value = XLB_FLOW_VALUE(real_server, request->now_s, 1);
	bucket = client_bucket(request->client_key);
	if (!bucket)
		return false;
	client_choose_in(&victim, bucket, request->client_key, request->now_s);
	if (!victim.client)
		return false;
	if (victim.key == request->client_key && victim.value == value)
		return true; /* noted already in this second */
	if (!entry_claim(&victim.client->key, &victim.client->value, victim.key, victim.value,
			 request->client_key))
		return false;
	if (victim.key != request->client_key) {
		WRITE_ONCE(victim.client->live, 0);
		if (request->family == XLB_IPV6)
			client_note_address(request, prefix, victim.number);
	}
	entry_fill(&victim.client->key, &victim.client->value, request->client_key, value);
	return true;
}

static __always_inline bool client_remember(const struct request *request, __u32 prefix,
					    __u32 real_server)
{
	if (!request->client_key)
		return false;
#pragma unroll
	for (int attempt = 0; attempt < INSERT_ATTEMPTS; attempt++)
		if (client_insert(request, prefix, real_server))
			return true;
	return false;
}

#endif
