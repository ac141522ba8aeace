/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the XDP program (bpf/) and the manager (manager/io) share: keys and values of the pinned
 * maps, verdicts, limits (the hashes and the rules of expiry: xlb/hash.h). Plain C, only
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
	XLB_ABI_VERSION = 3,

	XLB_MAX_VIRTUAL_SERVERS = 8192,
	XLB_SERVICE_SLOTS = 32768,  /* places of xlb_services: virtual servers and addresses */
	XLB_SERVICE_BUCKETS = 8192, /* words of xlb_service_displacements */
	XLB_DEFAULT_REAL_SERVERS = 16384, /* over all virtual servers; index 0 means "none" */
	XLB_MAX_REAL_SERVERS = 1 << 20,	  /* as many as a configuration may ask for */
	XLB_MAX_INTERFACES = 256,
	XLB_INTERFACE_SLOTS = 1024,
	XLB_INTERFACE_PROBES = 4,
	XLB_MAX_PEERS = 65536,
	XLB_PEER_FILTER_WORDS = 1024,
	XLB_SLOTS = 1 << 20,   /* scheduler slots over all virtual servers */
	XLB_FRAGMENTS = 16384, /* fragmented packets remembered */

	XLB_FLOWS_PER_BUCKET = 4,
	XLB_PERSISTENCE_PER_BUCKET = 4,
};

/* ---- virtual servers: ARRAY xlb_services, found without a search ----
 * A key's hash (xlb_service_hash) names a word of ARRAY xlb_service_displacements and, with that
 * word, a place in xlb_services; a key is there or nowhere. The manager chooses the words so that
 * no two keys meet, and writes a service to its new place before the word that leads there. */
enum xlb_family { XLB_IPV4 = 4, XLB_IPV6 = 6 };

struct xlb_service_key {
	__be32 address[4]; /* IPv4: the first; the others 0 */
	__be16 port;	   /* 0: any port that has no virtual server of its own */
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP; 0: this entry is a virtual server's address */
	__u8 family;   /* enum xlb_family; 0: no entry */
};
XLB_STATIC_ASSERT(sizeof(struct xlb_service_key) == 20, "no padding");

enum xlb_scheduling {
	XLB_SCHEDULE_RING = 0, /* rr, wrr: the next slot of the ring */
	XLB_SCHEDULE_HASH,     /* sh, mh, dh: the hash slot */
	XLB_SCHEDULE_LC,       /* these four: over the ring's real servers, each once */
	XLB_SCHEDULE_WLC,
	XLB_SCHEDULE_SED,
	XLB_SCHEDULE_NQ,
};

/* What the hash is taken of, for packets that open nothing and for hash schedulers. The virtual
 * server's address, port and protocol always are. */
enum xlb_hash_input {
	XLB_HASH_SOURCE_ADDRESS = 1 << 0,
	XLB_HASH_SOURCE_PORT = 1 << 1,
};

enum xlb_service_flags {
	XLB_SERVICE_ONE_PACKET = 1 << 0, /* UDP: every packet is scheduled anew, none remembered */
};

/* Words of 8 bytes are written whole, and read whole by the program. */
struct xlb_service {
	struct xlb_service_key key;
	__u16 id; /* 1..XLB_MAX_VIRTUAL_SERVERS-1: index into xlb_schedulers, part of flow keys */
	__u8 scheduling;	     /* enum xlb_scheduling */
	__u8 hash_input;	     /* enum xlb_hash_input */
	__u64 ring;		     /* XLB_SLOTS_OF: who takes new connections; length 0: nobody */
	__u64 hash;		     /* XLB_SLOTS_OF: where the rest goes; length 0: nowhere */
	__u32 persistence_timeout_s; /* 0: not persistent */
	__u32 local_real_server; /* index of this host's own one, where a peer's frame goes; 0: none
				  */
	__u8 flags;		 /* enum xlb_service_flags */
	__u8 persistence_prefix; /* bits of the client's address that persistence looks at */
	/* Of an entry that is an address (key.protocol 0): the virtual server that takes later
	 * fragments whose first was not seen, where every packet of a client goes alike; 0: none.
	 */
	__u16 fragments_tcp;
	__u16 fragments_udp;
	__u16 zero[5];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_service) == 64, "one cache line");

/* A run of slots in one word. */
#define XLB_SLOTS_OF(offset, length) ((__u64)(__u32)(offset) | (__u64)(__u32)(length) << 32)
#define XLB_SLOTS_OFFSET(word)	     ((__u32)(word))
#define XLB_SLOTS_LENGTH(word)	     ((__u32)((word) >> 32))

/* ---- services by number: ARRAY xlb_service_places, id -> place in xlb_services + 1; 0: none ----
 * For decisions that remember a number: later fragments. */

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
	XLB_RS_TUNNEL = 1 << 3,	 /* encapsulated, as `encapsulation` says */
};

