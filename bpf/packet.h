/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The header cursor: what kind of frame this is, where its headers are, whether its lengths fit.
 * With icmp_error.h and tunnel.h, which build frames, the only file that checks bounds. It knows
 * nothing of virtual servers. IPv4: RFC 791, IPv6: RFC 8200, TCP: RFC 9293, UDP: RFC 768,
 * VLAN: IEEE 802.1Q.
 *
 * First the headers are located, which gives one word; then a cursor is put on them, anew in each
 * function that the verifier checks by itself, or when the frame has moved. The common frames (no
 * tag, no option, no extension header, no fragment) are recognised in place; locate_uncommon()
 * finds the headers of all others.
 */
#ifndef XLB_PACKET_H
#define XLB_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <xlb/abi.h>

enum fragment_kind {
	FRAGMENT_NONE,	/* a whole packet */
	FRAGMENT_FIRST, /* has the transport header; others follow */
	FRAGMENT_LATER, /* has none */
};

/* Both TCP and UDP begin so. */
struct packet_ports {
	__be16 source;
	__be16 destination;
};

struct packet {
	void *end; /* of the first buffer */
	union {
		void *start;
		struct ethhdr *ethernet;
	};
	union {
		void *network;
		struct iphdr *ip;
		struct ipv6hdr *ip6;
	};
	union { /* readable: four bytes of ports; all of it after packet_lengths_fit() */
		void *transport;
		struct packet_ports *ports;
		struct tcphdr *tcp;
		struct udphdr *udp;
	};
	__u32 protocol;	       /* of the transport header */
	__u32 fragment;	       /* enum fragment_kind */
	__u32 identity_offset; /* of an IPv6 fragment header, from `start` */
	__u32 tcp_flags;       /* enum tcp_flag; 0 for UDP. Set by packet_lengths_fit() */
};

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

enum {
	IP_DONT_FRAGMENT = 0x4000,
	IP_MORE_FRAGMENTS = 0x2000,
	IP_FRAGMENT_OFFSET = 0x1fff,
	IP6_MORE_FRAGMENTS = 0x0001,
	IP6_FRAGMENT_OFFSET = 0xfff8,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_SERVICE_VLAN = 0x88a8,
	MAX_VLAN_TAGS = 2,
	MAX_EXTENSION_HEADERS = 6,
	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_AUTHENTICATION = 51,
	NEXT_DESTINATION = 60,
};

/* ---- where the headers are, in one word; 0: not understood, the stack's ---- */

#define LOCATED(network, transport, protocol, fragment, identity, family)                          \
	((__u64)(network) | (__u64)(transport) << 8 | (__u64)(protocol) << 24 |                    \
	 (__u64)(fragment) << 32 | (__u64)(identity) << 40 | (__u64)(family) << 56)
/* Masks that let the verifier bound what is added to a packet pointer. */
#define LOCATED_NETWORK(word)	((__u32)(word)&0x3f)
#define LOCATED_TRANSPORT(word) ((__u32)((word) >> 8) & 0x3fff)
#define LOCATED_PROTOCOL(word)	((__u32)((word) >> 24) & 0xff)
#define LOCATED_FRAGMENT(word)	((__u32)((word) >> 32) & 0x3)
#define LOCATED_IDENTITY(word)	((__u32)((word) >> 40) & 0x3fff)
#define LOCATED_FAMILY(word)	((__u32)((word) >> 56))

static __always_inline __u64 locate_ipv4(const void *start, const void *end, __u32 network)
{
	const struct iphdr *ip = start + network;
	__u32 fragment = FRAGMENT_NONE;

	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return 0;
	if (ip->frag_off & bpf_htons(IP_FRAGMENT_OFFSET))
		fragment = FRAGMENT_LATER;
	else if (ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS))
		fragment = FRAGMENT_FIRST;
	return LOCATED(network, network + ip->ihl * 4, ip->protocol, fragment, 0, XLB_IPV4);
}

static __always_inline bool is_extension_header(__u32 next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_DESTINATION ||
	       next == NEXT_FRAGMENT || next == NEXT_AUTHENTICATION;
}

struct extension_header {
	__u8 next;
	__u8 length; /* its unit is the header's own business */
	__be16 fragment;
	__be32 identification;
};

