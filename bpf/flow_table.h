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

/* Which entry is written over: the one worth least, which is its state's worth, or nothing once it
 * has expired, less its age. So: a free one, the longest expired, the oldest that is closing or was
 * never open, the oldest. A table, because branches in its place would multiply in the verifier. */
enum { WORTH_STEP = 1 << 23 }; /* above every age */
static const struct {
	__s32 timeout_s;
	__s32 worth;
} flow_states[8] = {
	[0] = {WORTH_STEP, -2 * WORTH_STEP}, /* free */
	[XLB_FLOW_SYN_RECV] = {XLB_SYN_RECV_TIMEOUT_S, WORTH_STEP},
	[XLB_FLOW_ESTABLISHED] = {XLB_ESTABLISHED_TIMEOUT_S, 2 * WORTH_STEP},
	[XLB_FLOW_FIN_WAIT] = {XLB_FIN_WAIT_TIMEOUT_S, WORTH_STEP},
	[XLB_FLOW_CLOSE] = {XLB_CLOSE_TIMEOUT_S, WORTH_STEP},
	[XLB_FLOW_UDP] = {XLB_UDP_TIMEOUT_S, 2 * WORTH_STEP},
};

static __always_inline __s32 flow_worth(__u64 value, __u32 now_s)
{
	__u32 state = XLB_FLOW_STATE(value) % 8;
	__s32 age_s = (__s32)xlb_age(now_s, XLB_FLOW_SECOND(value));

	return (age_s > flow_states[state].timeout_s ? 0 : flow_states[state].worth) - age_s;
}

struct flow_victim {
	struct xlb_flow *flow; /* NULL: none */
	__u64 key, value;      /* as seen */
	__s32 worth;
};

/* True when the search is over: the flow has an entry already, from an earlier life. */
static __always_inline bool flow_choose_in(struct flow_victim *victim, __u32 bucket_index,
					   __u64 key, __u32 now_s)
{
	struct xlb_flow_bucket *bucket = bpf_map_lookup_elem(&xlb_flows, &bucket_index);

	if (!bucket)
		return false;
#pragma unroll
	for (int i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
		struct xlb_flow *flow = &bucket->flows[i];
		__u64 seen_key = READ_ONCE(flow->key);
		__u64 seen_value = READ_ONCE(flow->value);
		__s32 worth = flow_worth(seen_value, now_s);

		if (seen_key && !seen_value)
			continue; /* somebody's just now */
		if (seen_key == key || !victim->flow || worth < victim->worth)
			*victim = (struct flow_victim){flow, seen_key, seen_value, worth};
		if (seen_key == key)
			return true;
	}
	return false;
}

/* One attempt to remember a flow: false when another CPU was faster. Not static, so that the
 * verifier checks it once. */
__noinline int flow_insert(__u64 key, __u64 value, __u32 now_s)
{
	__u32 home = flow_home(key);
	struct flow_victim victim = {};

	if (!flow_choose_in(&victim, home, key, now_s))
		(void)flow_choose_in(&victim, home ^ 1, key, now_s);
	if (!victim.flow ||
	    !entry_claim(&victim.flow->key, &victim.flow->value, victim.key, victim.value, key))
		return false;
	entry_fill(&victim.flow->key, &victim.flow->value, key, value);
	return true;
}

/* A flow that loses every race is not remembered: its packets are scheduled by their hash. */
static __always_inline void flow_remember(__u64 key, __u64 value, __u32 now_s)
{
#pragma unroll
	for (int attempt = 0; attempt < INSERT_ATTEMPTS; attempt++)
		if (flow_insert(key, value, now_s))
			break;
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