enum xlb_encapsulation {
	XLB_NO_ENCAPSULATION = 0,
	XLB_IPIP, /* RFC 2003, RFC 2473 */
	XLB_GUE,  /* UDP, draft-ietf-intarea-gue: version 0, no extensions */
};

struct xlb_real_server {
	__u8 destination_mac[6]; /* with source_mac: a frame's first 12 bytes, copied as they are */
	__u8 source_mac[6];
	__u32 ifindex;	  /* where frames leave; if not where they came in, a port of xlb_ports */
	__u16 flags;	  /* enum xlb_real_server_flags; 0: unused or down */
	__u16 service_id; /* a flow of another virtual server is never sent here */
	__u32 weight;
	__be32 address[4]; /* identity, for adoption after a restart; a tunnel's far end */
	__be16 port;
	__u8 family; /* enum xlb_family of both addresses */
	__u8 encapsulation;
	__be16 tunnel_port; /* GUE: UDP destination */
	__u16 mtu; /* of the way there, outer headers included: IP bytes that may leave; 0: any */
	__be32 tunnel_source[4];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_real_server) == 64, "one cache line");

/* Connections of each real server, kept by whoever changes a flow: ARRAY xlb_loads, mmapable, by
 * real server index; every CPU and the manager add atomically. As IPVS counts: active are
 * established TCP connections, inactive everything else. */
struct xlb_load {
	__u64 active;
	__u64 inactive;
	__u64 zero[6];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_load) == 64, "one cache line");

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
 * Who changes a real server or a state so also changes xlb_loads.
 * Who reads a value checks the key again after it. An entry with a key and value 0 belongs to
 * somebody just now: absent for readers, not to be taken by others. One found so by two sweeps, two
 * seconds apart or more, was left by a process that died, and may be freed. */
struct xlb_flow {
	__u64 key;   /* XLB_FLOW_KEY, xlb_flow_key_v6; 0: free */
	__u64 value; /* XLB_FLOW_VALUE; 0: absent */
};
struct xlb_flow_bucket {
	struct xlb_flow flows[XLB_FLOWS_PER_BUCKET];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_flow_bucket) == 64, "one cache line");

/* IPv4: client address | client port << 32 (both in network order, as loaded) | service id << 48.
 * IPv6, and virtual servers of any port: 48 bits of a keyed hash (xlb_flow_key_hashed) | service id
 * << 48; the client itself then stands in ARRAY xlb_flow_addresses, IPv6 clients of the persistence
 * table in xlb_client_addresses, at the entry's number, for listings. */
#define XLB_FLOW_KEY(address, port, service_id)                                                    \
	((__u64)(__u32)(address) | (__u64)(__u16)(port) << 32 | (__u64)(__u16)(service_id) << 48)

struct xlb_client_address {
	__be32 address[4];
	__be16 port;
	__u16 zero[3];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_client_address) == 24, "no padding");

enum xlb_flow_state {
	XLB_FLOW_NONE = 0,
	XLB_FLOW_SYN_RECV = 1,
	XLB_FLOW_ESTABLISHED = 2,
	XLB_FLOW_FIN_WAIT = 3,
	XLB_FLOW_CLOSE = 4,
	XLB_FLOW_UDP = 5,
	XLB_FLOW_UDP_ONE = 6, /* one packet so far: gives way to what is worth more */
	XLB_FLOW_STATES = 8,
};
/* After this long without a packet a flow is forgotten: defaults of xlb_settings.timeout_s. */
enum xlb_flow_timeout {
	XLB_SYN_RECV_TIMEOUT_S = 60,
	XLB_ESTABLISHED_TIMEOUT_S = 900,
	XLB_FIN_WAIT_TIMEOUT_S = 120,
	XLB_CLOSE_TIMEOUT_S = 10,
	XLB_UDP_TIMEOUT_S = 300,
};
/* A flow that may have more packets to come and had one within this time is not written over, even
 * in a full table: the newcomer is sent by its hash and not remembered. */
enum { XLB_LIVE_FLOW_S = 60 };

/* real server index | last packet (xlb clock, seconds, low 24 bits) << 32 | state << 56 */
#define XLB_FLOW_VALUE(real_server, second, state)                                                 \
	((__u64)(__u32)(real_server) | (__u64)((second)&0xffffff) << 32 | (__u64)(state) << 56)
#define XLB_FLOW_REAL_SERVER(value) ((__u32)(value))
#define XLB_FLOW_SECOND(value)	    ((__u32)((value) >> 32) & 0xffffff)
#define XLB_FLOW_STATE(value)	    ((__u32)((value) >> 56))
/* The xlb clock is CLOCK_MONOTONIC in whole seconds, late by at most one tick of the kernel; 24
 * bits of it wrap after 194 days, so ages are taken modulo 2^24 and the manager frees expired
 * entries long before. */
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

