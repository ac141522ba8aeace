// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The XDP program: what happens to a frame, in order. It balances TCP and UDP over IPv4 and IPv6
 * that is addressed to a virtual server and to this interface; everything else is the stack's,
 * untouched.
 */
#include "connection.h"
#include "forward.h"
#include "fragment.h"
#include "icmp_error.h"
#include "lookup.h"
#include "maps.h"
#include "packet.h"
#include "select.h"
#include "verdict.h"

static __always_inline enum xlb_verdict balance(struct xdp_md *ctx, __u64 located,
						const __u32 family)
{
	struct connection connection;
	struct selection selection;
	struct xlb_service *service;
	struct packet packet;

	if (!packet_open(ctx, located, &packet, family) || !packet_has_ports(&packet))
		return XLB_PASS_NOT_OURS;
	connection = connection_of(&packet, family);
	service = find_service(connection.server, connection.server_port, packet.protocol, family);
	if (!service)
		return XLB_PASS_NOT_OURS;
	if (!addressed_to_interface(&packet, ctx->ingress_ifindex))
		return XLB_PASS_OTHER_MAC;
	if (!packet_lengths_fit(ctx, &packet, family))
		return XLB_DROP_MALFORMED;
	if (packet.protocol == IPPROTO_TCP && !tcp_flags_possible(packet.tcp_flags))
		return XLB_DROP_FLAGS;
	if (from_peer(&packet, service->id)) {
		if (packet.fragment == FRAGMENT_FIRST && service->local_real_server)
			remember_first_fragment(ctx, located, service->local_real_server);
		return deliver_for_peer(service);
	}

	selection = select_real_server(&packet, service, &connection, family);
	if (packet.fragment == FRAGMENT_FIRST) {
		connection.client_port = 0;
		remember_first_fragment(ctx, located, selection.index);
	}
	return forward_or_pass(ctx, located, &packet, service, &selection, connection.client_port,
			       FORWARD_MAY_ANSWER, family);
}

static __always_inline enum xlb_verdict decide(struct xdp_md *ctx)
{
	__u64 located = packet_locate(ctx);
	__u32 protocol = LOCATED_PROTOCOL(located);
	__u32 fragment = LOCATED_FRAGMENT(located);
	bool balanced = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;

	switch (LOCATED_FAMILY(located)) {
	case XLB_IPV4:
		if (balanced)
			return fragment == FRAGMENT_LATER ? later_fragment_v4(ctx, located)
							  : balance(ctx, located, XLB_IPV4);
		return protocol == IPPROTO_ICMP && fragment == FRAGMENT_NONE
			       ? icmp_error_v4(ctx, located)
			       : XLB_PASS_NOT_OURS;
	case XLB_IPV6:
		/* A later fragment may not tell the transport, only what stood before it. */
		if (fragment == FRAGMENT_LATER)
			return balanced || is_extension_header(protocol)
				       ? later_fragment_v6(ctx, located)
				       : XLB_PASS_NOT_OURS;
		if (balanced)
			return balance(ctx, located, XLB_IPV6);
		return protocol == IPPROTO_ICMPV6 && fragment == FRAGMENT_NONE
			       ? icmp_error_v6(ctx, located)
			       : XLB_PASS_NOT_OURS;
	default:
		return XLB_PASS_NOT_OURS;
	}
}

SEC("xdp.frags")
int xlb(struct xdp_md *ctx)
{
	return verdict(decide(ctx));
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
