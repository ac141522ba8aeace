/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the XDP program (bpf/) and the manager (manager/io) share: keys and values of the pinned
 * maps, verdicts, timeouts, limits (the hash and the rules of expiry: xlb/hash.h). Plain C, only
 * <linux/types.h>. Addresses and ports are in network order (__be), everything else in host order.
 * A change of any size, offset or meaning raises XLB_ABI_VERSION: a daemon adopts pinned maps only
 * of its own version.
 */
#ifndef XLB_ABI_H
#define XLB_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define XLB_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define XLB_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

enum {
	XLB_ABI_VERSION = 1,

	XLB_MAX_VIRTUAL_SERVERS = 4096,
	XLB_MAX_REAL_SERVERS = 16384, /* over all virtual servers; index 0 means "none" */
	XLB_MAX_INTERFACES = 256,
	XLB_MAX_PEERS = 65536,
	XLB_SLOTS = 1 << 20, /* scheduler slots over all virtual servers */

	XLB_FLOWS_PER_BUCKET = 4,
	XLB_PERSISTENCE_PER_BUCKET = 4,
};

/* ---- virtual servers: HASH xlb_services, key -> value ---- */
struct xlb_service_key {
	__be32 address;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 zero;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_service_key) == 8, "map key without padding");

struct xlb_service {
	__u32 id; /* 1..XLB_MAX_VIRTUAL_SERVERS-1: index into xlb_schedulers, part of flow keys */
	__u32 persistence_timeout_s; /* 0: not persistent */
	__u32 ring_offset;	     /* rr, wrr: xlb_slots[ring_offset + cursor % ring_length] */
	__u32 ring_length;	     /* 0: no real server takes new connections */
	__u32 hash_offset; /* packets that open nothing: xlb_slots[hash_offset + hash % hash_length]
			    */
	__u32 hash_length; /* 0: no real server takes packets */
	__u32 local_real_server; /* index of this host's own one, where a peer's frame goes; 0: none
				  */
	__u32 zero;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_service) == 32, "half a cache line");

/* ---- scheduler slots: ARRAY xlb_slots of __u32 real server indices; the cursor of each virtual
 * server: ARRAY xlb_schedulers, indexed by xlb_service.id; both mmapable ---- */
struct xlb_scheduler {
	__u64 cursor;  /* counts new connections; every CPU adds atomically */
	__u64 zero[7]; /* a cache line of its own */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_scheduler) == 64, "one cache line");

/* ---- real servers: ARRAY xlb_real_servers, mmapable; index 0 is never used ---- */
enum xlb_real_server_flags {
	XLB_RS_FORWARD = 1 << 0, /* existing flows may be sent */
	XLB_RS_ACCEPT = 1 << 1,	 /* new flows and persistent clients too */
	XLB_RS_LOCAL = 1 << 2,	 /* this host: pass to the stack */
};

struct xlb_real_server {
	__u8 destination_mac[6]; /* with source_mac: a frame's first 12 bytes, copied as they are */
	__u8 source_mac[6];
	__u32 ifindex;	/* where frames leave; if not where they came in, a port of xlb_ports */
	__u32 flags;	/* enum xlb_real_server_flags; 0: unused or down */
	__be32 address; /* identity, for adoption after a restart */
	__be16 port;
	__u16 service_id; /* a flow of another virtual server is never sent here */
	__u32 zero;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_real_server) == 32, "half a cache line");

/* ---- flows: ARRAY xlb_flows of buckets, mmapable ----
 * The key's hash names the home bucket; a flow stands there or, when that was full, in its buddy
 * (home ^ 1: the other half of an aligned pair of cache lines). It is found by its exact key.
 *
 * Both words are read and written whole (aligned 64-bit). Everybody, the manager too, who changes
 * an entry first becomes its owner with one compare-and-swap:
 *
 *   update        value: seen -> new; the key stays
 *   fill a free   key: 0 -> new; then store the value
 *   replace       value: seen -> 0; then store the key, then the value
 *   free          value: seen -> 0; then store 0 as the key
 *
 * Who reads a value checks the key again after it. An entry with a key and value 0 belongs to
 * somebody just now: absent for readers, not to be taken by others. One found so by two sweeps, two
 * seconds apart or more, was left by a process that died, and may be freed. */
struct xlb_flow {
	__u64 key;   /* XLB_FLOW_KEY; 0: free */
	__u64 value; /* XLB_FLOW_VALUE; 0: absent */
};
struct xlb_flow_bucket {
	struct xlb_flow flows[XLB_FLOWS_PER_BUCKET];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_flow_bucket) == 64, "one cache line");

/* client address | client port << 32 (both in network order, as loaded) | service id << 48 */
#define XLB_FLOW_KEY(address, port, service_id)                                                    \
	((__u64)(__u32)(address) | (__u64)(__u16)(port) << 32 | (__u64)(__u16)(service_id) << 48)