static __always_inline __u64 locate_ipv6(const void *start, const void *end, __u32 network)
{
	const struct ipv6hdr *ip6 = start + network;
	__u32 fragment = FRAGMENT_NONE, identity = 0;
	__u32 transport = network + sizeof(*ip6);
	__u32 next;

	if ((const void *)(ip6 + 1) > end || ip6->version != 6)
		return 0;
	next = ip6->nexthdr;
#pragma unroll
	for (int i = 0; i < MAX_EXTENSION_HEADERS; i++) {
		const struct extension_header *header = start + (transport & 0x3fff);
		__u32 bytes;

		if (!is_extension_header(next))
			break;
		if ((const void *)(header + 1) > end)
			return 0;
		bytes = next == NEXT_AUTHENTICATION ? (header->length + 2) * 4
			: next == NEXT_FRAGMENT	    ? sizeof(*header)
						    : (header->length + 1) * 8;
		if (next == NEXT_FRAGMENT) {
			identity = transport;
			if (header->fragment & bpf_htons(IP6_FRAGMENT_OFFSET))
				return LOCATED(network, transport + bytes, header->next,
					       FRAGMENT_LATER, identity, XLB_IPV6);
			if (header->fragment & bpf_htons(IP6_MORE_FRAGMENTS))
				fragment = FRAGMENT_FIRST;
		}
		next = header->next;
		transport += bytes;
	}
	return LOCATED(network, transport, next, fragment, identity, XLB_IPV6);
}

/* Not static, so that the verifier checks it once and takes its answer for any number. */
__noinline __u64 locate_uncommon(struct xdp_md *ctx)
{
	const void *start = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct ethhdr *ethernet = start;
	__u32 network = sizeof(*ethernet);
	__be16 type;

	if ((const void *)(ethernet + 1) > end)
		return 0;
	type = ethernet->h_proto;
#pragma unroll
	for (int i = 0; i < MAX_VLAN_TAGS; i++) {
		const __be16 *tag = start + network; /* priority and number, then the type */

		if (type != bpf_htons(ETHERTYPE_VLAN) && type != bpf_htons(ETHERTYPE_SERVICE_VLAN))
			break;
		if ((const void *)(tag + 2) > end)
			return 0;
		type = tag[1];
		network += 4;
	}
	if (type == bpf_htons(ETH_P_IP))
		return locate_ipv4(start, end, network);
	if (type == bpf_htons(ETH_P_IPV6))
		return locate_ipv6(start, end, network);
	return 0;
}

static __always_inline bool common_ipv4(const struct iphdr *ip)
{
	return *(const __u8 *)ip == 0x45 &&
	       !(ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET));
}

static __always_inline bool common_ipv6(const struct ipv6hdr *ip6)
{
	return ip6->version == 6 && (ip6->nexthdr == IPPROTO_TCP || ip6->nexthdr == IPPROTO_UDP ||
				     ip6->nexthdr == IPPROTO_ICMPV6);
}

static __always_inline __u64 packet_locate(struct xdp_md *ctx)
{
	const void *start = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const void *network = start + sizeof(struct ethhdr);
	const struct iphdr *ip = network;
	const struct ipv6hdr *ip6 = network;
	__be16 type;

	if ((const void *)(ip + 1) > end)
		return 0;
	type = ((const struct ethhdr *)start)->h_proto;
	if (type == bpf_htons(ETH_P_IP) && common_ipv4(ip))
		return LOCATED(sizeof(struct ethhdr), sizeof(struct ethhdr) + sizeof(*ip),
			       ip->protocol, FRAGMENT_NONE, 0, XLB_IPV4);
	if (type == bpf_htons(ETH_P_IPV6) && (const void *)(ip6 + 1) <= end && common_ipv6(ip6))
		return LOCATED(sizeof(struct ethhdr), sizeof(struct ethhdr) + sizeof(*ip6),
			       ip6->nexthdr, FRAGMENT_NONE, 0, XLB_IPV6);
	if (type == bpf_htons(ETH_P_IP) || type == bpf_htons(ETH_P_IPV6) ||
	    type == bpf_htons(ETHERTYPE_VLAN) || type == bpf_htons(ETHERTYPE_SERVICE_VLAN))
		return locate_uncommon(ctx);
	return 0;
}

/* The cursor on what was located: true when the network header is readable, which it is unless the
 * frame was changed. */
static __always_inline bool packet_open(struct xdp_md *ctx, __u64 located, struct packet *packet,
					const __u32 family)
{
	packet->start = (void *)(long)ctx->data;
	packet->end = (void *)(long)ctx->data_end;
	packet->network = packet->start + LOCATED_NETWORK(located);
	packet->transport = packet->start + LOCATED_TRANSPORT(located);
	packet->protocol = LOCATED_PROTOCOL(located);
	packet->fragment = LOCATED_FRAGMENT(located);
	packet->identity_offset = LOCATED_IDENTITY(located);
	if ((void *)(packet->ethernet + 1) > packet->end)
		return false;
	if (family == XLB_IPV6)
		return (void *)(packet->ip6 + 1) <= packet->end;
	return (void *)(packet->ip + 1) <= packet->end;
}

static __always_inline bool packet_has_ports(const struct packet *packet)
{
	return (void *)(packet->ports + 1) <= packet->end;
}

/* The IP packet's length as its header tells it. */
static __always_inline __u32 packet_ip_bytes(const struct packet *packet, const __u32 family)
{
	if (family == XLB_IPV6)
		return sizeof(struct ipv6hdr) + bpf_ntohs(packet->ip6->payload_len);
	return bpf_ntohs(packet->ip->tot_len);
}

