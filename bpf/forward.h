/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The forwarding methods: local delivery, direct routing and tunnels. What leaves is counted, not
 * what was meant to leave. */
#ifndef XLB_FORWARD_H
#define XLB_FORWARD_H

#include "icmp_answer.h"
#include "maps.h"
#include "packet.h"
#include "rewrite.h"
#include "select.h"
#include "tunnel.h"
#include "verdict.h"

enum forward_flags {
	FORWARD_MAY_ANSWER = 1 << 0, /* what cannot be forwarded may be answered with an error */
};

static __always_inline enum xlb_verdict
forward(struct xdp_md *ctx, __u64 located, struct packet *packet, const struct selection *selection,
	__be16 client_port, const int flags, const __u32 family)
{
	const struct xlb_real_server *real_server = selection->real_server;
	__u32 ip_bytes = packet_ip_bytes(packet, family);
	enum xlb_verdict reason = XLB_TX;

	if (real_server->flags & XLB_RS_LOCAL) {
		count_packet(&xlb_traffic, selection->index, ip_bytes);
		return XLB_PASS_LOCAL;
	}
	if (packet_ttl(packet, family) <= 1)
		return flags & FORWARD_MAY_ANSWER ? icmp_answer(ctx, located, 0) : XLB_DROP_TTL;
	if (real_server->flags & XLB_RS_TUNNEL) {
		__u32 limit = tunnel_limit(packet, real_server, family);

		if (limit)
			return flags & FORWARD_MAY_ANSWER && may_be_told(packet, family)
				       ? icmp_answer(ctx, located, limit)
				       : XLB_DROP_TOO_BIG;
		reason = tunnel_wrap(ctx, located, selection->index, client_port);
		if (reason != XLB_TX)
			return reason;
	} else {
		packet_decrement_ttl(packet, family);
		rewrite_macs(packet->start, real_server->destination_mac);
	}
	if (real_server->ifindex != ctx->ingress_ifindex) {
		if (bpf_redirect_map(&xlb_ports, real_server->ifindex, XDP_DROP) != XDP_REDIRECT)
			return XLB_DROP_NO_PORT;
		reason = XLB_REDIRECT;
	}
	count_packet(&xlb_traffic, selection->index, ip_bytes);
	return reason;
}

/* A frame of a peer is balanced: it is this host's own real server's, or nobody's. */
static __always_inline enum xlb_verdict deliver_for_peer(const struct xlb_service *service)
{
	return service->local_real_server ? XLB_PASS_PEER_LOCAL : XLB_DROP_PEER;
}

static __always_inline enum xlb_verdict
forward_or_pass(struct xdp_md *ctx, __u64 located, struct packet *packet,
		const struct xlb_service *service, const struct selection *selection,
		__be16 client_port, const int flags, const __u32 family)
{
	if (!selection->index) {
		count_packet(&xlb_unserved, service->id, packet_ip_bytes(packet, family));
		return XLB_PASS_NO_REAL_SERVER;
	}
	return forward(ctx, located, packet, selection, client_port, flags, family);
}

#endif
