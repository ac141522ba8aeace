/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The forwarding methods: local delivery and direct routing. What leaves is counted, not what was
 * meant to leave. */
#ifndef XLB_FORWARD_H
#define XLB_FORWARD_H

#include "maps.h"
#include "packet.h"
#include "select.h"
#include "verdict.h"

/* The two MACs stand in the real server as they do in the frame: 12 bytes, in two moves. */
static __always_inline void rewrite_macs(struct ethhdr *ethernet,
					 const struct xlb_real_server *real_server)
{
	const __u32 *from = (const void *)real_server->destination_mac;
	__u32 *to = (void *)ethernet;

	*(__u64 *)to = *(const __u64 *)from;
	to[2] = from[2];
}

static __always_inline enum xlb_verdict forward(const struct xdp_md *ctx, struct packet *packet,
						const struct selection *selection)
{
	const struct xlb_real_server *real_server = selection->real_server;
	__u32 ip_bytes = packet_ip_bytes(packet);
	enum xlb_verdict reason = XLB_TX;

	if (real_server->flags & XLB_RS_LOCAL) {
		count_packet(&xlb_traffic, selection->index, ip_bytes);
		return XLB_PASS_LOCAL;
	}
	if (packet->ip->ttl <= 1)
		return XLB_DROP_TTL;
	packet_decrement_ttl(packet);
	rewrite_macs(packet->ethernet, real_server);
	if (real_server->ifindex != ctx->ingress_ifindex) {
		if (bpf_redirect_map(&xlb_ports, real_server->ifindex, XDP_DROP) != XDP_REDIRECT)
			return XLB_DROP_NO_PORT;
		reason = XLB_REDIRECT;
	}
	count_packet(&xlb_traffic, selection->index, ip_bytes);
	return reason;
}

#endif