/* ---- fragments: LRU_HASH xlb_fragments: what the first one decided, for the others ---- */
struct xlb_fragment_key {
	__be32 source[4]; /* IPv4: the first; the others 0 */
	__be32 destination[4];
	__be32 identification; /* IPv4: 16 bits */
	__u8 protocol;
	__u8 family;
	__u16 zero;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_fragment_key) == 40, "no padding");

struct xlb_fragment {
	__u32 real_server;
	__u32 second; /* xlb clock: forgotten after XLB_FRAGMENT_TIMEOUT_S */
};
enum { XLB_FRAGMENT_TIMEOUT_S = 30 }; /* as Linux reassembles */

/* ---- interfaces: ARRAY xlb_interfaces, mmapable; an interface stands at one of the
 * XLB_INTERFACE_PROBES places from ifindex % XLB_INTERFACE_SLOTS on ---- */
struct xlb_interface {
	__u32 ifindex; /* 0: free. Written last */
	__u8 mac[6];
	__u16 zero;
	__be32 address; /* source of ICMP errors; 0: none are sent */
	__be32 address6[4];
	/* By IP version, 4 first: a bit for each VRID whose virtual MAC (RFC 9568 7.3) is ours too.
	 */
	__u32 virtual_routers[2][8];
	__u32 more_zero[8];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_interface) == 128,
		  "two cache lines, the first of them for frames to its own MAC");

/* ---- peers: HASH xlb_peers, key -> __u8 1. Asked only when ARRAY xlb_peer_filter has the bit
 * xlb_peer_bit(mac) set: nobody's bit is clear who is a peer of any virtual server ---- */
struct xlb_peer_key {
	__u8 mac[6];
	__u16 service_id;
};
XLB_STATIC_ASSERT(sizeof(struct xlb_peer_key) == 8, "no padding");

/* ---- ports: DEVMAP_HASH xlb_ports, ifindex -> ifindex: where frames may leave when it is not
 * where they came in ---- */

/* ---- settings: ARRAY xlb_settings of one, mmapable ---- */
struct xlb_settings {
	__u32 timeout_s[XLB_FLOW_STATES]; /* by enum xlb_flow_state */
	__u32 any_port;			  /* virtual servers with port 0: whether to look for one */
	__u32 icmp_errors_per_second;	  /* of each CPU: time exceeded, packet too big */
	__u32 zero[6];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_settings) == 64, "one cache line");
enum { XLB_ICMP_ERRORS_PER_SECOND = 100 };

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

/* xlb_icmp_state, PERCPU_ARRAY of one: how many errors were sent in this second, and the one being
 * made (the program's stack is too small for it). */
struct xlb_icmp_state {
	__u64 second;
	__u64 sent;
	__u8 macs[12];	  /* destination, source */
	__u32 link_bytes; /* before the IP header */
	__u32 quoted_bytes;
	__u32 mtu; /* 0: time exceeded */
	__be32 to[4];
	__be32 from[4];
};
XLB_STATIC_ASSERT(sizeof(struct xlb_icmp_state) == 72, "no padding");

/* xlb_verdicts, indexed by enum xlb_verdict, values __u64. Every way out of the program is one. */
enum xlb_verdict {
	XLB_PASS_NOT_OURS = 0,	 /* nothing to a virtual server: to the stack, untouched */
	XLB_PASS_OTHER_MAC,	 /* for a virtual server, but addressed to another MAC (flooded) */
	XLB_PASS_LOCAL,		 /* balanced to this host's own real server */
	XLB_PASS_PEER_LOCAL,	 /* balanced by a peer director, delivered to the own real server */
	XLB_PASS_NO_REAL_SERVER, /* no usable real server: to the stack */
	XLB_TX,			 /* sent to a real server, same interface */
	XLB_REDIRECT,		 /* sent to a real server, other interface */
	XLB_TX_TIME_EXCEEDED,	 /* TTL or hop limit used up: the client is told */
	XLB_TX_TOO_BIG,		 /* does not fit into the tunnel: the client is told */
	XLB_DROP_TTL,		 /* TTL used up, and nobody told: rate limit, or no address */
	XLB_DROP_TOO_BIG,	 /* does not fit into the tunnel, and nobody told */
	XLB_DROP_PEER,		 /* balanced by a peer director, but no real server here */
	XLB_DROP_MALFORMED,	 /* addressed to a virtual server, lengths do not fit */
	XLB_DROP_FLAGS,		 /* TCP flags that no connection has */
	XLB_DROP_FRAGMENT,	 /* a later fragment whose first was not seen */
	XLB_DROP_NO_PORT,	 /* the other interface is not in xlb_ports */
	XLB_DROP_NO_ROOM,	 /* the driver left no room for the tunnel's headers */
	XLB_VERDICTS
};

#endif
