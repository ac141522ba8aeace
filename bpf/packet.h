/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The header cursor: what kind of frame this is, where its headers are, whether its lengths fit.
 * The only file that checks bounds. It knows nothing of virtual servers. IPv4: RFC 791, TCP: RFC
 * 9293, UDP: RFC 768.
 */
#ifndef XLB_PACKET_H
#define XLB_PACKET_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum packet_kind {
	PACKET_OTHER,	  /* not understood: the stack's */
	PACKET_FRAGMENT,  /* of TCP or UDP; only the first would have ports */
	PACKET_TRANSPORT, /* a whole TCP or UDP packet, its ports readable */
};

/* Both TCP and UDP begin so. */
struct packet_ports {
	__be16 source;
	__be16 destination;
};

struct packet {
	void *end;
	struct ethhdr *ethernet;
	struct iphdr *ip;
	union {
		struct packet_ports *ports; /* readable in every PACKET_TRANSPORT */
		struct tcphdr *tcp;	    /* these only after packet_lengths_fit() */
		struct udphdr *udp;
		void *transport;
	};
	__u32 tcp_flags; /* enum tcp_flag; 0 for UDP. Set by packet_lengths_fit() */
};

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

enum { IP_MORE_FRAGMENTS = 0x2000, IP_FRAGMENT_OFFSET = 0x1fff };

static __always_inline enum packet_kind packet_parse(const struct xdp_md *ctx,
						     struct packet *packet)
{
	struct iphdr *ip;

	packet->end = (void *)(long)ctx->data_end;
	packet->ethernet = (void *)(long)ctx->data;
	packet->ip = ip = (void *)(packet->ethernet + 1);
	if ((void *)(ip + 1) > packet->end)
		return PACKET_OTHER;
	if (packet->ethernet->h_proto != bpf_htons(ETH_P_IP))
		return PACKET_OTHER;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return PACKET_OTHER;
	if (ip->version != 4 || ip->ihl < 5)
		return PACKET_OTHER;
	if (ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		return PACKET_FRAGMENT;
	packet->transport = (void *)ip + ip->ihl * 4;
	if ((void *)(packet->ports + 1) > packet->end)
		return PACKET_OTHER;
	return PACKET_TRANSPORT;
}

static __always_inline __u32 packet_ip_bytes(const struct packet *packet)
{
	return bpf_ntohs(packet->ip->tot_len);
}

/* Do the lengths that the headers claim fit into each other and the frame? What follows the IP
 * packet in the frame is padding: Ethernet's minimum is 60 bytes. */
static __always_inline bool packet_lengths_fit(struct packet *packet)
{
	__u32 ip_bytes = packet_ip_bytes(packet);
	__u32 ip_header_bytes = packet->ip->ihl * 4;
	__u32 transport_bytes;

	if (ip_bytes > (__u64)(packet->end - (void *)packet->ip))
		return false;
	if (packet->ip->protocol == IPPROTO_TCP) {
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
	}
	return ip_header_bytes + transport_bytes <= ip_bytes;
}

/* A SYN and nothing that contradicts it. */
static __always_inline bool packet_is_syn(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* May this packet open a connection? */
static __always_inline bool packet_opens(const struct packet *packet)
{
	return packet->ip->protocol == IPPROTO_UDP || packet_is_syn(packet);
}

static __always_inline bool mac_equal(const void *one, const void *other)
{
	const __u16 *a = one, *b = other;

	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]));
}

/* One router hop, with the checksum adjusted (RFC 1624): the TTL is the high byte of its word, so
 * the one's complement sum loses 0x0100 and the checksum gains it. 0xffff would be a second zero.
 */
static __always_inline void packet_decrement_ttl(struct packet *packet)
{
	__u32 check = packet->ip->check;

	check += bpf_htons(0x0100);
	packet->ip->check = (__u16)(check + (check >= 0xffff));
	packet->ip->ttl--;
}

#endif
