/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ICMP errors that quote a packet a real server sent for a virtual server (it carries the virtual
 * server's address as its source): to that real server, so that path MTU discovery works through
 * direct routing (RFC 792, RFC 4443; 8 quoted bytes of transport header suffice). Every other ICMP
 * message is the stack's.
 */
#ifndef XLB_ICMP_ERROR_H
#define XLB_ICMP_ERROR_H

#include <stdbool.h>

#include "connection.h"
#include "forward.h"
#include "lookup.h"
#include "packet.h"
#include "select.h"

static __always_inline bool icmp_is_error(const struct icmp_message *icmp, const __u32 family)
{
	if (family == XLB_IPV6)
		return icmp->type >= 1 && icmp->type <= 4;
	return icmp->type == 3 || icmp->type == 11 || icmp->type == 12;
}

/* The quoted packet's connection, as seen from the client's side; false: none is told. */
static __always_inline bool quoted_connection(const struct packet *packet, void *quoted,
					      struct connection *connection, const __u32 family)
{
	struct packet inner = {.network = quoted, .end = packet->end};

	if (family == XLB_IPV6) {
		if ((void *)(inner.ip6 + 1) > inner.end || inner.ip6->version != 6)
			return false;
		inner.transport = inner.ip6 + 1;
		connection->protocol = inner.ip6->nexthdr;
	} else {
		if ((void *)(inner.ip + 1) > inner.end || inner.ip->version != 4 ||
		    inner.ip->ihl < 5 || inner.ip->frag_off & bpf_htons(IP_FRAGMENT_OFFSET))
			return false;
		inner.transport = inner.network + inner.ip->ihl * 4;
		connection->protocol = inner.ip->protocol;
	}
	if (connection->protocol != IPPROTO_TCP && connection->protocol != IPPROTO_UDP)
		return false;
	if (!packet_has_ports(&inner))
		return false;
	connection->client = packet_destination(&inner, family);
	connection->server = packet_source(&inner, family);
	connection->client_port = inner.ports->destination;
	connection->server_port = inner.ports->source;
	connection->family = family;
	return true;
}

static __always_inline enum xlb_verdict icmp_balance(struct xdp_md *ctx, __u64 located,
						     const __u32 family)
{
	struct connection connection = {};
	struct selection selection;
	struct icmp_message *icmp;
	struct xlb_service *service;
	struct address outer;
	struct packet packet;

	if (!packet_open(ctx, located, &packet, family))
		return XLB_PASS_NOT_OURS;
	icmp = packet.transport;
	if ((void *)(icmp + 1) > packet.end)
		return XLB_PASS_NOT_OURS;
	if (!icmp_is_error(icmp, family) ||
	    !quoted_connection(&packet, icmp + 1, &connection, family))
		return XLB_PASS_NOT_OURS;
	outer = packet_destination(&packet, family);
	if (outer.high != connection.server.high || outer.low != connection.server.low)
		return XLB_PASS_NOT_OURS;
	service = find_service(connection.server, connection.server_port, connection.protocol,
			       family);
	if (!service)
		return XLB_PASS_NOT_OURS;
	if (!addressed_to_interface(&packet, ctx->ingress_ifindex))
		return XLB_PASS_OTHER_MAC;
	if (!ip_length_fits(ctx, &packet, ICMP_BYTES, family))
		return XLB_DROP_MALFORMED;
	if (from_peer(&packet, service->id))
		return deliver_for_peer(service);
	selection = select_for_error(service, &connection, family);
	return forward_or_pass(ctx, located, &packet, service, &selection, 0, 0, family);
}

/* Not static, so that the verifier checks each once. */
__noinline int icmp_error_v4(struct xdp_md *ctx, __u64 located)
{
	return icmp_balance(ctx, located, XLB_IPV4);
}

__noinline int icmp_error_v6(struct xdp_md *ctx, __u64 located)
{
	return icmp_balance(ctx, located, XLB_IPV6);
}

#endif
