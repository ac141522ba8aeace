// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What the data plane is compared with: `empty`, the least that a program costs, and `lru`, what
 * the obvious design costs: virtual servers in a hash, flows in an LRU hash, the real server's MAC
 * written, nothing counted, nothing guarded. And `pass`, the way to the stack.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { REAL_SERVERS = 128, MAX_SERVERS = 4096 };

struct server4 {
  __be32 address;
  __be16 port;
  __u16 protocol;
};
struct server6 {
  __be32 address[4];
  __be16 port;
  __u16 protocol;
};
struct flow4 {
  __be32 client;
  __be16 client_port;
  __be16 server_port;
  __be32 server;
  __u32 protocol;
};
struct flow6 {
  __be32 client[4];
  __be32 server[4];
  __be16 client_port;
  __be16 server_port;
  __u32 protocol;
};
struct macs {
  __u8 destination[6];
  __u8 source[6];
  __u32 zero;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_SERVERS);
  __type(key, struct server4);
  __type(value, __u32);
} servers4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_SERVERS);
  __type(key, struct server6);
  __type(value, __u32);
} servers6 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct flow4);
  __type(value, __u64);
} flows4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, struct flow6);
  __type(value, __u64);
} flows6 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, REAL_SERVERS);
  __type(key, __u32);
  __type(value, struct macs);
} real_servers SEC(".maps");

static __always_inline int send_to(void* frame, __u32 real_server) {
  struct macs* macs;

  real_server %= REAL_SERVERS;
  macs = bpf_map_lookup_elem(&real_servers, &real_server);
  if (!macs) return XDP_DROP;
  __builtin_memcpy(frame, macs, 12);
  return XDP_TX;
}

static __always_inline int forward_flow(void* frame, void* flows, const void* flow, __u32 hash) {
  __u64 *known = bpf_map_lookup_elem(flows, flow), chosen;

  if (known) return send_to(frame, (__u32)*known);
  chosen = hash * 0x9e3779b1 >> 25;
  bpf_map_update_elem(flows, flow, &chosen, BPF_ANY);
  return send_to(frame, (__u32)chosen);
}

SEC("xdp")
int lru(struct xdp_md* ctx) {
  void *frame = (void*)(long)ctx->data, *end = (void*)(long)ctx->data_end;
  struct ethhdr* ethernet = frame;
  struct iphdr* ip = (void*)(ethernet + 1);
  struct ipv6hdr* ip6 = (void*)(ethernet + 1);
  __be16* ports = (void*)(ip + 1);

  if ((void*)(ports + 2) > end) return XDP_PASS;
  if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
    struct server4 server = {ip->daddr, ports[1], ip->protocol};
    struct flow4 flow = {ip->saddr, ports[0], ports[1], ip->daddr, ip->protocol};

    if (ip->ihl != 5 || (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP) ||
        !bpf_map_lookup_elem(&servers4, &server))
      return XDP_PASS;
    return forward_flow(frame, &flows4, &flow, ip->saddr ^ ports[0]);
  }
  ports = (void*)(ip6 + 1);
  if (ethernet->h_proto == bpf_htons(ETH_P_IPV6) && (void*)(ports + 2) <= end) {
    struct server6 server = {.port = ports[1], .protocol = ip6->nexthdr};
    struct flow6 flow = {
        .client_port = ports[0], .server_port = ports[1], .protocol = ip6->nexthdr};

    __builtin_memcpy(server.address, &ip6->daddr, 16);
    __builtin_memcpy(flow.server, &ip6->daddr, 16);
    __builtin_memcpy(flow.client, &ip6->saddr, 16);
    if (!bpf_map_lookup_elem(&servers6, &server)) return XDP_PASS;
    return forward_flow(frame, &flows6, &flow, flow.client[3] ^ ports[0]);
  }
  return XDP_PASS;
}

SEC("xdp")
int empty(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_TX;
}

SEC("xdp")
int pass(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
