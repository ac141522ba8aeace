/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The connection table: which real server a flow goes to, and the state of its connection as far as
 * the client's half shows it:
 *
 *   seen \ state  (none)     SYN_RECV     ESTABLISHED  FIN_WAIT     CLOSE       UDP_ONE  UDP
 *   SYN           SYN_RECV   -            -            SYN_RECV *   SYN_RECV *
 *   ACK                      ESTABLISHED  -            -            -
 *   FIN                      FIN_WAIT     FIN_WAIT     -            -
 *   RST                      CLOSE        CLOSE        CLOSE        -
 *   UDP           UDP_ONE                                                       UDP      -
 *   * a new connection, scheduled anew (in select.h)
 */
#ifndef XLB_FLOW_TABLE_H
#define XLB_FLOW_TABLE_H

#include <stddef.h>

#include <xlb/hash.h>

#include "connection.h"
#include "entry.h"
#include "lookup.h"
#include "packet.h"

/* ---- how many connections each real server has ---- */

static __always_inline __u64 *load_of(__u32 real_server, __u32 state)
{
	struct xlb_load *load = bpf_map_lookup_elem(&xlb_loads, &real_server);

	if (!load)
		return NULL;
	return state == XLB_FLOW_ESTABLISHED ? &load->active : &load->inactive;
}

static __always_inline void count_flow(__u64 value, __s64 change)
{
	__u64 *load;

	if (value == 0)
		return;
	load = load_of(XLB_FLOW_REAL_SERVER(value), XLB_FLOW_STATE(value));
	if (load)
		__sync_fetch_and_add(load, change);
}

/* ---- look-up ---- */

static __always_inline __u32 flow_home(__u64 key)
{
	return xlb_bucket_hash(key, xlb_hash_seed) & xlb_flow_mask;
}

static __always_inline struct xlb_flow *flow_find_in(__u32 bucket_index, __u64 key, __u32 now_s,
						     const __u32 *timeout_s, __u64 *value)
{
	struct xlb_flow_bucket *bucket = bpf_map_lookup_elem(&xlb_flows, &bucket_index);

	if (!bucket)
		return NULL;
#pragma unroll
	for (int i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
		struct xlb_flow *flow = &bucket->flows[i];
		__u64 seen = entry_read(&flow->key, &flow->value, key);

		if (seen && !xlb_flow_expired(seen, now_s, timeout_s)) {
			*value = seen;
			return flow;
		}
	}
	return NULL;
}

/* The flow's entry and its value, NULL when there is none or it has expired. */
static __always_inline struct xlb_flow *flow_find(__u64 key, __u32 now_s, const __u32 *timeout_s,
						  __u64 *value)
{
	__u32 home = flow_home(key);
	struct xlb_flow *flow = flow_find_in(home, key, now_s, timeout_s, value);

	return flow ? flow : flow_find_in(home ^ 1, key, now_s, timeout_s, value);
}

/* ---- change ---- */

static __always_inline __u32 flow_next_state(__u32 state, __u32 tcp_flags)
{
	if (state == XLB_FLOW_UDP_ONE)
		return XLB_FLOW_UDP;
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

		if (next == value)
			return;
		if (swap(&flow->value, value, next)) {
			if (state != XLB_FLOW_STATE(value)) {
				count_flow(value, -1);
				count_flow(next, 1);
			}
			return;
		}
		value = entry_read(&flow->key, &flow->value, key);
		if (!value)
			return;
	}
}

static __always_inline void flow_forget(struct xlb_flow *flow, __u64 value)
{
	if (entry_free(&flow->key, &flow->value, value))
		count_flow(value, -1);
}

/* ---- insertion ---- */

/* Which entry is written over: the one worth least, which is its state's worth, or nothing once it
 * has expired, less its age. So: a free one, the longest expired, the oldest that is closing, was
 * never open or has had one packet, the oldest. A table, because branches in its place would
 * multiply in the verifier. */
enum { WORTH_STEP = 1 << 24 }; /* above every age */
const volatile __s32 state_worth[XLB_FLOW_STATES] = {
	[XLB_FLOW_NONE] = -2 * WORTH_STEP, /* free */
	[XLB_FLOW_SYN_RECV] = WORTH_STEP,  [XLB_FLOW_ESTABLISHED] = 2 * WORTH_STEP,
	[XLB_FLOW_FIN_WAIT] = WORTH_STEP,  [XLB_FLOW_CLOSE] = WORTH_STEP,
	[XLB_FLOW_UDP] = 2 * WORTH_STEP,   [XLB_FLOW_UDP_ONE] = WORTH_STEP,
};
/* From here on an entry has more packets to come and had one lately: it stays. */
enum { WORTH_STAYS = 2 * WORTH_STEP - XLB_LIVE_FLOW_S };

