/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Forwarding through a tunnel: IP in IP (RFC 2003, RFC 2473, RFC 4213) or generic UDP encapsulation
 * (version 0, a base header without extensions; UDP checksum zero, RFC 6935). The outer header
 * copies the traffic class with its ECN bits (RFC 6040); an outer IPv4 packet may not be
 * fragmented. What does not fit is answered, as path MTU discovery needs it.
 */
#ifndef XLB_TUNNEL_H
#define XLB_TUNNEL_H

#include "icmp_answer.h"
#include "maps.h"
#include "packet.h"
#include "rewrite.h"

struct gue_header {
	struct udphdr udp;
	__u8 version_and_length; /* 0: version 0, no extensions */
	__u8 protocol;
	__be16 flags;
};

struct outer {
	__u32 bytes; /* of the new headers */
	__u32 inner_bytes;
	__u32 link;
	__u32 client_hash_port; /* GUE's source port, host order */
	__u8 traffic_class;
	__u8 inner_protocol;
};

static __always_inline __u32 outer_bytes(const struct xlb_real_server *real_server)
{
	return (real_server->family == XLB_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) +
	       (real_server->encapsulation == XLB_GUE ? sizeof(struct gue_header) : 0);
}

static __always_inline void write_gue(struct gue_header *gue, const struct outer *outer,
				      const struct xlb_real_server *real_server)
{
	*gue = (struct gue_header){
		.udp.source = bpf_htons(outer->client_hash_port),
		.udp.dest = real_server->tunnel_port,
		.udp.len = bpf_htons(sizeof(*gue) + outer->inner_bytes),
		.protocol = outer->inner_protocol,
	};
}

static __always_inline bool write_outer_v4(struct xdp_md *ctx, const struct outer *outer,
					   const struct xlb_real_server *real_server)
{
	const bool gue = real_server->encapsulation == XLB_GUE;
	struct iphdr *ip =
		move_link_header(ctx, real_server->destination_mac, outer->link, outer->bytes,
				 sizeof(struct iphdr) + sizeof(struct gue_header), XLB_IPV4);

	if (!ip)
		return false;
	write_ipv4(ip, outer->bytes + outer->inner_bytes, outer->traffic_class,
		   gue ? IPPROTO_UDP : outer->inner_protocol, bpf_htons(IP_DONT_FRAGMENT),
		   real_server->tunnel_source[0], real_server->address[0]);
	if (gue)
		write_gue((void *)(ip + 1), outer, real_server);
	return true;
}

static __always_inline bool write_outer_v6(struct xdp_md *ctx, const struct outer *outer,
					   const struct xlb_real_server *real_server)
{
	const bool gue = real_server->encapsulation == XLB_GUE;
	struct ipv6hdr *ip6 =
		move_link_header(ctx, real_server->destination_mac, outer->link, outer->bytes,
				 sizeof(struct ipv6hdr) + sizeof(struct gue_header), XLB_IPV6);

	if (!ip6)
		return false;
	*(__be32 *)ip6 = bpf_htonl(6U << 28 | (__u32)outer->traffic_class << 20);
	ip6->payload_len = bpf_htons(outer->bytes - sizeof(*ip6) + outer->inner_bytes);
	ip6->nexthdr = gue ? IPPROTO_UDP : outer->inner_protocol;
	ip6->hop_limit = 64;
	__builtin_memcpy(&ip6->saddr, real_server->tunnel_source, 16);
	__builtin_memcpy(&ip6->daddr, real_server->address, 16);
	if (gue)
		write_gue((void *)(ip6 + 1), outer, real_server);
	return true;
}

/* Describes the packet and takes one from its TTL: it enters the tunnel here. */
static __always_inline void take_hop(struct xdp_md *ctx, __u64 located, struct outer *outer,
				     __be16 client_port, const __u32 family)
{
	struct address client;
	struct packet packet;

	if (!packet_open(ctx, located, &packet, family))
		return;
	client = packet_source(&packet, family);
	outer->inner_bytes = packet_ip_bytes(&packet, family);
	outer->link = LOCATED_NETWORK(located);
	outer->client_hash_port = xlb_tunnel_source_port(client.high, client.low, client_port);
	if (family == XLB_IPV6) {
		outer->traffic_class = (bpf_ntohs(*(__be16 *)packet.ip6) >> 4) & 0xff;
		outer->inner_protocol = IPPROTO_IPV6;
	} else {
		outer->traffic_class = packet.ip->tos;
		outer->inner_protocol = IPPROTO_IPIP;
	}
	packet_decrement_ttl(&packet, family);
}

static __always_inline bool may_be_told(const struct packet *packet, const __u32 family)
{
	return family == XLB_IPV6 || packet->ip->frag_off & bpf_htons(IP_DONT_FRAGMENT);
}

/* What fits into the tunnel, 0 when the frame does. Of IPv4 packets that may be fragmented nobody
 * wants to know: they are dropped. */
static __always_inline __u32 tunnel_limit(const struct packet *packet,
					  const struct xlb_real_server *real_server,
					  const __u32 family)
{
	__u32 outer = outer_bytes(real_server);

	if (!real_server->mtu || packet_ip_bytes(packet, family) + outer <= real_server->mtu)
		return 0;
	return real_server->mtu - outer;
}

/* Wraps the frame for a real server: XLB_TX (also when it is to be redirected) or a drop. Not
 * static, so that the verifier checks it once. */
__noinline int tunnel_wrap(struct xdp_md *ctx, __u64 located, __u32 index, __be16 client_port)
{
	const struct xlb_real_server *real_server = bpf_map_lookup_elem(&xlb_real_servers, &index);
	struct outer outer = {};
	bool written;

	if (!real_server)
		return XLB_DROP_NO_ROOM;
	outer.bytes = outer_bytes(real_server);
	if (LOCATED_FAMILY(located) == XLB_IPV6)
		take_hop(ctx, located, &outer, client_port, XLB_IPV6);
	else
		take_hop(ctx, located, &outer, client_port, XLB_IPV4);
	if (bpf_xdp_adjust_head(ctx, -(int)outer.bytes))
		return XLB_DROP_NO_ROOM;
	written = real_server->family == XLB_IPV6 ? write_outer_v6(ctx, &outer, real_server)
						  : write_outer_v4(ctx, &outer, real_server);
	return written ? XLB_TX : XLB_DROP_NO_ROOM;
}

#endif
