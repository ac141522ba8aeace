/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Rules that the XDP program and the manager's sweep must compute alike: where a key lives in a
 * table of buckets, and when an entry has expired. Plain C for both sides. Changing any of it
 * raises XLB_ABI_VERSION.
 */
#ifndef XLB_HASH_H
#define XLB_HASH_H

#include <xlb/abi.h>

/* Spreads a flow or client key; `seed` is chosen at random when the tables are made, so nobody can
 * aim at one bucket. */
static inline __attribute__((always_inline)) __u64 xlb_hash(__u64 key, __u64 seed)
{
	key ^= seed;
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53ULL;
	key ^= key >> 33;
	return key;
}

/* Buckets in a table are a power of two: bucket = xlb_hash(key, seed) & (buckets - 1). */

/* How long a flow is remembered after its last packet. */
static inline __attribute__((always_inline)) __u32 xlb_flow_timeout_s(__u32 state)
{
	switch (state) {
	case XLB_FLOW_SYN_RECV:
		return XLB_SYN_RECV_TIMEOUT_S;
	case XLB_FLOW_ESTABLISHED:
		return XLB_ESTABLISHED_TIMEOUT_S;
	case XLB_FLOW_FIN_WAIT:
		return XLB_FIN_WAIT_TIMEOUT_S;
	case XLB_FLOW_CLOSE:
		return XLB_CLOSE_TIMEOUT_S;
	case XLB_FLOW_UDP:
		return XLB_UDP_TIMEOUT_S;
	default:
		return 0;
	}
}

/* Seconds since `then`; 0 when it lies ahead: the two sides read the clock at slightly different
 * times. */
static inline __attribute__((always_inline)) __u32 xlb_age(__u32 now_s, __u32 then_s)
{
	__u32 age = XLB_AGE(now_s, then_s);

	return age & 0x800000 ? 0 : age;
}

/* A value of 0 (being replaced) has state 0: expired for everybody who only reads. */
static inline __attribute__((always_inline)) int xlb_flow_expired(__u64 value, __u32 now_s)
{
	return xlb_age(now_s, XLB_FLOW_SECOND(value)) > xlb_flow_timeout_s(XLB_FLOW_STATE(value)) ||
	       value == 0;
}

/* A client is remembered for the timeout after its last new connection, and as long as the sweep
 * sees it live. */
static inline __attribute__((always_inline)) int xlb_client_live(__u64 live, __u32 now_s)
{
	return live != 0 && xlb_age(now_s, (__u32)live) <= XLB_LIVE_GRACE_S;
}

static inline __attribute__((always_inline)) int xlb_client_expired(__u64 value, __u64 live,
								    __u32 now_s, __u32 timeout_s)
{
	return value == 0 || (xlb_age(now_s, XLB_FLOW_SECOND(value)) > timeout_s &&
			      !xlb_client_live(live, now_s));
}

#endif