static __always_inline __s32 flow_worth(__u64 value, __u32 now_s, const __u32 *timeout_s)
{
	__u32 state = XLB_FLOW_STATE(value) % XLB_FLOW_STATES;
	__u32 age_s = xlb_age(now_s, XLB_FLOW_SECOND(value));

	if (value == 0)
		return state_worth[XLB_FLOW_NONE];
	return (age_s > timeout_s[state] ? 0 : state_worth[state]) - (__s32)age_s;
}

struct flow_victim {
	struct xlb_flow *flow; /* NULL: none */
	__u64 key, value;      /* as seen */
	__s32 worth;
	__u32 number; /* in the whole table */
};

/* True when the search is over: the flow has an entry already, from an earlier life. */
static __always_inline bool flow_choose_in(struct flow_victim *victim, __u32 bucket_index,
					   __u64 key, __u32 now_s, const __u32 *timeout_s)
{
	struct xlb_flow_bucket *bucket = bpf_map_lookup_elem(&xlb_flows, &bucket_index);

	if (!bucket)
		return false;
#pragma unroll
	for (int i = 0; i < XLB_FLOWS_PER_BUCKET; i++) {
		struct xlb_flow *flow = &bucket->flows[i];
		__u64 seen_key = READ_ONCE(flow->key);
		__u64 seen_value = READ_ONCE(flow->value);
		__s32 worth = seen_key == key ? state_worth[XLB_FLOW_NONE]
					      : flow_worth(seen_value, now_s, timeout_s);

		if (seen_key && !seen_value)
			continue; /* somebody's just now */
		if (seen_key == key || !victim->flow || worth < victim->worth)
			*victim = (struct flow_victim){flow, seen_key, seen_value, worth,
						       bucket_index * XLB_FLOWS_PER_BUCKET + i};
		if (seen_key == key)
			return true;
	}
	return false;
}

enum flow_inserted {
	FLOW_INSERTED,
	FLOW_RACED, /* another CPU was faster */
	FLOW_FULL,  /* everything there is worth more */
};

struct flow_entry {
	__u64 key;
	__u64 value;
	struct address client; /* with the port, noted beside hashed keys */
	__u32 now_s;
	__be16 client_port;
	__u8 hashed;
};

/* For listings; only what owns the entry calls it. */
static __always_inline void flow_note_address(const struct flow_entry *entry, __u32 number)
{
	struct xlb_client_address *noted = bpf_map_lookup_elem(&xlb_flow_addresses, &number);

	if (!noted)
		return;
	*(struct address *)noted->address = entry->client;
	noted->port = entry->client_port;
}

/* One attempt to remember a flow, an enum flow_inserted. */
static __always_inline int flow_insert(const struct flow_entry *entry, const __u32 *timeout_s)
{
	struct flow_victim victim = {};
	__u32 home = flow_home(entry->key);

	if (!flow_choose_in(&victim, home, entry->key, entry->now_s, timeout_s))
		(void)flow_choose_in(&victim, home ^ 1, entry->key, entry->now_s, timeout_s);
	if (!victim.flow)
		return FLOW_RACED;
	if (victim.worth >= WORTH_STAYS)
		return FLOW_FULL;
	if (!entry_claim(&victim.flow->key, &victim.flow->value, victim.key, victim.value,
			 entry->key))
		return FLOW_RACED;
	count_flow(victim.value, -1);
	if (entry->hashed)
		flow_note_address(entry, victim.number);
	entry_fill(&victim.flow->key, &victim.flow->value, entry->key, entry->value);
	count_flow(entry->value, 1);
	return FLOW_INSERTED;
}

/* False: the flow is not remembered, because the table is full of what is worth more or every race
 * was lost. */
static __always_inline bool flow_remember(const struct flow_entry *entry)
{
	const struct xlb_settings *set = settings();

	if (!set)
		return false;
	for (int attempt = 0; attempt < INSERT_ATTEMPTS; attempt++) {
		int inserted = flow_insert(entry, set->timeout_s);

		if (inserted != FLOW_RACED)
			return inserted == FLOW_INSERTED;
	}
	return false;
}

#endif
