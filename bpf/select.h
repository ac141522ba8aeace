/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Which real server takes the packet: the one of its flow, else of its client (persistence), else
 * the scheduler's. Only a packet that may open a connection is remembered.
 */
#ifndef XLB_SELECT_H
#define XLB_SELECT_H

#include <stdbool.h>

#include "flow_table.h"
#include "maps.h"
#include "packet.h"
#include "persistence.h"
#include "verdict.h"

/* How many slots are tried when the manager took a real server out but not yet off the slots. */
enum { SLOT_ATTEMPTS = 8 };

enum {
	FOR_FLOWS = XLB_RS_FORWARD,
	FOR_CONNECTIONS = XLB_RS_FORWARD | XLB_RS_ACCEPT,
};

struct selection {
	__u32 index; /* 0: none */
	const struct xlb_real_server *real_server;
};

/* A real server of the service that is fit for the purpose, else none. */
static __always_inline struct selection usable(__u32 service_id, __u32 index, __u32 purpose)
{
	struct xlb_real_server *real_server = bpf_map_lookup_elem(&xlb_real_servers, &index);

	if (!real_server || (real_server->flags & purpose) != purpose ||
	    real_server->service_id != service_id)
		return (struct selection){};
	return (struct selection){index, real_server};
}

/* The first usable of `length` slots, from `position` on; 0 when there is none. Not static, so that
 * the verifier checks it once. */
__noinline int usable_slot(__u32 service_id, __u32 purpose, __u32 offset, __u32 length,
			   __u64 position)
{
	if (length == 0)
		return 0;
#pragma unroll
	for (int i = 0; i < SLOT_ATTEMPTS; i++) {
		__u32 index = offset + (__u32)((position + i) % length);
		__u32 *slot = bpf_map_lookup_elem(&xlb_slots, &index);

		if (slot && usable(service_id, *slot, purpose).index)
			return (int)*slot;
	}
	return 0;
}

/* Next in the ring (rr, wrr): each new connection takes one step. */
static __always_inline __u32 next_in_ring(const struct xlb_service *service)
{
	__u32 id = service->id;
	struct xlb_scheduler *scheduler = bpf_map_lookup_elem(&xlb_schedulers, &id);

	if (!scheduler)
		return 0;
	return usable_slot(id, FOR_CONNECTIONS, service->ring_offset, service->ring_length,
			   __sync_fetch_and_add(&scheduler->cursor, 1));
}

/* By the packet's hash, alike on every director: in host order, with a fixed seed, over nothing
 * that another director may number otherwise. */
static __always_inline __u32 by_hash(const struct packet *packet, const struct xlb_service *service)
{
	__u32 port = service->persistence_timeout_s ? 0 : bpf_ntohs(packet->ports->source);
	__u64 client = bpf_ntohl(packet->ip->saddr) | (__u64)port << 32;
	__u64 server = bpf_ntohl(packet->ip->daddr) |
		       (__u64)bpf_ntohs(packet->ports->destination) << 32 |
		       (__u64)packet->ip->protocol << 48;
	__u64 hash = xlb_hash(client, xlb_hash(server, 0x9e3779b97f4a7c15));

	return usable_slot(service->id, FOR_FLOWS, service->hash_offset, service->hash_length,
			   hash >> 32);
}

static __always_inline struct selection of_client(const struct xlb_service *service,
						  __u64 client_key, __u32 now_s, __u32 purpose)
{
	if (!service->persistence_timeout_s)
		return (struct selection){};
	return usable(service->id, client_find(client_key, service->persistence_timeout_s, now_s),
		      purpose);
}

static __always_inline struct selection open_connection(const struct packet *packet,
							const struct xlb_service *service,
							__u64 flow_key, __u64 client_key,
							__u32 now_s)
{
	__u32 state = packet->ip->protocol == IPPROTO_UDP ? XLB_FLOW_UDP : XLB_FLOW_SYN_RECV;
	struct selection selection = of_client(service, client_key, now_s, FOR_CONNECTIONS);

	if (!selection.index)
		selection = usable(service->id, next_in_ring(service), FOR_CONNECTIONS);
	if (!selection.index)
		return selection;
	if (service->persistence_timeout_s)
		client_remember(client_key, selection.index, now_s);
	flow_remember(flow_key, XLB_FLOW_VALUE(selection.index, now_s, state), now_s);
	count_connection(selection.index);
	return selection;
}

/* A SYN to a connection that has ended: the client uses its port again. */
static __always_inline bool begins_again(const struct packet *packet, __u64 flow_value)
{
	__u32 state = XLB_FLOW_STATE(flow_value);

	return (state == XLB_FLOW_FIN_WAIT || state == XLB_FLOW_CLOSE) && packet_is_syn(packet);
}

static __always_inline struct selection select_real_server(const struct packet *packet,
							   const struct xlb_service *service)
{
	__u32 now_s = clock_s();
	__u64 flow_key = XLB_FLOW_KEY(packet->ip->saddr, packet->ports->source, service->id);
	__u64 client_key = XLB_FLOW_KEY(packet->ip->saddr, 0, service->id);
	struct selection selection;
	__u64 value = 0;
	struct xlb_flow *flow = flow_find(flow_key, now_s, &value);

	if (flow && !begins_again(packet, value)) {
		selection = usable(service->id, XLB_FLOW_REAL_SERVER(value), FOR_FLOWS);
		if (selection.index) {
			flow_note(flow, flow_key, value, now_s, packet->tcp_flags);
			return selection;
		}
		flow_forget(flow, value);
	}
	if (packet_opens(packet))
		return open_connection(packet, service, flow_key, client_key, now_s);
	selection = of_client(service, client_key, now_s, FOR_FLOWS);
	if (selection.index)
		return selection;
	return usable(service->id, by_hash(packet, service), FOR_FLOWS);
}

#endif
