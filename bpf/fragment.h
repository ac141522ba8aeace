/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Fragments: the first has the ports and is balanced as any packet; where it went is remembered for
 * the others, which have none. Of a packet whose first fragment was not seen, the others go by the
 * client's address where the virtual server sends all of a client's packets alike, else they are
 * dropped: nobody could put them together.
 */
#ifndef XLB_FRAGMENT_H
#define XLB_FRAGMENT_H

#include <stdbool.h>

#include "connection.h"
#include "forward.h"
#include "lookup.h"
#include "maps.h"
#include "packet.h"
#include "select.h"

static __always_inline bool fragment_key(const struct packet *packet, struct xlb_fragment_key *key,
					 const __u32 family)
{
	key->family = family;
	if (family == XLB_IPV6) {
		const struct extension_header *header =
			packet->start + (packet->identity_offset & 0x3fff);

		if ((const void *)(header + 1) > packet->end)
			return false;
		__builtin_memcpy(key->source, &packet->ip6->saddr, 16);
		__builtin_memcpy(key->destination, &packet->ip6->daddr, 16);
		key->identification = header->identification;
		return true;
	}
	key->source[0] = packet->ip->saddr;
	key->destination[0] = packet->ip->daddr;
	key->identification = packet->ip->id;
	key->protocol = packet->ip->protocol;
	return true;
}

static __always_inline void note_first_fragment(struct xdp_md *ctx, __u64 located,
						__u32 real_server, const __u32 family)
{
	struct xlb_fragment fragment = {real_server, clock_s()};
	struct xlb_fragment_key key = {};
	struct packet packet;

	if (packet_open(ctx, located, &packet, family) && fragment_key(&packet, &key, family))
		bpf_map_update_elem(&xlb_fragments, &key, &fragment, BPF_ANY);
}

/* Not static, so that the verifier checks it once; the answer says nothing. */
__noinline int remember_first_fragment(struct xdp_md *ctx, __u64 located, __u32 real_server)
{
	if (LOCATED_FAMILY(located) == XLB_IPV6)
		note_first_fragment(ctx, located, real_server, XLB_IPV6);
	else
		note_first_fragment(ctx, located, real_server, XLB_IPV4);
	return 0;
}

/* The real server that the first fragment went to; 0: not seen, or long ago. */
static __always_inline __u32 of_first_fragment(const struct packet *packet, const __u32 family)
{
	struct xlb_fragment_key key = {};
	struct xlb_fragment *fragment;

	if (!fragment_key(packet, &key, family))
		return 0;
	fragment = bpf_map_lookup_elem(&xlb_fragments, &key);
	if (!fragment || xlb_age(clock_s(), fragment->second) > XLB_FRAGMENT_TIMEOUT_S)
		return 0;
	return fragment->real_server;
}

static __always_inline struct xlb_service *service_numbered(__u32 id)
{
	__u32 *place = bpf_map_lookup_elem(&xlb_service_places, &id);
	struct xlb_service *service;
	__u32 index;

	if (!place || *place == 0)
		return NULL;
	index = *place - 1;
	service = bpf_map_lookup_elem(&xlb_services, &index);
	return service && service->id == id ? service : NULL;
}

/* The virtual server that takes fragments of unknown beginning. */
static __always_inline struct xlb_service *takes_fragments(const struct xlb_service *address,
							   __u32 protocol)
{
	__u32 id = protocol == IPPROTO_TCP   ? address->fragments_tcp
		   : protocol == IPPROTO_UDP ? address->fragments_udp
					     : 0;

	return id ? service_numbered(id) : NULL;
}

static __always_inline __u32 fragment_by_client(const struct packet *packet,
						const struct xlb_service *service,
						const __u32 family)
{
	struct connection connection = {
		.client = packet_source(packet, family),
		.server = packet_destination(packet, family),
		.server_port = service->key.port,
		.protocol = packet->protocol,
		.family = family,
	};
	struct request request = request_of(&connection, service, 0, clock_s(), family);

	return join_connection(&request, service);
}

static __always_inline enum xlb_verdict fragment_balance(struct xdp_md *ctx, __u64 located,
							 const __u32 family)
{
	struct selection selection = {};
	struct xlb_service *service, *address;
	const struct xlb_real_server *real_server;
	struct packet packet;
	__u32 index;

	if (!packet_open(ctx, located, &packet, family))
		return XLB_PASS_NOT_OURS;
	address = service_at(packet_destination(&packet, family), 0, 0, family);
	if (!address)
		return XLB_PASS_NOT_OURS;
	if (!addressed_to_interface(&packet, ctx->ingress_ifindex))
		return XLB_PASS_OTHER_MAC;
	if (!ip_length_fits(ctx, &packet, 0, family))
		return XLB_DROP_MALFORMED;
	index = of_first_fragment(&packet, family);
	real_server = bpf_map_lookup_elem(&xlb_real_servers, &index);
	service = index && real_server ? service_numbered(real_server->service_id) : NULL;
	if (!service) {
		service = takes_fragments(address, packet.protocol);
		if (!service)
			return XLB_DROP_FRAGMENT;
		index = fragment_by_client(&packet, service, family);
	}
	if (from_peer(&packet, service->id))
		return deliver_for_peer(service);
	selection = selected(service, index, FOR_FLOWS);
	return forward_or_pass(ctx, located, &packet, service, &selection, 0, 0, family);
}

/* Not static, so that the verifier checks each once. */
__noinline int later_fragment_v4(struct xdp_md *ctx, __u64 located)
{
	return fragment_balance(ctx, located, XLB_IPV4);
}

__noinline int later_fragment_v6(struct xdp_md *ctx, __u64 located)
{
	return fragment_balance(ctx, located, XLB_IPV6);
}

#endif
