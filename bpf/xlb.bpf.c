// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The XDP program: what happens to a frame, in order. It balances TCP and UDP over IPv4 that is
 * addressed to a virtual server and to this interface; everything else is the stack's, untouched.
 */
#include "forward.h"
#include "lookup.h"
#include "maps.h"
#include "packet.h"
#include "select.h"
#include "verdict.h"

static __always_inline enum xlb_verdict balance(const struct xdp_md *ctx)
{
	struct packet packet;
	struct selection selection;
	struct xlb_service *service;

	switch (packet_parse(ctx, &packet)) {
	case PACKET_OTHER:
		return XLB_PASS_NOT_OURS;
	case PACKET_FRAGMENT:
		return XLB_PASS_FRAGMENT;
	case PACKET_TRANSPORT:
		break;
	}

	service = find_service(&packet);
	if (!service)
		return XLB_PASS_NOT_OURS;
	if (!addressed_to_interface(&packet, ctx->ingress_ifindex))
		return XLB_PASS_OTHER_MAC;
	if (!packet_lengths_fit(&packet))
		return XLB_DROP_MALFORMED;
	if (from_peer(&packet, service->id))
		return service->local_real_server ? XLB_PASS_PEER_LOCAL : XLB_DROP_PEER;

	selection = select_real_server(&packet, service);
	if (!selection.index) {
		count_packet(&xlb_unserved, service->id, packet_ip_bytes(&packet));
		return XLB_PASS_NO_REAL_SERVER;
	}
	return forward(ctx, &packet, &selection);
}

SEC("xdp")
int xlb(struct xdp_md *ctx)
{
	return verdict(balance(ctx));
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