/* Bytes of the frame from the network header on. Only frames of several buffers (jumbo frames) need
 * to be asked for their length. */
static __always_inline bool frame_holds(struct xdp_md *ctx, const struct packet *packet,
					__u64 ip_bytes)
{
	if (ip_bytes <= (__u64)(packet->end - packet->network))
		return true;
	return ip_bytes + (packet->network - packet->start) <= bpf_xdp_get_buff_len(ctx);
}

/* For packets whose transport header tells no length: it takes at least so many bytes. */
static __always_inline bool ip_length_fits(struct xdp_md *ctx, const struct packet *packet,
					   const __u32 least_transport_bytes, const __u32 family)
{
	__u32 ip_bytes = packet_ip_bytes(packet, family);
	__u32 header_bytes = packet->transport - packet->network;

	return header_bytes + least_transport_bytes <= ip_bytes &&
	       frame_holds(ctx, packet, ip_bytes);
}

/* Do the lengths that the headers claim fit into each other and the frame? What follows the IP
 * packet in the frame is padding: Ethernet's minimum is 60 bytes. Of a first fragment only the
 * transport header must be there: the rest follows. */
static __always_inline bool packet_lengths_fit(struct xdp_md *ctx, struct packet *packet,
					       const __u32 family)
{
	__u32 ip_bytes = packet_ip_bytes(packet, family);
	__u32 header_bytes = packet->transport - packet->network;
	__u32 transport_bytes;

	if (!frame_holds(ctx, packet, ip_bytes))
		return false;
	if (packet->protocol == IPPROTO_TCP) {
		if ((void *)(packet->tcp + 1) > packet->end)
			return false;
		transport_bytes = packet->tcp->doff * 4;
		packet->tcp_flags = ((__u8 *)packet->transport)[13];
		if (transport_bytes < sizeof(struct tcphdr))
			return false;
	} else {
		if ((void *)(packet->udp + 1) > packet->end)
			return false;
		transport_bytes = bpf_ntohs(packet->udp->len);
		packet->tcp_flags = 0;
		if (transport_bytes < sizeof(struct udphdr))
			return false;
		if (packet->fragment == FRAGMENT_FIRST)
			transport_bytes = sizeof(struct udphdr);
	}
	return header_bytes + transport_bytes <= ip_bytes;
}

/* Flags that no sender sets in earnest: none of SYN, FIN, RST, ACK; two of SYN, FIN, RST; a FIN
 * that acknowledges nothing. */
static __always_inline bool tcp_flags_possible(__u32 flags)
{
	switch (flags & (TCP_SYN | TCP_FIN | TCP_RST)) {
	case 0:
	case TCP_FIN:
		return flags & TCP_ACK;
	case TCP_SYN:
	case TCP_RST:
		return true;
	default:
		return false;
	}
}

/* A SYN and nothing that contradicts it. */
static __always_inline bool packet_is_syn(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* May this packet open a connection? */
static __always_inline bool packet_opens(const struct packet *packet)
{
	return packet->protocol == IPPROTO_UDP || packet_is_syn(packet);
}

static __always_inline bool mac_equal(const void *one, const void *other)
{
	const __u16 *a = one, *b = other;

	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]));
}

static __always_inline __u8 packet_ttl(const struct packet *packet, const __u32 family)
{
	return family == XLB_IPV6 ? packet->ip6->hop_limit : packet->ip->ttl;
}

/* One router hop. IPv4 adjusts the checksum (RFC 1624): the TTL is the high byte of its word, so
 * the one's complement sum loses 0x0100 and the checksum gains it. 0xffff would be a second zero.
 */
static __always_inline void packet_decrement_ttl(struct packet *packet, const __u32 family)
{
	__u32 check;

	if (family == XLB_IPV6) {
		packet->ip6->hop_limit--;
		return;
	}
	check = packet->ip->check;
	check += bpf_htons(0x0100);
	packet->ip->check = (__u16)(check + (check >= 0xffff));
	packet->ip->ttl--;
}

/* ---- addresses as two words, as loaded; IPv4: the low one ---- */

struct address {
	__u64 high, low;
};

static __always_inline struct address address_of(const void *ipv6)
{
	const __u32 *words = ipv6;

	return (struct address){(__u64)words[1] << 32 | words[0], (__u64)words[3] << 32 | words[2]};
}

static __always_inline struct address packet_source(const struct packet *packet, const __u32 family)
{
	if (family == XLB_IPV6)
		return address_of(&packet->ip6->saddr);
	return (struct address){0, packet->ip->saddr};
}

static __always_inline struct address packet_destination(const struct packet *packet,
							 const __u32 family)
{
	if (family == XLB_IPV6)
		return address_of(&packet->ip6->daddr);
	return (struct address){0, packet->ip->daddr};
}

#endif
