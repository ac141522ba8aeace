/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the files that change frames share: the Ethernet header's rewriting and moving, checksums.
 */
#ifndef XLB_REWRITE_H
#define XLB_REWRITE_H

#include <stdbool.h>

#include "packet.h"

/* Destination and source, as they stand in the frame: 12 bytes, in two moves. */
static __always_inline void rewrite_macs(void *ethernet, const void *macs)
{
	const __u32 *from = macs;
	__u32 *to = ethernet;

	*(__u64 *)to = *(const __u64 *)from;
	to[2] = from[2];
}

/* The frame was made `more` bytes longer in front: its tags are moved there, behind new MACs and
 * for an IP header of `family` to follow. Returns where that begins, NULL if the frame is shorter
 * than `room` from there. */
static __always_inline void *move_link_header(struct xdp_md *ctx, const void *macs, __u32 link,
					      __u32 more, __u32 room, const __u32 family)
{
	__u8 *start = (void *)(long)ctx->data;
	const void *end = (void *)(long)ctx->data_end;
	__be16 *to = (void *)start;
	const __be16 *from = (void *)(start + (more & 0x7f));
	__be16 type = family == XLB_IPV6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	__u8 *network;

	link &= 0x1f;
	network = start + link;
	if ((const void *)(from + 11) > end || (const void *)(to + 11) > end ||
	    (const void *)(network + room) > end)
		return NULL;
	rewrite_macs(to, macs);
	if (link >= 18) {
		to[6] = from[6];
		to[7] = from[7];
	}
	if (link >= 22) {
		to[8] = from[8];
		to[9] = from[9];
	}
	if (link == 14)
		to[6] = type;
	else if (link == 18)
		to[8] = type;
	else
		to[10] = type;
	return network;
}

static __always_inline __u16 folded(__u64 sum)
{
#pragma unroll
	for (int i = 0; i < 4; i++)
		sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline __u64 sum_words(const void *start, int bytes)
{
	const __u16 *words = start;
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < bytes / 2; i++)
		sum += words[i];
	return sum;
}

/* An IPv4 header without options and its checksum. */
static __always_inline void write_ipv4(struct iphdr *ip, __u32 total_bytes, __u8 tos, __u8 protocol,
				       __be16 fragment, __be32 source, __be32 destination)
{
	struct iphdr header = {
		.version = 4,
		.ihl = 5,
		.tos = tos,
		.tot_len = bpf_htons(total_bytes),
		.frag_off = fragment,
		.ttl = 64,
		.protocol = protocol,
		.saddr = source,
		.daddr = destination,
	};
	header.check = folded(sum_words(&header, sizeof(header)));
	*ip = header;
}

#endif
