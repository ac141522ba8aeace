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

/* Where a flow's or client's key lives: buckets in a table are a power of two, bucket = this &
 * (buckets - 1). The service's part comes last, so that the client's is mixed while the program
 * still looks for the service. */
static inline __attribute__((always_inline)) __u32 xlb_bucket_hash(__u64 key, __u64 seed)
{
	__u64 client = key & 0xffffffffffffULL;
	__u32 service = (__u32)(key >> 48);

	return (__u32)xlb_hash(client, seed) ^ service * 0x9e3779b1U;
}

/* The client's side of a flow as 48 bits of a keyed hash, where address and port do not fit: IPv6,
 * and virtual servers of any port, whose connections differ in the server's port too. Addresses as
 * loaded, two words (IPv4: the low one), ports as loaded. Two clients of a service that meet in all
 * bits, one pair in 2^48, share their real server. */
static inline __attribute__((always_inline)) __u64
xlb_flow_key_hashed(__u64 address_high, __u64 address_low, __u16 client_port, __u16 server_port,
		    __u16 service_id, __u64 seed)
{
	__u64 ports = (__u64)client_port << 32 | (__u64)server_port << 16;
	__u64 hash = xlb_hash(address_low, xlb_hash(address_high ^ ports, seed));

	return (hash >> 16) | (__u64)service_id << 48;
}

/* What a hash slot is chosen by, alike on every director: addresses and ports in host order (IPv4:
 * the low word, 32 bits; 0 for what the service does not look at), a fixed seed, nothing that
 * another director may number otherwise. */
static inline __attribute__((always_inline)) __u64
xlb_slot_hash(__u64 client_high, __u64 client_low, __u16 client_port, __u64 server_high,
	      __u64 server_low, __u16 server_port, __u8 protocol)
{
	__u64 hash = xlb_hash((__u64)server_port << 16 | protocol, 0x9e3779b97f4a7c15ULL);

	hash = xlb_hash(server_low, hash + server_high);
	hash = xlb_hash(client_high ^ client_port, hash);
	return xlb_hash(client_low, hash) >> 32;
}

/* GUE's UDP source port (host order), so that receivers spread the flows over their queues; address
 * and port of the client as loaded, port 0 for fragments. */
static inline __attribute__((always_inline)) __u16
xlb_tunnel_source_port(__u64 address_high, __u64 address_low, __u16 client_port)
{
	__u64 hash = xlb_hash(address_high ^ address_low ^ (__u64)client_port << 48, 0);

	return (__u16)(0xc000 | (hash & 0x3fff));
}

/* ---- the virtual servers' places ---- */

/* The last four bytes of a struct xlb_service_key as loaded. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define XLB_SERVICE_KIND(port, protocol, family)                                                   \
	((__u32)(__u16)(port) | (__u32)(protocol) << 16 | (__u32)(family) << 24)
#else
#define XLB_SERVICE_KIND(port, protocol, family)                                                   \
	((__u32)(__u16)(port) << 16 | (__u32)(protocol) << 8 | (__u32)(family))
#endif

/* A key as one word: the address as loaded, two words (IPv4: the low one), and the kind. Not keyed:
 * nobody but the administrator chooses them. */
static inline __attribute__((always_inline)) __u64 xlb_service_hash(__u64 address_high,
								    __u64 address_low, __u32 kind)
{
	__u64 hash = address_low ^ (__u64)kind << 32 ^ address_high * 0x9e3779b97f4a7c15ULL;

	hash ^= hash >> 32;
	hash *= 0xff51afd7ed558ccdULL;
	return hash ^ hash >> 29;
}

/* The word of xlb_service_displacements that a key's hash goes by, and the place in xlb_services
 * that it leads to. */
static inline __attribute__((always_inline)) __u32 xlb_service_bucket(__u64 hash)
{
	return (__u32)hash & (XLB_SERVICE_BUCKETS - 1);
}

static inline __attribute__((always_inline)) __u32 xlb_service_place(__u64 hash, __u32 displacement)
{
	return ((__u32)(hash >> 32) + displacement * ((__u32)(hash >> 13) | 1)) &
	       (XLB_SERVICE_SLOTS - 1);
}

/* Which bit of xlb_peer_filter a MAC address has: `low` its last four bytes as loaded. Word: / 64.
 */
static inline __attribute__((always_inline)) __u32 xlb_peer_bit(__u32 low)
{
	return (low * 0x9e3779b1U) >> 16;
}

/* ---- expiry; `timeout_s` is xlb_settings.timeout_s ---- */

/* Seconds since `then`; 0 when it lies ahead: the two sides read the clock at slightly different
 * times. */
static inline __attribute__((always_inline)) __u32 xlb_age(__u32 now_s, __u32 then_s)
{
	__u32 age = XLB_AGE(now_s, then_s);

	return age & 0x800000 ? 0 : age;
}

/* A value of 0 (being replaced) has state 0: expired for everybody who only reads. */
static inline __attribute__((always_inline)) int xlb_flow_expired(__u64 value, __u32 now_s,
								  const __u32 *timeout_s)
{
	return xlb_age(now_s, XLB_FLOW_SECOND(value)) >
		       timeout_s[XLB_FLOW_STATE(value) % XLB_FLOW_STATES] ||
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