enum xlb_flow_state {
	XLB_FLOW_SYN_RECV = 1,
	XLB_FLOW_ESTABLISHED = 2,
	XLB_FLOW_FIN_WAIT = 3,
	XLB_FLOW_CLOSE = 4,
	XLB_FLOW_UDP = 5,
};
/* After this long without a packet a flow is forgotten. */
enum xlb_flow_timeout {
	XLB_SYN_RECV_TIMEOUT_S = 60,
	XLB_ESTABLISHED_TIMEOUT_S = 900,
	XLB_FIN_WAIT_TIMEOUT_S = 120,
	XLB_CLOSE_TIMEOUT_S = 10,
	XLB_UDP_TIMEOUT_S = 300,
};
/* real server index | last packet (xlb clock, seconds, low 24 bits) << 32 | state << 56 */
#define XLB_FLOW_VALUE(real_server, second, state)                                                 \
	((__u64)(__u32)(real_server) | (__u64)((second)&0xffffff) << 32 | (__u64)(state) << 56)
#define XLB_FLOW_REAL_SERVER(value) ((__u32)(value))
#define XLB_FLOW_SECOND(value)	    ((__u32)((value) >> 32) & 0xffffff)
#define XLB_FLOW_STATE(value)	    ((__u32)((value) >> 56))
/* The xlb clock is CLOCK_MONOTONIC in whole seconds; 24 bits of it wrap after 194 days, so ages are
 * taken modulo 2^24 and the manager frees expired entries long before. */
#define XLB_AGE(now, then) (((__u32)(now) - (__u32)(then)) & 0xffffff)

/* ---- persistence: ARRAY xlb_persistence of buckets, mmapable, same discipline, no buddy ---- */
struct xlb_client {
	__u64 key;   /* XLB_FLOW_KEY with port 0; 0: free */
	__u64 value; /* XLB_FLOW_VALUE with state 1; "last packet" is the last new connection */
	__u64 live;  /* the second at which the manager, sweeping the flows, last saw a live
		      * connection of this client; 0: never */
	__u64 zero;
};
struct xlb_client_bucket {
	struct xlb_client clients[XLB_PERSISTENCE_PER_BUCKET];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_client_bucket) == 128, "two cache lines");
enum { XLB_LIVE_GRACE_S = 5 }; /* a client counts as live this long after the sweep that saw it */

/* ---- interfaces: HASH xlb_interfaces, ifindex (__u32) -> own MAC ---- */
struct xlb_interface {
	__u8 mac[6];
	__u16 zero;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_interface) == 8, "no padding");

/* ---- peers: HASH xlb_peers, key -> __u8 1 ---- */
struct xlb_peer_key {
	__u8 mac[6];
	__u16 service_id;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_peer_key) == 8, "no padding");

/* ---- ports: DEVMAP_HASH xlb_ports, ifindex -> ifindex: where frames may leave when it is not
 * where they came in ---- */

/* ---- counters: PERCPU_ARRAY ---- */
/* xlb_traffic, indexed by real server index: what was sent to it (or passed to it, when local).
 * xlb_unserved, indexed by service id: matched, but no real server could take it; no connections.
 */
struct xlb_traffic {
	__u64 packets;
	__u64 bytes;	   /* IP total length, as IPVS counts */
	__u64 connections; /* flows scheduled */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_traffic) == 24, "no padding");

/* xlb_verdicts, indexed by enum xlb_verdict, values __u64. Every way out of the program is one. */
enum xlb_verdict {
	XLB_PASS_NOT_OURS = 0,	 /* not IPv4 TCP/UDP to a virtual server: to the stack, untouched */
	XLB_PASS_OTHER_MAC,	 /* for a virtual server, but addressed to another MAC (flooded) */
	XLB_PASS_LOCAL,		 /* balanced to this host's own real server */
	XLB_PASS_PEER_LOCAL,	 /* balanced by a peer director, delivered to the own real server */
	XLB_PASS_NO_REAL_SERVER, /* no usable real server: to the stack */
	XLB_PASS_FRAGMENT,	 /* IPv4 TCP/UDP fragment: to the stack */
	XLB_TX,			 /* direct routing, same interface */
	XLB_REDIRECT,		 /* direct routing, other interface */
	XLB_DROP_TTL,		 /* TTL would reach 0 */
	XLB_DROP_PEER,		 /* balanced by a peer director, but no real server here */
	XLB_DROP_MALFORMED,	 /* addressed to a virtual server, lengths do not fit */
	XLB_DROP_NO_PORT,	 /* direct routing, but the other interface is not in xlb_ports */
	XLB_VERDICTS
};

#endif
