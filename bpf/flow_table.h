/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The connection table: which real server a flow goes to, and the state of its connection as far as
 * the client's half shows it:
 *
 *   seen \ state  (none)     SYN_RECV     ESTABLISHED  FIN_WAIT     CLOSE
 *   SYN           SYN_RECV   -            -            SYN_RECV *   SYN_RECV *
 *   ACK                      ESTABLISHED  -            -            -
 *   FIN                      FIN_WAIT     FIN_WAIT     -            -
 *   RST                      CLOSE        CLOSE        CLOSE        -
 *   * a new connection, scheduled anew (in select.h)
 */
#ifndef XLB_FLOW_TABLE_H
#define XLB_FLOW_TABLE_H

#include <stddef.h>

#include <xlb/hash.h>

#include "entry.h"
#include "packet.h"

static __always_inline __u32 flow_home(__u64 key)
{
	return (__u32)xlb_hash(key, xlb_hash_seed) & xlb_flow_mask;
}

static __always_inline struct xlb_flow *flow_find_in(__u32 bucket_index, __u64 key, __u32 now_s,
						     __u64 *value)
{
	struct xlb_flow_bucket *bucket = bpf_map_lookup_elem(&xlb_flows, &bucket_index);

	if (!bucket)
		return NULL;
#pragma unroll
	for (int i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
		struct xlb_flow *flow = &bucket->flows[i];
		__u64 seen = entry_read(&flow->key, &flow->value, key);

		if (seen && !xlb_flow_expired(seen, now_s)) {
			*value = seen;
			return flow;
		}
	}
	return NULL;
}

/* The flow's entry and its value, NULL when there is none or it has expired. */
static __always_inline struct xlb_flow *flow_find(__u64 key, __u32 now_s, __u64 *value)
{
	__u32 home = flow_home(key);
	struct xlb_flow *flow = flow_find_in(home, key, now_s, value);

	return flow ? flow : flow_find_in(home ^ 1, key, now_s, value);
}

static __always_inline __u32 flow_rank(__u64 seen_key, __u64 seen_value, __u64 key, __u32 now_s)
{
	__u32 age_s = xlb_age(now_s, XLB_FLOW_SECOND(seen_value));
	__u32 state = XLB_FLOW_STATE(seen_value);

	if (seen_key == 0)
		return RANK_FREE;
	if (seen_value == 0)
		return RANK_BUSY;
	if (seen_key == key)
		return RANK_SAME_KEY;
	if (xlb_flow_expired(seen_value, now_s))
		return RANK_EXPIRED + age_s;
	if (state != XLB_FLOW_ESTABLISHED && state != XLB_FLOW_UDP)
		return RANK_CLOSING + age_s;
	return RANK_LIVE + age_s;
}

static __always_inline void flow_choose_victim(struct victim *best, __u32 bucket_index, __u64 key,
					       __u32 now_s)
{
	struct xlb_flow_bucket *bucket = bpf_map_lookup_elem(&xlb_flows, &bucket_index);

	if (!bucket)
		return;
#pragma unroll
	for (int i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
		struct xlb_flow *flow = &bucket->flows[i];
		__u64 seen_key = READ_ONCE(flow->key);
		__u64 seen_value = READ_ONCE(flow->value);
		__u32 rank = flow_rank(seen_key, seen_value, key, now_s);

		if (rank > best->rank)
			*best = (struct victim){&flow->key, &flow->value, seen_key, seen_value,
						rank};
	}
}

/* Remembers a flow. False when other CPUs win the same bucket every time, which costs the flow only
 * that its packets are scheduled by their hash. Not static, so the verifier checks it once. */
__noinline int flow_insert(__u64 key, __u64 value, __u32 now_s)
{
	__u32 home = flow_home(key);

	for (int attempt = 0; attempt < INSERT_ATTEMPTS; attempt++) {
		struct victim victim = {};

		flow_choose_victim(&victim, home, key, now_s);
		flow_choose_victim(&victim, home ^ 1, key, now_s);
		if (!victim.key)
			return false;
		if (victim_claim(&victim, key)) {
			victim_fill(&victim, key, value);
			return true;
		}
	}
	return false;
}

static __always_inline __u32 flow_next_state(__u32 state, __u32 tcp_flags)
{
	if (tcp_flags & TCP_RST)
		return XLB_FLOW_CLOSE;
	if (tcp_flags & TCP_SYN)
		return state;
	if (tcp_flags & TCP_FIN)
		return state == XLB_FLOW_CLOSE ? XLB_FLOW_CLOSE : XLB_FLOW_FIN_WAIT;
	if (tcp_flags & TCP_ACK && state == XLB_FLOW_SYN_RECV)
		return XLB_FLOW_ESTABLISHED;
	return state;
}

/* Notes a packet of the flow: a store only when the second or the state changes. A lost race is
 * tried again once, so that a FIN or RST is not lost to another CPU's new second. */
static __always_inline void flow_note(struct xlb_flow *flow, __u64 key, __u64 value, __u32 now_s,
				      __u32 tcp_flags)
{
#pragma unroll
	for (int attempt = 0; attempt < 2; attempt++) {
		__u32 state = flow_next_state(XLB_FLOW_STATE(value), tcp_flags);
		__u64 next = XLB_FLOW_VALUE(XLB_FLOW_REAL_SERVER(value), now_s, state);

		if (next == value || swap(&flow->value, value, next))
			return;
		value = entry_read(&flow->key, &flow->value, key);
		if (!value)
			return;
	}
}

static __always_inline void flow_forget(struct xlb_flow *flow, __u64 value)
{
	entry_free(&flow->key, &flow->value, value);
}

#endif
